"""How far an issue has come, as an editor is told."""

import json

from newsletter.database import db, transaction
from newsletter.delivery.progress import live_workers, progress
from newsletter.issues.lifecycle import IssueState
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
