"""Never write to this address again: for people whose address a stranger typed into our form.

The link is in the mail that asks to confirm. It works for ever: when the request is forgotten,
and the address with it, whoever has the link types the address again, and the link proves it.
"""

from datetime import datetime

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.links import BrokenLink, Purpose
from newsletter.mail.addresses import Address
from newsletter.pages import links
from newsletter.subscribers.erasure import blank, hold_requests
from newsletter.subscribers.lookup import find, hold
from newsletter.subscribers.models import Signup, SubscriberState, SuppressionReason
from newsletter.subscribers.signup import belongs_to_suppressed, nonces
from newsletter.subscribers.suppression import suppress

SOURCE = "page:/never-again"


class OtherAddress(NewsletterError):
    """The link was sent to another address than the one typed."""

    page = "other_address"
    status = 400

    def __init__(self) -> None:
        super().__init__("This link was sent to another address.")


def find_request(token: str) -> Signup | None:
    """What the link belongs to, or None if it is forgotten; raises `BrokenLink`."""
    signup_id, nonce = links().read(Purpose.NEVER_AGAIN, token)
    signup = db.session.get(Signup, signup_id)
    if signup is not None and signup.nonce != nonce:
        raise BrokenLink("This link belongs to another request.")
    return signup


def is_kept_away(token: str) -> bool:
    """Whether the address that a link was sent to is suppressed for good already."""
    _signup_id, nonce = links().read(Purpose.NEVER_AGAIN, token)
    return belongs_to_suppressed(nonce)


def keep_away(token: str, typed: Address | None, *, now: datetime) -> None:
    """Suppress the address that the link was sent to, and forget one who never confirmed.

    `typed` is needed only where the request is forgotten. Raises `BrokenLink`, `OtherAddress`.
    """
    signup = find_request(token)
    if signup is not None:
        address_key = signup.address_key
    elif typed is not None and links().read(Purpose.NEVER_AGAIN, token)[1] in nonces(typed.key):
        address_key = typed.key
    else:
        raise OtherAddress
    _forget_stranger(address_key, now)
    suppress(address_key, SuppressionReason.NEVER_AGAIN, source=SOURCE, now=now)


def _forget_stranger(address_key: str, now: datetime) -> None:
    found = find(address_key)
    if found is None or found.state is not SubscriberState.PENDING:
        return
    hold_requests([found.id])
    held = hold(found.id)
    if held is not None and held.state is SubscriberState.PENDING:
        blank(held, source=SOURCE, now=now)
