"""Steering from the command line: what an operator types, and what comes back."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from newsletter import audit
from newsletter.database import transaction
from newsletter.delivery import ledger, steering, tasks
from newsletter.issues.lifecycle import IssueState
from tests.endings import LINE_LOST, as_it_is, ended_issue
from tests.factories import NOON, make_issue, make_subscribers
from tests.posting import TestClock, delivery_to, start_issue, states, take_batch


@pytest.fixture
def issue(app):
    """A draft with readers."""
    with transaction():
        issue = make_issue()
        make_subscribers(3)
    return issue


@pytest.fixture
def in_berlin(app, settings):
    """The publication's clocks go forward and back."""
    app.extensions["settings"] = settings.model_copy(update={"time_zone": "Europe/Berlin"})


def last_act(issue):
    line = audit.of_issue(issue.id)[-1]
    return line.who, line.what


def tomorrow(hour=6):
    return (datetime.now(UTC) + timedelta(days=1)).replace(hour=hour, minute=30, second=0)


def test_pause_and_resume(app, command):
    issue = start_issue(readers=3)

    paused = command("issue", "pause", "87")
    assert paused.exit_code == 0
    assert "is paused" in paused.stdout
    assert as_it_is(issue).state is IssueState.PAUSED
    assert last_act(issue) == ("command line", "Paused.")

    assert command("issue", "resume", "87").stdout == "Issue 87 is being sent.\n"
    assert as_it_is(issue).state is IssueState.SENDING
    assert last_act(issue) == ("command line", "Resumed.")


def test_cancel_says_how_many_do_not_get_it(app, command):
    issue = start_issue(readers=3)

    done = command("issue", "cancel", "87")

    assert done.stdout == "Issue 87 was cancelled, with 3 readers to go.\n"
    assert states(issue) == {"skipped": 3}
    assert last_act(issue) == ("command line", "Cancelled.")


def test_cancel_tells_what_had_left_from_what_waits(app, command):
    issue = start_issue(readers=3)
    clock = TestClock()
    lease = take_batch(issue, clock)
    with transaction(), ledger.entry(lease.slot, clock()) as entry:
        entry.mark(lease, [ledger.waiting(lease)[0].id])

    done = command("issue", "cancel", "87")

    assert done.stdout.startswith("Issue 87 was cancelled, with 2 readers to go.\n")
    assert "The message to 1 reader had left" in done.stdout
    assert states(issue) == {"skipped": 2, "sending": 1}


@pytest.mark.parametrize("verb", ["pause", "resume", "unschedule", "resend"])
def test_what_cannot_be_is_refused_in_one_line(command, issue, verb):
    refused = command("issue", verb, "87")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("newsletter: Issue 87 is a draft")
    assert refused.stderr.count("\n") == 1
    assert audit.of_issue(issue.id) == []


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "unschedule", "doubts", "resend"])
def test_an_issue_that_is_not_there_is_missed(command, verb):
    refused = command("issue", verb, "5")

    assert refused.exit_code == 1
    assert "there is no issue 5" in refused.stderr


def test_a_time_is_set_in_the_zone_of_the_publication(app, command, issue, settings):
    app.extensions["settings"] = settings.model_copy(update={"time_zone": "Africa/Tripoli"})
    at = tomorrow()

    done = command("issue", "schedule", "87", "--at", f"{at:%Y-%m-%dT%H:%M}")

    assert done.stdout == f"Issue 87 goes out at {at:%Y-%m-%d} 06:30 EET.\n"
    assert as_it_is(issue).scheduled_at == at.replace(hour=4, microsecond=0)
    assert "There is no article in" in done.stderr
    status = command("issue", "status", "87").stdout
    assert status.startswith(f"Issue 87 is scheduled for {at:%Y-%m-%d} 06:30 EET.\n")

    assert command("issue", "unschedule", "87").stdout == "Issue 87 is a draft.\n"
    assert as_it_is(issue).scheduled_at is None


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("2020-01-01 06:30", "has passed already"),
        ("tomorrow", "2026-11-24 06:30"),
        ("2030-03-31 02:30", "Clocks go forward"),
        ("2030-10-27 02:30", "Clocks go back"),
    ],
)
@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_cannot_be_meant_is_refused(command, issue, time, said):
    refused = command("issue", "schedule", "87", "--at", time)

    assert refused.exit_code == 1
    assert said in refused.stderr
    assert as_it_is(issue).state is IssueState.DRAFT


def test_what_is_late_says_so(command, issue):
    with transaction():
        found = as_it_is(issue)
        found.state, found.scheduled_at = IssueState.SCHEDULED, tasks.now() - timedelta(hours=2)

    assert (
        "which has passed; send it now or set another time"
        in command("issue", "status", "87").stdout
    )
    assert command("issue", "send", "87").exit_code == 0
    assert as_it_is(issue).state is IssueState.SENDING


def test_status_says_why_an_issue_paused_by_itself(app, command):
    issue = start_issue(readers=3)
    with transaction():
        steering.pause(issue.id, who=audit.POLICY, because="550 5.7.1 blocked.", now=NOON)

    said = command("issue", "status", "87").stdout

    assert said.startswith("Issue 87 is paused: 550 5.7.1 blocked.\n")


def test_doubts_are_listed_for_people_and_for_programs(app, command):
    ended_issue(sent=["amal@example.org"], in_doubt=["omar@example.org"])
    number = delivery_to("omar@example.org").id

    assert command("issue", "doubts", "87").stdout == (
        f"{number}\tomar@example.org\t2026-11-17 12:00:00 UTC\t{LINE_LOST}\n"
    )
    assert json.loads(command("issue", "doubts", "87", "--json").stdout) == [
        {
            "id": number,
            "address": "omar@example.org",
            "since": "2026-11-17T12:00:00+00:00",
            "answer": LINE_LOST,
        }
    ]


def test_without_doubts_there_is_nothing_to_list(command, issue):
    assert command("issue", "doubts", "87").stdout == ""
    assert command("issue", "doubts", "87", "--json").stdout == "[]\n"


def test_a_number_that_no_delivery_has_is_a_mistake_of_usage(command, issue):
    for number in ("0", "9" * 30):
        refused = command("issue", "doubts", "87", "--again", "--id", number)
        assert refused.exit_code == 2
        assert "is not in the range" in refused.stderr


def test_doubts_are_taken_as_delivered(app, command):
    issue = ended_issue(in_doubt=["omar@example.org", "lena@example.org"])

    done = command("issue", "doubts", "87", "--delivered")

    assert done.stdout == "2 settled: taken as delivered.\n"
    assert states(issue) == {"sent": 2}
    assert last_act(issue) == ("command line", "2 deliveries in doubt, taken as delivered.")


def test_one_doubt_is_sent_again(app, command):
    issue = ended_issue(in_doubt=["omar@example.org", "lena@example.org"])
    number = delivery_to("omar@example.org").id

    done = command("issue", "doubts", "87", "--again", "--id", str(number))

    assert done.stdout == "1 settled: sent again.\n"
    assert states(issue) == {"queued": 1, "in_doubt": 1}


def test_a_doubt_that_is_none_is_named(app, command):
    issue = ended_issue(sent=["amal@example.org"], in_doubt=["omar@example.org"])
    numbers = [delivery_to(f"{name}@example.org").id for name in ("amal", "omar")]

    done = command("issue", "doubts", "87", "--delivered", *[f"--id={n}" for n in numbers])

    assert done.exit_code == 1
    assert done.stdout == "1 settled: taken as delivered.\n"
    assert "1 of those named" in done.stderr
    assert states(issue) == {"sent": 2}


@pytest.mark.parametrize("arguments", [["--delivered", "--again"], ["--id", "1"]])
def test_it_must_be_said_what_to_do_with_doubts(app, command, arguments):
    issue = ended_issue(in_doubt=["omar@example.org"])

    assert command("issue", "doubts", "87", *arguments).exit_code == 2
    assert states(issue) == {"in_doubt": 1}


def test_resend_goes_to_those_who_failed(app, command):
    issue = ended_issue(sent=["amal@example.org"], failed=["omar@example.org"])

    assert command("issue", "resend", "87").stdout == (
        "Issue 87 goes again to 1 reader who had failed.\n"
    )
    assert states(issue) == {"sent": 1, "queued": 1}


def test_resend_to_nobody_says_so(app, command):
    ended_issue(sent=["amal@example.org"])

    assert command("issue", "resend", "87").stdout == "Nobody failed of issue 87.\n"
