"""Addresses that we do not take, by their looks alone, whoever asks.

`*` stands for anything; spaces or commas stand between patterns.
A pattern without an @ is one of domains: `*.spam.example` are all that
end so, `spam.example` is that one domain.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from newsletter.errors import NewsletterError
from newsletter.mail.addresses import Address

ALWAYS = ("abuse@*", "mailer-daemon@*", "no-reply@*", "noreply@*", "postmaster@*")
"""Nobody reads us there, and a mail to them can bring us on a list of senders of rubbish."""


class BlockedAddress(NewsletterError):
    """We do not take signups for such addresses."""

    page = "blocked_address"

    def __init__(self) -> None:
        super().__init__("We don't take this kind of address. Please use another one.")


def refuse_blocked(address: Address, patterns: str) -> None:
    """Raise `BlockedAddress` for what the operator's patterns, or ours, match."""
    wanted = _expression((*ALWAYS, *patterns.replace(",", " ").split()))
    if wanted.fullmatch(address.key) or wanted.fullmatch(address.folded):
        raise BlockedAddress


@lru_cache
def _expression(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(_one(pattern) for pattern in patterns))


def _one(pattern: str) -> str:
    whole = pattern.casefold() if "@" in pattern else f"*@{pattern.casefold()}"
    return ".*".join(re.escape(part) for part in whole.split("*"))
