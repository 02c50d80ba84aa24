"""Find a subscriber, and hold the row before changing it.

On PostgreSQL a held row is locked until the transaction ends; on SQLite a writer is alone.
What is held is read anew, so that a decision never rests on what another process has changed.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database import Base, db, is_sqlite
from newsletter.subscribers.models import Subscriber, SubscriberState


def find(address_key: str) -> Subscriber | None:
    """The subscriber of an address, to be looked at."""
    return db.session.scalars(
        select(Subscriber).where(Subscriber.address_key == address_key)
    ).one_or_none()


def hold(subscriber_id: int) -> Subscriber | None:
    """The subscriber of this id, to be changed."""
    return _hold(select(Subscriber).where(Subscriber.id == subscriber_id))


def hold_address(address_key: str) -> Subscriber | None:
    """The subscriber of an address, to be changed."""
    return _hold(select(Subscriber).where(Subscriber.address_key == address_key))


def hold_addresses(address_keys: Collection[str]) -> dict[str, Subscriber]:
    """Those of many addresses that are known, by their keys, to be changed."""
    held = hold_all(Subscriber.address_key.in_(address_keys))
    return {found.address_key: found for found in held if found.address_key is not None}


def hold_all(which: ColumnElement[bool]) -> Sequence[Subscriber]:
    """All subscribers that a condition names, to be changed.

    Held in one order, so that two who hold many never wait for each other.
    """
    query = select(Subscriber).where(which).order_by(Subscriber.id)
    return db.session.scalars(_held(query)).all()


def hold_or_create(address: str, address_key: str, now: datetime) -> Subscriber:
    """The subscriber of an address, made if need be; whoever comes second gets the same row."""
    while (subscriber := hold_address(address_key)) is None:
        row = {
            "address": address,
            "address_key": address_key,
            "state": SubscriberState.PENDING,
            "created_at": now,
        }
        db.session.execute(insert_unless_there(Subscriber), [row])
    return subscriber


def insert_unless_there(model: type[Base]) -> Any:
    """An INSERT that leaves out rows whose unique key is taken, on either database."""
    if is_sqlite():
        return sqlite.insert(model).on_conflict_do_nothing()
    return postgresql.insert(model).on_conflict_do_nothing()


def _hold(query: Select[Subscriber]) -> Subscriber | None:
    return db.session.scalars(_held(query)).one_or_none()


def _held(query: Select[Subscriber]) -> Select[Subscriber]:
    return query.with_for_update(of=Subscriber).execution_options(populate_existing=True)
