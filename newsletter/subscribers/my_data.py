"""All that we hold about a reader, for them to keep: every column of every row."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, inspect, or_, select

from newsletter.database import Base, db
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import Notice
from newsletter.pages import settings
from newsletter.subscribers import caps, traces
from newsletter.subscribers.models import (
    AddressChange,
    Bounce,
    ConsentEvent,
    LinksRequest,
    Signup,
    Subscriber,
    Subscription,
    Suppression,
)
from newsletter.subscribers.readers import known
from newsletter.subscribers.suppression import is_of
from newsletter.subscribers.waiting_mails import wait_for
from newsletter.subscribers.wishes import slugs_of

INNER = {"nonce", "message", "lease_until", "fence"}
"""Columns that say nothing about anybody: what makes a link, a mail's bytes, who sends it."""


def data_of(subscriber_id: int, *, now: datetime) -> dict[str, Any]:
    """All that we hold about somebody, ready for JSON; raises `NotSubscribed` and `Erased`.

    Times are in ISO 8601, choices of sections are slugs (none means all), hashes are in hex.
    """
    subscriber = known(subscriber_id)
    key = subscriber.address_key
    held: list[tuple[str, type[Base], ColumnElement[bool]]] = [
        ("subscriber", Subscriber, Subscriber.id == subscriber_id),
        ("subscription", Subscription, Subscription.subscriber_id == subscriber_id),
        ("consent", ConsentEvent, ConsentEvent.subscriber_id == subscriber_id),
        ("signups", Signup, or_(Signup.subscriber_id == subscriber_id, Signup.address_key == key)),
        ("address_changes", AddressChange, AddressChange.subscriber_id == subscriber_id),
        ("links_requests", LinksRequest, LinksRequest.address_key == key),
        ("suppressions", Suppression, is_of(key or "")),
        ("bounces", Bounce, Bounce.subscriber_id == subscriber_id),
        ("notices", Notice, _is_to(subscriber)),
    ]
    return {
        "publication": settings().publication_name,
        "written_at": _plain(now),
        **{name: _rows(model, condition) for name, model, condition in held},
        **{
            name: [{column: _plain(value) for column, value in row.items()} for row in rows]
            for name, rows in traces.tell(subscriber_id).items()
        },
    }


def _is_to(subscriber: Subscriber) -> ColumnElement[bool]:
    """Mails on their way, and those that the caps count; of others no address is left."""
    keys = caps.counting_keys(parse_address(subscriber.address))
    return or_(wait_for([subscriber.address_key or ""]), Notice.counting_key.in_(keys))


def _rows(model: type[Base], condition: ColumnElement[bool]) -> list[dict[str, Any]]:
    mapper = inspect(model)
    found = db.session.scalars(select(model).where(condition).order_by(*mapper.primary_key))
    columns = [column.key for column in mapper.column_attrs if column.key not in INNER]
    return [{name: _told(name, getattr(row, name)) for name in columns} for row in found.unique()]


def _told(column: str, value: object) -> object:
    if column == "choice" and isinstance(value, int):
        return slugs_of(value)
    return _plain(value)


def _plain(value: object) -> object:
    """A value that JSON knows."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value
