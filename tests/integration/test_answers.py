"""What relays said, counted beside the ledger: cheap, bounded, and never twice."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from newsletter.database import db, transaction
from newsletter.delivery.answers import (
    MOST_DOMAINS,
    MOST_KINDS,
    OTHER_DOMAINS,
    AnswerCounts,
    without_readers,
)
from newsletter.delivery.models import AnswerTally, Trouble
from newsletter.mail.smtp_answers import Answer, Outcome, Stage
from tests.factories import NOON, make_issue
from tests.posting import run_together

RELAY = "mail.example:25"
ACCEPTED = Answer(Outcome.ACCEPTED, Stage.DOT, "Queued.", 250, "2.0.0")
BUSY = Answer(Outcome.NOT_NOW, Stage.RCPT, "Please come back later.", 451, "4.7.1")
UNKNOWN = Answer(Outcome.NEVER, Stage.RCPT, "Nobody of that name here.", 550, "5.1.1")
SILENT = Answer(Outcome.IN_DOUBT, Stage.DOT, "The line was lost after the dot.")


def make_draft():
    with transaction():
        return make_issue().id


def tallies(issue_id):
    columns = (
        AnswerTally.relay,
        AnswerTally.domain,
        AnswerTally.accepted,
        AnswerTally.not_now,
        AnswerTally.never,
        AnswerTally.in_doubt,
    )
    query = select(*columns).where(AnswerTally.issue_id == issue_id)
    return [tuple(row) for row in db.session.execute(query.order_by(*columns[:2]))]


def troubles(issue_id):
    query = select(Trouble).where(Trouble.issue_id == issue_id).order_by(Trouble.kind)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def counted(*answers, domain="reader.example", relay=RELAY):
    counts = AnswerCounts()
    for answer in answers:
        counts.add(relay, domain, answer, NOON)
    return counts


def test_answers_are_counted_by_relay_and_domain(app):
    issue_id = make_draft()
    counts = counted(ACCEPTED, ACCEPTED, BUSY, UNKNOWN, SILENT)
    counts.add(RELAY, "other.example", ACCEPTED, NOON)
    counts.add("second.example:25", "other.example", ACCEPTED, NOON)

    counts.flush(issue_id)

    assert tallies(issue_id) == [
        (RELAY, "other.example", 1, 0, 0, 0),
        (RELAY, "reader.example", 2, 1, 1, 1),
        ("second.example:25", "other.example", 1, 0, 0, 0),
    ]


def test_each_kind_of_trouble_is_kept_with_its_first_words(app):
    issue_id = make_draft()
    counts = counted(ACCEPTED, BUSY)
    again = Answer(Outcome.NOT_NOW, Stage.RCPT, "Other words.", 451, "4.7.1")
    counts.add(RELAY, "reader.example", again, NOON + timedelta(seconds=1))
    counts.add(RELAY, "reader.example", SILENT, NOON)

    counts.flush(issue_id)
    counts.add(RELAY, "reader.example", again, NOON + timedelta(minutes=1))
    counts.flush(issue_id)

    silent, busy = troubles(issue_id)
    assert (silent.kind, silent.count) == ("in_doubt dot", 1)
    assert (busy.kind, busy.count) == ("not_now rcpt 451 4.7.1", 3)
    assert busy.text == "451 4.7.1 Please come back later."
    assert (busy.first_at, busy.last_at) == (NOON, NOON + timedelta(minutes=1))


def test_what_was_written_is_not_written_again(app):
    issue_id = make_draft()
    counts = counted(ACCEPTED, UNKNOWN)

    counts.flush(issue_id)
    counts.flush(issue_id)
    counts.add(RELAY, "reader.example", ACCEPTED, NOON)
    counts.flush(issue_id)

    assert tallies(issue_id) == [(RELAY, "reader.example", 2, 0, 1, 0)]
    assert [trouble.count for trouble in troubles(issue_id)] == [1]


@pytest.mark.parametrize("table", ["answer_tally", "trouble"])
def test_a_flush_that_fails_loses_nothing_and_counts_nothing_twice(app, table):
    issue_id = make_draft()
    counts = counted(ACCEPTED, UNKNOWN)
    with transaction():
        db.session.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    try:
        with pytest.raises(DatabaseError):
            counts.flush(issue_id)
    finally:
        with transaction():
            db.session.execute(text(f"ALTER TABLE away RENAME TO {table}"))
    assert tallies(issue_id) == []

    counts.add(RELAY, "reader.example", ACCEPTED, NOON)
    counts.flush(issue_id)

    assert tallies(issue_id) == [(RELAY, "reader.example", 2, 0, 1, 0)]
    assert [trouble.count for trouble in troubles(issue_id)] == [1]


def test_senders_that_flush_at_once_wait_for_each_other_and_lose_nothing(app):
    issue_id = make_draft()
    domains = [f"domain-{n}.example" for n in range(200)]
    rounds = 15

    def sender(order):
        def work():
            with app.app_context():
                counts = AnswerCounts()
                for _ in range(rounds):
                    for domain in order:
                        counts.add(RELAY, domain, ACCEPTED, NOON)
                        counts.add(RELAY, domain, BUSY, NOON)
                    counts.flush(issue_id)
                db.session.remove()

        return work

    run_together(sender(domains), sender(domains[::-1]))

    assert tallies(issue_id) == [
        (RELAY, domain, 2 * rounds, 2 * rounds, 0, 0) for domain in sorted(domains)
    ]
    assert [trouble.count for trouble in troubles(issue_id)] == [2 * rounds * len(domains)]


def test_a_list_of_a_million_domains_fills_no_table(app):
    issue_id = make_draft()
    for sender in range(2):
        counts = counted(ACCEPTED)
        for n in range(MOST_DOMAINS):
            counts.add(RELAY, f"domain-{sender}-{n}.example", ACCEPTED, NOON)
        counts.flush(issue_id)
    late = counted(ACCEPTED)
    late.flush(issue_id)

    rows = {domain: accepted for _, domain, accepted, *_ in tallies(issue_id)}
    assert len(rows) == MOST_DOMAINS + 1
    assert rows[OTHER_DOMAINS] == MOST_DOMAINS + 1
    assert rows["reader.example"] == 3


def test_a_server_that_makes_up_codes_fills_no_table(app):
    issue_id = make_draft()
    counts = AnswerCounts()
    for n in range(MOST_KINDS + 20):
        answer = Answer(Outcome.NEVER, Stage.RCPT, "No.", 550, f"5.0.{n}")
        counts.add(RELAY, "reader.example", answer, NOON)

    counts.flush(issue_id)

    assert len(troubles(issue_id)) == MOST_KINDS
    assert tallies(issue_id) == [(RELAY, "reader.example", 0, 0, MOST_KINDS + 20, 0)]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<amal@reader.example>: unknown", "<…@reader.example>: unknown"),
        ("mailbox amal+news@reader.example is full", "mailbox …@reader.example is full"),
        ("RCPT:'o'brien@reader.example'", "RCPT:…@reader.example'"),
        ("Service unavailable", "Service unavailable"),
    ],
)
def test_no_reader_is_named_among_the_troubles(said, kept):
    assert without_readers(said) == kept
