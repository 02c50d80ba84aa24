"""One way to write, on both databases."""

from datetime import UTC, datetime
from typing import cast

import psycopg
import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import IntegrityError

from newsletter import create_app
from newsletter.database import LIMITS, db, end_read, transaction
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


def limits_of(settings, **query):
    """What a connection of the application says of its limits, with more in its address."""
    url = make_url(settings.database_url).update_query_dict(query)
    changed = {"database_url": url.render_as_string(hide_password=False)}
    other = create_app(settings.model_copy(update=changed))
    with other.app_context():
        idle = db.session.scalar(text("SHOW idle_in_transaction_session_timeout"))
        work_mem = db.session.scalar(text("SHOW work_mem"))
        driver = cast(psycopg.Connection, db.session.connection().connection.driver_connection)
        given = driver.info.get_parameters()
        db.session.remove()
        db.engine.dispose()
    return idle, work_mem, {name: given.get(name) for name in LIMITS}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_to_postgresql_waits_for_nobody_for_ever(app, settings):
    idle, _, given = limits_of(settings)

    assert idle == "1min"
    assert given == LIMITS


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_the_operator_says_in_the_address_counts(app, settings):
    _, work_mem, given = limits_of(settings, options="-c work_mem=5MB", connect_timeout="7")
    idle, *_ = limits_of(settings, options="-c idle_in_transaction_session_timeout=5min")

    assert work_mem == "5MB"
    assert given == LIMITS | {"connect_timeout": "7"}
    assert idle == "5min"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_was_read_stays_when_the_read_ends(app):
    sections = db.session.scalars(select(Section)).all()
    end_read()

    idle = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")
    with db.engine.connect() as connection:
        assert connection.scalar(idle) == 0
    assert len({section.slug for section in sections}) == 4
    assert not db.session().in_transaction()
