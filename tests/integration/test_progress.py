"""How far an issue has come, as an editor is told."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import event, text, update

from newsletter.database import db, execute, is_sqlite, transaction
from newsletter.delivery import relays, steering
from newsletter.delivery.answers import AnswerCounts
from newsletter.delivery.models import Tally
from newsletter.delivery.progress import TOP_DOMAINS, full_progress, live_workers, progress
from newsletter.delivery.samples import samples, take_samples
from newsletter.delivery.start import send_now
from newsletter.issues.lifecycle import IssueState
from newsletter.mail.smtp_answers import Answer, Outcome, Stage
from newsletter.subscribers.models import ConsentEvent, ConsentKind
from tests.factories import NOON, make_issue, make_subscriber
from tests.posting import TestClock, send, start_issue


def leave(subscriber_id, issue_id, kind=ConsentKind.UNSUBSCRIBED):
    with transaction():
        event = ConsentEvent(
            subscriber_id=subscriber_id, issue_id=issue_id, kind=kind, at=NOON, source="one-click"
        )
        db.session.add(event)


def test_a_draft_has_come_nowhere(app):
    with transaction():
        issue = make_issue()

    begun = progress(issue.id)

    assert begun.state is IssueState.DRAFT
    assert begun.total == begun.still_to_come == begun.went_wrong == 0


def test_the_counts_are_printed_as_agreed(app, mail_server):
    issue = start_issue(readers=3)
    with transaction():
        reader = make_subscriber()
    send(issue, mail_server.url, TestClock())
    leave(reader.id, issue.id)

    assert json.dumps(progress(issue.id).as_json()) == (
        '{"number": 87, "state": "sent", "deliveries": {"queued": 0, "sending": 0, "sent": 3, '
        '"failed": 0, "skipped": 0, "in_doubt": 0}, "unsubscribed": 1}'
    )


def test_only_those_who_left_because_of_this_issue_are_counted(app):
    issue = start_issue(readers=1)
    with transaction():
        other = make_issue(number=88)
        reader = make_subscriber()
    leave(reader.id, other.id)
    leave(reader.id, None)
    leave(reader.id, issue.id, ConsentKind.CHANGED)

    assert progress(issue.id).unsubscribed == 0


def test_without_a_worker_it_says_so(app):
    assert not live_workers()


RELAY = "mail.example:25"
ACCEPTED = Answer(Outcome.ACCEPTED, Stage.DOT, "Queued.", 250, "2.0.0")
BUSY = Answer(Outcome.NOT_NOW, Stage.RCPT, "Please come back later.", 451, "4.7.1")
UNKNOWN = Answer(Outcome.NEVER, Stage.RCPT, "Nobody of that name here.", 550, "5.1.1")
MINUTE = timedelta(minutes=1)


def settle(issue, count):
    """So many were sent."""
    with transaction():
        execute(
            update(Tally)
            .where(Tally.issue_id == issue.id, Tally.slot == 1)
            .values(queued=Tally.queued - count, sent=Tally.sent + count)
        )


def test_it_says_how_fast_it_goes_and_what_is_left(app):
    issue = start_issue(readers=500)
    settle(issue, 120)

    half = full_progress(issue.id, now=NOON + MINUTE)

    assert (half.settled, half.total) == (120, 500)
    assert half.rate == 2
    assert half.time_left == timedelta(seconds=190)
    assert half.started_at == NOON


def test_when_nothing_moves_there_is_no_telling_what_time_is_left(app):
    issue = start_issue(readers=500)

    stuck = full_progress(issue.id, now=NOON + MINUTE)

    assert stuck.rate == 0
    assert stuck.time_left is None


def test_what_is_not_being_sent_has_no_rate(app):
    with transaction():
        draft = make_issue()
        make_subscriber()
    assert full_progress(draft.id, now=NOON).rate is None

    issue = send_now(draft.id, now=NOON)
    with transaction():
        steering.pause(issue.id, who="clock", now=NOON, because="The mail server refuses us.")
    paused = full_progress(issue.id, now=NOON + MINUTE)

    assert (paused.rate, paused.time_left) == (None, None)
    assert paused.paused_because == "The mail server refuses us."


def test_answers_are_summed_by_relay_and_by_domain(app):
    issue = start_issue(readers=1)
    counts = AnswerCounts()
    for relay, domain, answer in (
        (RELAY, "reader.example", ACCEPTED),
        (RELAY, "reader.example", ACCEPTED),
        (RELAY, "other.example", BUSY),
        ("second.example:25", "reader.example", UNKNOWN),
    ):
        counts.add(relay, domain, answer, NOON)
    counts.flush(issue.id)

    found = full_progress(issue.id, now=NOON).as_json()

    assert found["relays"] == [
        {"name": RELAY, "accepted": 2, "not_now": 1, "never": 0, "in_doubt": 0},
        {"name": "second.example:25", "accepted": 0, "not_now": 0, "never": 1, "in_doubt": 0},
    ]
    assert found["domains"] == [
        {"name": "reader.example", "accepted": 2, "not_now": 0, "never": 1, "in_doubt": 0},
        {"name": "other.example", "accepted": 0, "not_now": 1, "never": 0, "in_doubt": 0},
    ]


def test_of_many_domains_those_with_most_answers_are_shown(app):
    issue = start_issue(readers=1)
    counts = AnswerCounts()
    for n in range(TOP_DOMAINS + 10):
        for _ in range(n + 1):
            counts.add(RELAY, f"domain-{n}.example", ACCEPTED, NOON)
    counts.flush(issue.id)

    domains = full_progress(issue.id, now=NOON).domains

    assert len(domains) == TOP_DOMAINS
    assert domains[0].name == f"domain-{TOP_DOMAINS + 9}.example"
    assert domains[-1].accepted == 11


def test_troubles_are_told_in_the_words_of_the_first_and_in_order(app):
    issue = start_issue(readers=1)
    counts = AnswerCounts()
    for seconds, answer in enumerate((UNKNOWN, BUSY, BUSY)):
        counts.add(RELAY, "reader.example", answer, NOON + timedelta(seconds=seconds))
    counts.flush(issue.id)

    first, second = full_progress(issue.id, now=NOON).troubles

    assert (first.outcome, first.count, first.first_at) == (Outcome.NEVER, 1, NOON)
    assert first.text == "550 5.1.1 Nobody of that name here."
    assert (second.outcome, second.count) == (Outcome.NOT_NOW, 2)


def test_a_relay_that_is_left_alone_is_named_with_what_it_said(app):
    issue = start_issue(readers=1)
    with transaction():
        relays.trip(RELAY, "421 4.3.2 Shutting down.", NOON)

    (relay,) = full_progress(issue.id, now=NOON).as_json()["failing_relays"]

    assert relay["name"] == RELAY
    assert relay["said"] == "421 4.3.2 Shutting down."
    assert relay["rests_until"] > relay["since"] == NOON.isoformat()


def test_programs_find_what_was_agreed_first_and_all_of_it_is_json(app):
    issue = start_issue(readers=500)
    settle(issue, 120)
    with transaction():
        relays.trip(RELAY, "421 4.3.2 Shutting down.", NOON)
    counts = AnswerCounts()
    counts.add(RELAY, "reader.example", BUSY, NOON)
    counts.flush(issue.id)

    printed = json.loads(json.dumps(full_progress(issue.id, now=NOON + MINUTE).as_json()))

    assert list(printed)[:4] == ["number", "state", "deliveries", "unsubscribed"]
    assert printed["deliveries"]["sent"] == 120
    assert (printed["rate"], printed["seconds_left"]) == (2.0, 190)
    assert printed["troubles"][0]["first_at"] == NOON.isoformat()


def statements_of(look):
    """What the database is asked meanwhile: each statement with its parameters."""
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        look()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return asked


def plan_of(statement, parameters):
    """How the database goes about it, if it takes an index wherever there is one that fits."""
    if not is_sqlite():
        db.session.execute(text("SET LOCAL enable_seqscan = off"))
    explain = "EXPLAIN QUERY PLAN " if is_sqlite() else "EXPLAIN "
    rows = db.session.connection().exec_driver_sql(explain + statement, parameters)
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("look", [full_progress, progress])
def test_looking_reads_no_deliveries_and_nothing_whole_that_grows(app, look):
    issue = start_issue(readers=20)
    times = {"now": NOON + MINUTE} if look is full_progress else {}

    asked = statements_of(lambda: (look(issue.id, **times), samples(issue.id)))

    assert 1 < len(asked) < 9
    for statement, parameters in asked:
        assert not re.search(r"\bdelivery\b", statement), statement
        plan = plan_of(statement, parameters)
        assert "relay_state" in statement or not re.search("^SCAN|Seq Scan", plan, re.M), plan


def test_taking_samples_reads_no_deliveries(app):
    issue = start_issue(readers=20)

    def look():
        with transaction():
            take_samples(now=NOON)

    asked = statements_of(look)

    assert samples(issue.id)
    assert not [statement for statement, _ in asked if re.search(r"\bdelivery\b", statement)]
