"""How fast an issue goes, and the chart of it, from samples that the clock takes."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select, update

from newsletter.database import db, execute, transaction
from newsletter.delivery.models import ProgressSample, Tally
from newsletter.delivery.samples import MOST, SPREAD, Sample, rate, samples, take_samples, thinned
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from tests.factories import NOON, make_issue
from tests.posting import TestClock


def make_sending(number=87):
    """An issue that started at noon, for a million readers."""
    with transaction():
        issue = make_issue(number)
        issue.state, issue.sending_started_at = IssueState.SENDING, NOON
        db.session.add(Tally(issue_id=issue.id, slot=0, queued=1_000_000))
        db.session.add(Tally(issue_id=issue.id, slot=1))
    return issue.id


def settle(issue_id, count, clock):
    """So many more were sent; the clock looks."""
    with transaction():
        execute(
            update(Tally)
            .where(Tally.issue_id == issue_id, Tally.slot == 1)
            .values(queued=Tally.queued - count, sent=Tally.sent + count)
        )
    look(clock)


def look(clock):
    with transaction():
        take_samples(now=clock())


def kept(issue_id):
    query = select(func.count()).where(ProgressSample.issue_id == issue_id)
    return db.session.scalar(query)


def test_a_sample_is_taken_only_when_something_was_settled(app):
    issue_id, clock = make_sending(), TestClock()

    look(clock)
    for count in (10, 0, 0, 5):
        clock.turn(seconds=5)
        settle(issue_id, count, clock)

    assert samples(issue_id) == [
        Sample(NOON, 0),
        Sample(NOON + timedelta(seconds=5), 10),
        Sample(NOON + timedelta(seconds=20), 15),
    ]


def test_two_clocks_take_one_sample(app):
    issue_id, clock = make_sending(), TestClock()

    settle(issue_id, 10, clock)
    settle(issue_id, 10, clock)

    assert samples(issue_id) == [Sample(NOON, 10)]


def test_an_issue_that_rests_is_not_sampled(app):
    issue_id = make_sending()
    with transaction():
        db.session.get_one(Issue, issue_id).state = IssueState.PAUSED

    look(TestClock())

    assert samples(issue_id) == []


def test_each_issue_has_samples_of_its_own(app):
    issue_id, other_id, clock = make_sending(), make_sending(88), TestClock()

    settle(issue_id, 10, clock)

    assert samples(issue_id) == [Sample(NOON, 10)]
    assert samples(other_id) == [Sample(NOON, 0)]


def test_however_long_it_takes_a_few_hundred_samples_are_kept(app):
    issue_id, clock = make_sending(), TestClock()
    for _ in range(MOST + 50):
        clock.turn(seconds=5)
        settle(issue_id, 100, clock)

    assert SPREAD < kept(issue_id) <= MOST
    shown = samples(issue_id)
    assert len(shown) <= SPREAD
    assert shown[-1] == Sample(clock(), 100 * (MOST + 50))
    gaps = [after.at - before.at for before, after in pairwise(shown)]
    assert max(gaps) < timedelta(seconds=30), "no stretch of time is left out"


def test_thinning_takes_nothing_from_the_last_minute(app):
    issue_id, clock = make_sending(), TestClock()
    while kept(issue_id) < MOST:
        clock.turn(seconds=5)
        settle(issue_id, 100, clock)
    clock.turn(seconds=5)
    settle(issue_id, 100, clock)
    assert kept(issue_id) < MOST

    settled = samples(issue_id)[-1].settled
    assert rate(issue_id, settled, started_at=NOON, now=clock()) == pytest.approx(20)


def test_the_rate_is_that_of_the_last_minute(app):
    issue_id, clock = make_sending(), TestClock()
    for count in [1000] * 24 + [50] * 12:
        clock.turn(seconds=5)
        settle(issue_id, count, clock)

    assert rate(issue_id, 24_600, started_at=NOON, now=clock()) == pytest.approx(10)


def test_in_the_first_minute_the_rate_is_that_since_the_start(app):
    issue_id = make_sending()

    assert rate(issue_id, 3000, started_at=NOON, now=NOON + timedelta(seconds=30)) == 100


def test_at_the_very_start_there_is_no_rate(app):
    issue_id = make_sending()

    assert rate(issue_id, 500, started_at=NOON, now=NOON + timedelta(seconds=1)) is None


def test_when_nothing_moves_the_rate_falls_to_nothing(app):
    issue_id, clock = make_sending(), TestClock()
    for _ in range(24):
        clock.turn(seconds=5)
        settle(issue_id, 100, clock)
    clock.turn(seconds=30)
    half = rate(issue_id, 2400, started_at=NOON, now=clock())
    clock.turn(minutes=1)

    assert half is not None
    assert 8 < half < 12
    assert rate(issue_id, 2400, started_at=NOON, now=clock()) == 0


def test_after_a_long_rest_the_rate_is_of_what_moves_now(app):
    issue_id, clock = make_sending(), TestClock()
    settle(issue_id, 5000, clock)
    clock.turn(minutes=20)
    for _ in range(12):
        clock.turn(seconds=5)
        settle(issue_id, 50, clock)

    found = rate(issue_id, 5600, started_at=NOON, now=clock())
    assert found == pytest.approx(10, rel=0.1)


def test_when_deliveries_are_queued_again_the_rate_is_of_what_was_settled_since(app):
    issue_id, clock = make_sending(), TestClock()
    for _ in range(24):
        clock.turn(seconds=5)
        settle(issue_id, 5000, clock)
    clock.turn(hours=2)

    assert rate(issue_id, 119_000, started_at=NOON, now=clock()) is None, "unseen by the clock"
    settle(issue_id, -1000, clock)
    assert rate(issue_id, 119_000, started_at=NOON, now=clock()) is None, "too early to say"
    for _ in range(20):
        clock.turn(seconds=5)
        settle(issue_id, 40, clock)
        settled = samples(issue_id)[-1].settled
        assert rate(issue_id, settled, started_at=NOON, now=clock()) == pytest.approx(8)


def test_thinning_keeps_the_last_sample_of_each_stretch():
    ten = [Sample(NOON + timedelta(seconds=n), n) for n in range(11)]

    assert [sample.settled for sample in thinned(ten, 5)] == [1, 3, 5, 7, 10]
    assert thinned(ten, 11) == ten
    assert thinned([], 5) == []
