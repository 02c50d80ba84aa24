"""Send at a set time, and ask first when that time passed long ago."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from newsletter import audit
from newsletter.background import ISSUES, waiting
from newsletter.database import db, transaction
from newsletter.delivery import schedule, start, tasks
from newsletter.delivery.fanout import Blocked
from newsletter.delivery.local_time import BadTime
from newsletter.delivery.models import Delivery
from newsletter.delivery.start import send_now, start_due
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.editing import import_issue
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Article
from tests.endings import as_it_is
from tests.factories import NOON, make_issue, make_subscribers
from tests.issue_files import issue_file
from tests.posting import run_together

ANNA = "anna@example.org"
SIX = NOON + timedelta(hours=6)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def issue(app):
    """A draft with readers."""
    with transaction():
        issue = make_issue()
        make_subscribers(3)
    return issue


def set_for(issue, at, now=NOON):
    with transaction():
        return schedule.schedule(issue.id, at, who=ANNA, now=now)


def unschedule(issue, now=NOON):
    with transaction():
        return schedule.unschedule(issue.id, who=ANNA, now=now)


def state_of(issue):
    return as_it_is(issue).state


def deliveries():
    return db.session.scalar(select(func.count()).select_from(Delivery))


def acts(issue):
    return [(entry.who, entry.what) for entry in audit.of_issue(issue.id)]


def test_a_scheduled_issue_goes_out_at_its_time_and_not_before(issue):
    set_for(issue, SIX)

    start_due(now=SIX - MINUTE)
    assert state_of(issue) is IssueState.SCHEDULED
    start_due(now=SIX)
    assert state_of(issue) is IssueState.SENDING

    assert deliveries() == 3
    assert acts(issue) == [
        (ANNA, "Scheduled for 2026-11-17 18:00 UTC."),
        ("policy", "Sending started."),
    ]


def test_starting_calls_workers(issue, settings):
    set_for(issue, SIX)
    before = waiting(ISSUES)

    start_due(now=SIX)

    assert waiting(ISSUES) == before + settings.senders_per_issue


def test_within_the_hour_it_still_goes_by_itself(issue):
    set_for(issue, SIX)

    start_due(now=SIX + timedelta(minutes=60))

    assert state_of(issue) is IssueState.SENDING


def test_after_more_than_an_hour_it_waits_to_be_asked_for(issue):
    set_for(issue, SIX)
    late = SIX + timedelta(minutes=61)

    start_due(now=late)

    assert state_of(issue) is IssueState.SCHEDULED
    assert not schedule.is_late(as_it_is(issue), now=SIX + timedelta(minutes=60))
    assert schedule.is_late(as_it_is(issue), now=late)
    assert deliveries() == 0


def test_how_late_is_too_late_can_be_set(app, issue, settings):
    app.extensions["settings"] = settings.model_copy(update={"late_after_minutes": 5})
    set_for(issue, SIX)

    start_due(now=SIX + 6 * MINUTE)

    assert state_of(issue) is IssueState.SCHEDULED


def test_send_or_a_new_time_settles_what_is_late(issue):
    set_for(issue, SIX)
    late = SIX + timedelta(hours=3)

    set_for(issue, late + MINUTE, now=late)
    assert not schedule.is_late(as_it_is(issue), now=late)
    start_due(now=late + MINUTE)
    assert state_of(issue) is IssueState.SENDING


def test_send_now_takes_a_scheduled_issue_and_a_late_one(issue):
    set_for(issue, SIX)

    assert send_now(issue.id, now=SIX + timedelta(hours=3)).state is IssueState.SENDING


def test_two_clocks_start_it_once(app, issue):
    set_for(issue, SIX)

    def clock():
        with app.app_context():
            start_due(now=SIX)

    run_together(*[clock] * 4)

    assert deliveries() == 3
    assert len(acts(issue)) == 2


@pytest.mark.parametrize("act", ["unscheduled", "rescheduled"])
def test_what_was_taken_back_at_the_last_moment_does_not_go_out(issue, act):
    set_for(issue, SIX)
    ((issue_id, at),) = schedule.due(now=SIX)
    if act == "unscheduled":
        unschedule(issue)
    else:
        set_for(issue, SIX + timedelta(days=1))

    with pytest.raises(WrongStep):
        send_now(issue_id, now=SIX, who=audit.POLICY, scheduled_at=at)

    assert deliveries() == 0
    assert state_of(issue) in {IssueState.DRAFT, IssueState.SCHEDULED}


def test_the_past_is_refused(issue):
    with pytest.raises(BadTime, match="has passed already"):
        set_for(issue, NOON)
    assert state_of(issue) is IssueState.DRAFT


def test_an_issue_that_could_not_be_sent_is_not_scheduled(app):
    with transaction():
        issue = make_issue(sections=())

    with pytest.raises(Blocked, match="has no article"):
        set_for(issue, SIX)

    assert state_of(issue) is IssueState.DRAFT
    assert acts(issue) == []


def test_an_issue_that_cannot_be_sent_at_its_time_is_a_draft_again_and_says_why(issue):
    set_for(issue, SIX)
    with transaction():
        db.session.execute(delete(Article))

    start_due(now=SIX)

    held = as_it_is(issue)
    assert (held.state, held.scheduled_at, held.told_at) == (IssueState.DRAFT, None, None)
    assert held.paused_because
    assert "Issue 87 has no article." in held.paused_because
    assert acts(issue)[-1] == ("policy", f"Not sent at its time. {held.paused_because}")


def test_texts_are_frozen_until_it_is_taken_off_the_schedule(issue):
    set_for(issue, SIX)
    file = issue_file(subject="A correction")

    with pytest.raises(FrozenIssue), transaction():
        import_issue(file, replace=True, now=NOON)
    unschedule(issue)
    with transaction():
        import_issue(file, replace=True, now=NOON)

    assert as_it_is(issue).scheduled_at is None
    assert (ANNA, "Taken off the schedule.") in acts(issue)


def test_what_is_under_way_is_neither_scheduled_nor_taken_off(issue):
    send_now(issue.id, now=NOON)

    with pytest.raises(WrongStep, match="is being sent, so it can't be scheduled"):
        set_for(issue, SIX)
    with pytest.raises(WrongStep, match="is being sent, so it can't go back to draft"):
        unschedule(issue)


def test_the_clock_starts_what_is_due(issue):
    with transaction():
        found = as_it_is(issue)
        found.state, found.scheduled_at = IssueState.SCHEDULED, tasks.now() - MINUTE

    tasks.start_scheduled()

    assert state_of(issue) is IssueState.SENDING


def test_one_that_breaks_does_not_keep_the_others_from_going(app, issue):
    with transaction():
        other = make_issue(number=88)
    set_for(issue, SIX)
    set_for(other, SIX)
    with transaction():
        db.session.execute(delete(Article).where(Article.issue_id == issue.id))

    start.start_due(now=SIX)

    assert state_of(issue) is IssueState.DRAFT
    assert state_of(other) is IssueState.SENDING
