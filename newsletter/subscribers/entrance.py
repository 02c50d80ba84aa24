"""The one entrance for all who want a mailbox to be written to: forms, programs, readers who move.

What is decided here is decided without looking the address up, so no answer tells anything about
one. These functions open transactions of their own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import request

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.errors import NewsletterError
from newsletter.limits import TooMany, an_hour, network_limits
from newsletter.mail.addresses import Address, parse_address
from newsletter.pages import settings
from newsletter.subscribers import attack
from newsletter.subscribers.blocking import refuse_blocked
from newsletter.subscribers.links_request import request_links
from newsletter.subscribers.models import SignupAttack
from newsletter.subscribers.recent import recent
from newsletter.subscribers.signup import request_signup
from newsletter.subscribers.stamps import is_fresh, is_hasty, is_second_press, second_stamp
from newsletter.subscribers.wishes import read_wish

HASTY_SHARE = 3  # a network's limit divided by this is how many may be sent at once


class OnceMore(NewsletterError):
    """Not refused, but to be asked a second time, with the stamp that comes along."""

    page = "once_more"
    status = 429

    def __init__(self, stamp: str) -> None:
        super().__init__("Many are signing up. Please send this request again, with the stamp.")
        self.stamp = stamp
        self.headers = {"Retry-After": "1"}


@dataclass(frozen=True)
class Asked:
    """What a form or a program asks for, unread."""

    address: str
    sections: tuple[str, ...]
    language: str
    stamp: str


def let_in(address: Address) -> None:
    """Count one request to write to a mailbox that is no signup; not inside a transaction.

    Raises `BlockedAddress`, `TooMany`.
    """
    refuse_blocked(address, settings().blocked_addresses)
    now = datetime.now(UTC)
    attack.admit(address.domain, attack.watch(address.domain, now=now), now=now)
    recent().add(address.domain, now)


def take_signup(asked: Asked, *, source: str, wording: str, is_form: bool) -> None:
    """Take what the request asks for, the same way for every address.

    Raises `BadAddress`, `UnknownSection`, `UnknownLanguage`, `BlockedAddress`, `OnceMore`,
    `TooMany`.
    """
    mailbox = parse_address(asked.address)
    wish = read_wish(asked.sections, asked.language)
    refuse_blocked(mailbox, settings().blocked_addresses)
    now = datetime.now(UTC)
    ongoing = attack.watch(mailbox.domain, now=now)
    _ask_once_more(mailbox, asked.stamp, ongoing, is_form=is_form, now=now)
    attack.admit(mailbox.domain, ongoing, now=now)
    with transaction():
        request_signup(mailbox, wish, source=source, wording=wording, now=now)
    hint("subscribers.answer_signups")


def take_links_request(address: str, language: str, *, stamp: str) -> None:
    """Take a reader's request for links, the same way for every address.

    Raises `BadAddress`, `OnceMore`, `TooMany`.
    """
    mailbox = parse_address(address)
    now = datetime.now(UTC)
    ongoing = attack.watch(mailbox.domain, now=now)
    _ask_once_more(mailbox, stamp, ongoing, is_form=True, now=now)
    # No ceiling but the network's: only readers get this mail, and no flood may shut them out.
    network_limits().let_in(request.remote_addr, an_hour(settings().signups_per_network_per_hour))
    with transaction():
        request_links(mailbox, language, now=now)
    hint("subscribers.answer_links_requests")


def _ask_once_more(
    address: Address, stamp: str, ongoing: SignupAttack | None, *, is_form: bool, now: datetime
) -> None:
    """Raise `OnceMore` for a form that nobody can have read; in an attack, for everybody once."""
    if is_second_press(stamp, address.key, now):
        return
    if ongoing is None and (not is_form or _is_read(stamp, now)):
        return
    if ongoing is not None:
        recent().hold_up(now)
    raise OnceMore(second_stamp(address.key, now))


def _is_read(stamp: str, now: datetime) -> bool:
    """Whether somebody read the form first; a few in a network may be faster than we read.

    Browsers fill in forms by themselves, but not very many in an hour.
    """
    if not is_hasty(stamp, now):
        return is_fresh(stamp, now)
    most = max(1, settings().signups_per_network_per_hour // HASTY_SHARE)
    try:
        network_limits().let_in(request.remote_addr, an_hour(most, "hasty"))
    except TooMany:
        return False
    return True
