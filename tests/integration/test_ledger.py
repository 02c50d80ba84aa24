"""Leases, marks and answers, at the moments that matter."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from newsletter.database import db, transaction
from newsletter.delivery import ledger, slots
from newsletter.delivery.ledger import BounceNote, Verdict
from newsletter.delivery.models import Batch, Delivery, DeliveryState, SenderSlot
from newsletter.issues.models import Issue
from newsletter.subscribers.models import Bounce, BounceKind, Subscriber, SubscriberState
from tests.factories import NOON
from tests.posting import TestClock, run_together, start_issue, states, take_batch, take_slot, tick


@pytest.fixture
def clock():
    return TestClock()


def take(issue, clock, holder="a worker"):
    """The first free batch and what waits there."""
    with transaction():
        lease = take_batch(issue, clock, holder)
        return lease, ledger.waiting(lease)


def mark(lease, deliveries, clock):
    with transaction(), ledger.entry(lease.slot, clock()) as entry:
        return entry.mark(lease, [delivery.id for delivery in deliveries])


def record(lease, deliveries, state, clock, *, were_marked=True, **more):
    with transaction(), ledger.entry(lease.slot, clock()) as entry:
        verdicts = [Verdict(d.id, state, f"words for {d.id}", **more) for d in deliveries]
        entry.record(lease, verdicts, were_marked=were_marked)


def give_back(lease, clock):
    with transaction(), ledger.entry(lease.slot, clock()) as entry:
        entry.give_back(lease)


def test_a_batch_is_in_the_hands_of_one(app, clock):
    issue = start_issue(readers=3)

    lease, waiting = take(issue, clock)

    assert len(waiting) == 3
    with transaction():
        assert ledger.claim(take_slot(issue, "another", clock), clock()) is None
    assert lease.fence == 1


def test_every_slot_and_every_batch_goes_to_one_of_those_who_reach_for_it(app, clock, settings):
    issue = start_issue(readers=1600)
    slots: list[int] = []
    batches: list[tuple[int, int]] = []

    def reach():
        with app.app_context():
            for number in range(2):
                with transaction():
                    slot = take_slot(issue, f"worker {number}", clock)
                    slots.append(slot.number)
                    if lease := ledger.claim(slot, clock()):
                        batches.append((lease.batch_id, len(ledger.waiting(lease))))

    run_together(*[reach] * 4)

    assert sorted(slots) == list(range(1, 9))
    assert len(batches) == len(dict(batches)) == 4
    assert sum(dict(batches).values()) == 1600


def test_a_mark_dates_the_message_once(app, clock):
    issue = start_issue(readers=1)
    lease, waiting = take(issue, clock)
    mark(lease, waiting, clock)
    record(lease, waiting, DeliveryState.QUEUED, clock, due_at=NOON)
    give_back(lease, clock)

    clock.turn(minutes=2)
    tick(clock)
    lease, waiting = take(issue, clock)
    mark(lease, waiting, clock)

    assert lease.dated_at > NOON
    assert waiting[0].dated_at == NOON
    assert waiting[0].attempts == 1
    delivery = db.session.get_one(Delivery, waiting[0].id, populate_existing=True)
    assert delivery.dated_at == NOON


def test_a_delivery_is_marked_once(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)

    assert len(mark(lease, waiting, clock).ids) == 3
    again = mark(lease, waiting, clock)

    assert again.ids == frozenset()
    assert not again.goes_on
    assert states(issue) == {"sending": 3}


def test_who_lost_the_lease_marks_nothing(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)
    clock.turn(seconds=31)
    tick(clock)

    cleared = mark(lease, waiting, clock)

    assert cleared.ids == frozenset()
    assert not cleared.goes_on
    assert states(issue) == {"queued": 3}


def test_who_lost_the_lease_records_nothing(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)
    mark(lease, waiting[:2], clock)
    clock.turn(seconds=31)
    tick(clock)

    record(lease, waiting[:2], DeliveryState.SENT, clock)
    give_back(lease, clock)

    assert states(issue) == {"in_doubt": 2, "queued": 1}
    assert db.session.scalar(select(Batch.finished_at)) is None


def test_what_a_dead_process_had_marked_is_in_doubt_and_the_rest_waits_for_the_next(app, clock):
    issue = start_issue(readers=5)
    lease, waiting = take(issue, clock, "about to die")
    mark(lease, waiting[:2], clock)

    clock.turn(seconds=29)
    tick(clock)
    assert states(issue) == {"sending": 2, "queued": 3}

    clock.turn(seconds=2)
    tick(clock)
    assert states(issue) == {"in_doubt": 2, "queued": 3}
    _, rest = take(issue, clock, "the next")
    assert [d.id for d in rest] == [d.id for d in waiting[2:]]


def test_a_beating_heart_keeps_lease_and_slot(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)
    mark(lease, waiting[:1], clock)
    for _ in range(10):
        clock.turn(seconds=10)
        with transaction():
            slots.renew_slot(lease.slot, clock())
            ledger.renew([lease], clock())
        tick(clock)

    record(lease, waiting[:1], DeliveryState.SENT, clock)

    assert states(issue) == {"sent": 1, "queued": 2}
    alive_until = db.session.scalar(select(SenderSlot.alive_until).where(SenderSlot.slot == 1))
    assert alive_until == clock.now + slots.LEASE


def test_a_lost_lease_is_not_brought_back_by_a_heartbeat(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)
    clock.turn(seconds=31)
    tick(clock)

    with transaction():
        ledger.renew([lease], clock())

    assert db.session.scalar(select(Batch.lease_until)) is None
    assert mark(lease, waiting, clock).ids == frozenset()


def test_an_answer_counts_once(app, clock):
    issue = start_issue(readers=2)
    lease, waiting = take(issue, clock)
    mark(lease, waiting, clock)

    record(lease, waiting[:1], DeliveryState.SENT, clock)
    record(lease, waiting[1:], DeliveryState.IN_DOUBT, clock)
    record(lease, waiting, DeliveryState.FAILED, clock)

    assert states(issue) == {"sent": 1, "in_doubt": 1}


def test_a_batch_given_back_half_done_is_taken_again_with_a_higher_fence(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)
    mark(lease, waiting[:1], clock)
    record(lease, waiting[:1], DeliveryState.SENT, clock)
    give_back(lease, clock)

    again, rest = take(issue, clock)

    assert again.batch_id == lease.batch_id
    assert again.fence == lease.fence + 1
    assert [d.id for d in rest] == [d.id for d in waiting[1:]]


def test_an_issue_is_not_done_while_a_batch_may_still_bring_an_answer(app, clock):
    issue = start_issue(readers=1)
    lease, waiting = take(issue, clock)
    mark(lease, waiting, clock)
    record(lease, waiting, DeliveryState.IN_DOUBT, clock)

    tick(clock)
    assert db.session.get_one(Issue, issue.id, populate_existing=True).completed_at is None

    give_back(lease, clock)
    tick(clock)
    assert db.session.get_one(Issue, issue.id, populate_existing=True).completed_at == NOON


def test_the_one_who_left_is_skipped_and_the_others_go(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)
    with transaction():
        db.session.execute(
            update(Subscriber)
            .where(Subscriber.id == waiting[1].subscriber_id)
            .values(state=SubscriberState.UNSUBSCRIBED, unsubscribed_at=NOON)
            .execution_options(synchronize_session=False)
        )

    cleared = mark(lease, waiting, clock)

    assert cleared.ids == {waiting[0].id, waiting[2].id}
    assert cleared.goes_on
    assert states(issue) == {"sending": 2, "skipped": 1}
    skipped = db.session.get_one(Delivery, waiting[1].id, populate_existing=True)
    assert skipped.settled_at == NOON


def test_a_recipient_refused_before_its_mark_is_settled_with_its_attempt_counted(app, clock):
    issue = start_issue(readers=2)
    lease, waiting = take(issue, clock)

    record(lease, waiting[:1], DeliveryState.FAILED, clock, were_marked=False)
    record(lease, waiting[1:], DeliveryState.QUEUED, clock, were_marked=False, due_at=NOON)

    assert states(issue) == {"failed": 1, "queued": 1}
    later = db.session.get_one(Delivery, waiting[1].id, populate_existing=True)
    assert (later.attempts, later.dated_at, later.due_at) == (1, lease.dated_at, NOON)
    assert later.marked_at is None


def test_each_answer_is_kept_with_its_own_delivery(app, clock):
    issue = start_issue(readers=30)
    lease, waiting = take(issue, clock)
    mark(lease, waiting, clock)

    record(lease, waiting, DeliveryState.SENT, clock)

    kept = db.session.execute(select(Delivery.id, Delivery.answer)).all()
    assert {answer for _, answer in kept} == {f"words for {id_}" for id_, _ in kept}


def test_a_bounce_is_kept_once_with_what_the_mail_server_said(app, clock):
    issue = start_issue(readers=1)
    lease, waiting = take(issue, clock)
    note = BounceNote(BounceKind.SOFT, waiting[0].subscriber_id, "5.2.2")

    for _ in range(2):
        record(lease, waiting, DeliveryState.FAILED, clock, were_marked=False, bounce=note)

    [bounce] = db.session.scalars(select(Bounce))
    assert (bounce.kind, bounce.status, bounce.at) == (BounceKind.SOFT, "5.2.2", NOON)
    assert bounce.text == f"words for {waiting[0].id}"
    assert (bounce.delivery_id, bounce.subscriber_id) == (waiting[0].id, waiting[0].subscriber_id)


def test_what_is_postponed_waits_untried_and_is_cut_again_when_it_is_due(app, clock):
    issue = start_issue(readers=3)
    lease, waiting = take(issue, clock)
    with transaction(), ledger.entry(lease.slot, clock()) as entry:
        entry.postpone(lease, {waiting[0].id: clock() + timedelta(seconds=90)})

    assert [d.id for d in ledger.waiting(lease)] == [d.id for d in waiting[1:]]
    assert mark(lease, waiting[:1], clock).ids == frozenset()
    assert states(issue) == {"queued": 3}
    clock.turn(seconds=91)
    tick(clock)
    tick(clock)
    with transaction():
        take_slot(issue, "the next", clock)
    delivery = db.session.get_one(Delivery, waiting[0].id, populate_existing=True)
    assert (delivery.due_at, delivery.attempts) == (None, 0)
    assert delivery.batch_id != lease.batch_id
