"""How fast an operator lets mail go to a recipient's domain: one line, read and checked once.

`gmail.com=20 yahoo.com=5/2 *=50`: messages per second, and after a slash how many may be on the
wire at once. `*` is for every domain not named; a subdomain is a domain of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import idna

ANY = "*"

_RATE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_COUNT = re.compile(r"[0-9]{1,4}")


class DomainLimit(NamedTuple):
    """What one domain can bear; `at_once` is None where only the pace counts."""

    per_second: float
    at_once: int | None = None


@dataclass(frozen=True)
class DomainLimits:
    """The limits of recipient domains; without any, every domain is free."""

    by_domain: Mapping[str, DomainLimit]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the line; raises ValueError with words that show nothing of it."""
        by_domain: dict[str, DomainLimit] = {}
        for entry in text.split():
            name, _, limit = entry.rpartition("=")
            domain = name if name == ANY else _domain(name)
            if domain in by_domain:
                raise ValueError("names a domain twice")
            by_domain[domain] = _limit(limit)
        return cls(by_domain)

    def of(self, domain: str) -> DomainLimit | None:
        """The limit of a domain, written as A-label in lower case; None if it has none."""
        return self.by_domain.get(domain) or self.by_domain.get(ANY)


def _domain(name: str) -> str:
    """The domain as addresses hold it (RFC 5890 section 2.3.2.1: as A-label, in lower case)."""
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError("must look like gmail.com=20 yahoo.com=5/2 *=50") from None


def _limit(text: str) -> DomainLimit:
    rate, slash, count = text.partition("/")
    if not _RATE.fullmatch(rate) or float(rate) == 0:
        raise ValueError("needs a number above 0 of messages per second after every =")
    if slash and (not _COUNT.fullmatch(count) or int(count) == 0):
        raise ValueError("needs a number from 1 to 9999 of messages at once after every /")
    return DomainLimit(float(rate), int(count) if slash else None)
