"""How a sender writes a group down, and what it does meanwhile."""

from collections import Counter
from typing import cast

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.engine.interfaces import DBAPICursor

from newsletter.database import db, execute, transaction
from newsletter.delivery import ledger
from newsletter.delivery.books import Books
from newsletter.delivery.group import Group
from newsletter.delivery.ledger import Entry, Verdict
from newsletter.delivery.models import Batch, Delivery, DeliveryState
from newsletter.delivery.overlap import OverlappingConnection
from newsletter.delivery.prepared import Pen
from newsletter.delivery.progress import progress
from tests.posting import TestClock, start_issue, states, take_slot

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def issue(app):
    """Two batches, of 500 readers and of 10."""
    return start_issue(readers=510)


@pytest.fixture
def slot(issue, clock):
    return take_slot(issue, "a worker", clock)


@pytest.fixture
def leases(slot, clock):
    """Both batches."""
    with transaction():
        claimed = [ledger.claim(slot, clock()) for _ in range(2)]
    return [lease for lease in claimed if lease]


def waiting(lease, most):
    with transaction():
        return [delivery.id for delivery in ledger.waiting(lease)[:most]]


def counted(issue):
    return Counter({state: n for state, n in progress(issue.id).counts.items() if n})


def test_a_group_of_two_batches_is_written_down_whatever_the_answers_are(
    issue, slot, leases, clock
):
    ids = {lease: waiting(lease, 6) for lease in leases}
    group = Group()
    for lease in leases:
        group.ready[lease] += ids[lease]
    with Books(slot, clock) as books:
        cleared = books.write(group, may_mark=True)
        assert cleared.ids == {*ids[leases[0]], *ids[leases[1]]}
        assert cleared.goes_on

        group = Group()
        answers = [DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SENT] * 2
        for lease in leases:
            for id_, state in zip(ids[lease], answers, strict=True):
                group.settle(lease, Verdict(id_, state, f"words for {id_}"), was_marked=True)
        group.finished = leases[1:]
        assert books.write(group, may_mark=True).goes_on

    assert states(issue) == counted(issue) == {"sent": 8, "failed": 4, "queued": 498}
    with transaction():
        kept = select(Delivery.id, Delivery.answer).where(Delivery.id.in_(cleared.ids))
        assert dict(execute(kept).all()) == {id_: f"words for {id_}" for id_ in cleared.ids}
        held = [until is not None for (until,) in execute(select(Batch.lease_until))]
        assert sorted(held) == [False, True]


def test_of_two_batches_one_may_be_lost(issue, slot, leases, clock):
    kept, lost = leases
    group = Group()
    group.ready[kept] += (of_kept := waiting(kept, 3))
    group.ready[lost] += waiting(lost, 3)
    with transaction():
        db.session.get_one(Batch, lost.batch_id).fence += 1

    with Books(slot, clock) as books:
        cleared = books.write(group, may_mark=True)

    assert cleared.ids == set(of_kept)
    assert not cleared.goes_on
    assert states(issue) == counted(issue) == {"sending": 3, "queued": 507}


@ON_POSTGRESQL
def test_no_group_reads_a_whole_table_of_readers(slot, leases, clock):
    """Of a table that is small, or new, PostgreSQL would think that reading it is cheaper."""
    lease = leases[0]
    ids = waiting(lease, 50)
    seen = "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)"

    with OverlappingConnection.like(db.engine) as connection, connection.transaction():
        cursor = cast(DBAPICursor, connection.cursor())
        entry = Entry(slot, clock(), Pen(cursor, db.engine.dialect))
        _recorded, marked = entry.turn_over(lease, [], ids)
        assert marked == set(ids)
        sent = [Verdict(id_, DeliveryState.SENT, "250 yes") for id_ in ids]
        recorded, _marked = entry.turn_over(lease, sent, [])
        assert recorded == set(ids)
        assert connection.execute(seen, [["delivery", "subscriber"]]).fetchall() == [(0,)]


@ON_POSTGRESQL
def test_a_process_works_while_postgresql_does(app):
    """Another connection sees that the server is busy with our statement."""
    seen = []

    def look(pid):
        query = "SELECT state, query FROM pg_stat_activity WHERE pid = %s"
        with OverlappingConnection.like(db.engine) as another:
            seen.append(another.execute(query, [pid]).fetchone())

    with OverlappingConnection.like(db.engine) as connection:
        connection.meanwhile = lambda: look(connection.info.backend_pid)
        result = connection.execute("SELECT 7, pg_sleep(1)").fetchone()
        connection.execute("SELECT 8")

    assert result
    assert result[0] == 7
    assert seen == [("active", "SELECT 7, pg_sleep(1)")]


@ON_POSTGRESQL
def test_an_error_of_postgresql_comes_through_after_the_work(app):
    done = []

    with OverlappingConnection.like(db.engine) as connection:
        connection.meanwhile = lambda: done.append("worked")
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1 / 0")
        assert connection.execute("SELECT 9").fetchone() == (9,)

    assert done == ["worked"]
