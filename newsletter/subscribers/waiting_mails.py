"""Mails to a mailbox that have not left yet, however its address is written in them."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, func, or_, select

from newsletter.database import db
from newsletter.mail.addresses import key_of
from newsletter.notices.models import Notice


def wait_for(address_keys: Collection[str]) -> ColumnElement[bool]:
    """The condition that a notice waits and goes to one of these mailboxes.

    Databases know for certain only the small letters of ASCII; for others we read ourselves.
    """
    waits = Notice.due_at.is_not(None)
    to_them = func.lower(Notice.recipient).in_(address_keys)
    others = {key for key in address_keys if not key.isascii()}
    if not others:
        return waits & to_them
    domains = {key.rpartition("@")[2] for key in others}
    is_there = or_(
        *(Notice.recipient.endswith(f"@{domain}", autoescape=True) for domain in domains)
    )
    found = db.session.execute(select(Notice.id, Notice.recipient).where(waits, is_there))
    ids = [id_ for id_, recipient in found if recipient and key_of(recipient) in others]
    return waits & (to_them | Notice.id.in_(ids))
