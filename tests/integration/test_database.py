"""One way to write, on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from newsletter.database import db, transaction
from newsletter.issues.models import Section
from newsletter.subscribers.models import Subscriber, SubscriberState

NOON = datetime(2026, 11, 17, 12, 0, 0, 123456, tzinfo=UTC)


def subscriber(**values):
    return Subscriber(
        address="amal@reader.example",
        address_key="amal@reader.example",
        state=SubscriberState.PENDING,
        created_at=NOON,
        **values,
    )


def test_a_transaction_keeps_what_was_done(app):
    with transaction():
        db.session.add(subscriber())

    db.session.expunge_all()
    assert db.session.scalars(select(Subscriber)).one().created_at == NOON


def test_a_transaction_that_fails_keeps_nothing(app):
    with pytest.raises(ZeroDivisionError), transaction():
        db.session.add(subscriber())
        db.session.flush()
        _ = 1 / 0

    assert db.session.scalars(select(Subscriber)).all() == []


def test_a_transaction_inside_another_is_refused(app):
    with transaction(), pytest.raises(RuntimeError), transaction():
        pass


def test_a_transaction_may_follow_a_read(app):
    assert len(db.session.scalars(select(Section)).all()) == 4
    with transaction():
        db.session.add(subscriber())
    assert len(db.session.scalars(select(Subscriber)).all()) == 1


def test_a_confirmed_subscriber_without_a_confirmation_is_impossible(app):
    with pytest.raises(IntegrityError), transaction():
        row = subscriber()
        row.state = SubscriberState.CONFIRMED
        db.session.add(row)


def test_no_error_of_the_database_shows_an_address_among_its_parameters(app):
    with pytest.raises(IntegrityError) as failure, transaction():
        row = subscriber()
        row.state = SubscriberState.CONFIRMED
        db.session.add(row)

    assert "hidden" in str(failure.value)
    assert "parameters: {" not in str(failure.value)
    assert "amal" not in str(failure.value)
    assert "amal" not in str(failure.value.orig)


def test_a_time_without_a_zone_is_refused(app):
    with pytest.raises(Exception, match="time without a zone"), transaction():
        db.session.add(subscriber(confirmed_at=datetime(2026, 11, 17)))  # noqa: DTZ001  # the point
