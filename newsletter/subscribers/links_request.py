"""Mail readers their links who have no old mail at hand.

As with a signup, the form writes one row and looks nothing up; a worker answers it by mail if
the address reads us, and deletes it in any case.
"""

from datetime import datetime

from sqlalchemy import select

from newsletter.database import db
from newsletter.mail.addresses import Address, parse_address
from newsletter.notices.models import NoticeKind
from newsletter.notices.owing import owe
from newsletter.subscribers import caps
from newsletter.subscribers.lookup import find
from newsletter.subscribers.mails import links_mail
from newsletter.subscribers.models import LinksRequest, SubscriberState
from newsletter.subscribers.suppression import FOR_GOOD, reason_of


def request_links(address: Address, language: str, *, now: datetime) -> None:
    """Note that somebody asked; the same work whatever the address."""
    db.session.add(
        LinksRequest(address=address.smtp, address_key=address.key, language=language, asked_at=now)
    )


def unanswered_requests() -> list[int]:
    """The requests that wait for a worker, oldest first."""
    return list(db.session.scalars(select(LinksRequest.id).order_by(LinksRequest.id)))


def answer_request(request_id: int, *, now: datetime) -> None:
    """Owe a reader their links, under caps like those of confirmations; forget who asked.

    Does nothing if another worker has it in hand or has answered it.
    """
    asked = db.session.scalars(
        select(LinksRequest)
        .where(LinksRequest.id == request_id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if asked is None:
        return
    db.session.delete(asked)
    subscriber = find(asked.address_key)
    if subscriber is None or subscriber.state is not SubscriberState.CONFIRMED:
        return
    chosen = subscriber.subscription
    keys = caps.counting_keys(parse_address(asked.address))
    caps.hold_count(keys)
    if chosen is None or reason_of(asked.address_key) in FOR_GOOD:
        return
    if not caps.may_ask(keys, caps.USUAL, now, for_links=True):
        return
    owe(
        NoticeKind.LINKS,
        subscriber.address,
        links_mail(subscriber, chosen),
        language=chosen.language,
        now=now,
        counting_key=keys[0],
    )
