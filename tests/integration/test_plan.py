"""The plan of an issue: its date, its deadline, and who writes what."""

import re
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.desk.assignments import assign, may_write, writers_of
from newsletter.desk.models import Assignment, Editor, Role
from newsletter.issues.approval import approve
from newsletter.issues.editing import import_issue
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from tests.desk import ADDRESS, NOW, at_the_desk, browser, make_editor, piece
from tests.factories import make_issue, section_called
from tests.issue_files import issue_file

PLAN = "/desk/issues/87/plan"
BEN = "ben@example.org"
CLARA = "clara@example.org"


@pytest.fixture
def ben(app):
    """An author."""
    return make_editor(Role.AUTHOR, BEN)


@pytest.fixture
def anna(app):
    """An editor at the desk; there is a draft."""
    with transaction():
        make_issue(87)
    return at_the_desk(app)


def the_issue():
    """The issue as it is now, whoever changed it."""
    db.session.rollback()
    return db.session.scalars(select(Issue)).one()


def change():
    """The issue, to be changed inside a transaction."""
    return db.session.scalars(select(Issue)).one()


def log():
    return [entry.what for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def shown(browser):
    """What the form holds that nobody types; what is a draft no more has none."""
    page = browser.get(PLAN).text
    return dict(re.findall(r'name="(csrf_token|seen)" value="([^"]+)"', page))


def planned(browser, **typed):
    """Post the form as it is shown, but for what is typed."""
    return browser.post(PLAN, data={"date": "2026-11-17", "deadline": ""} | shown(browser) | typed)


def test_who_is_ticked_writes_the_section_and_may_do_so(anna, ben):
    section = section_called("western-response")

    answer = planned(anna, **{"writers-western-response": [str(ben.id)]})

    assert answer.headers["Location"] == "/desk/issues/87"
    assert [one.address for one in writers_of(the_issue().id)[section.id]] == [BEN]
    assert may_write(ben, the_issue().id, section.id)
    assert not may_write(ben, the_issue().id, section_called("isis-in-action").id)
    assert log() == [f"Western Response is written by {BEN}."]


def test_whoever_is_no_longer_ticked_writes_no_longer(anna, ben):
    section = section_called("western-response").id
    with transaction():
        assign(change().id, section, [ben.id])

    planned(anna)

    assert writers_of(the_issue().id) == {}
    assert not may_write(ben, the_issue().id, section)
    assert log() == ["Western Response is written by nobody yet."]


def test_the_form_shows_what_is_planned(anna, ben):
    with transaction():
        assign(change().id, section_called("western-response").id, [ben.id])
        change().deadline_at = datetime(2027, 1, 4, 17, 30, tzinfo=UTC)

    page = anna.get(PLAN).text

    assert f'name="writers-western-response" value="{ben.id}" checked' in page
    assert f'name="writers-isis-in-action" value="{ben.id}">' in page
    assert 'value="2026-11-17"' in page
    assert 'value="2027-01-04T17:30"' in page


def test_saving_what_stands_changes_and_logs_nothing(anna):
    with transaction():
        change().deadline_at = datetime(2026, 11, 16, 18, tzinfo=UTC)  # it has passed
        before = change().revised_at

    answer = planned(anna, deadline="2026-11-16T18:00")

    assert answer.status_code == 303
    assert (the_issue().revised_at, log()) == (before, [])


def test_a_deadline_is_meant_in_the_zone_of_the_publication(anna, settings):
    assert settings.time_zone == "UTC"

    planned(anna, deadline="2035-07-01T18:00")

    assert the_issue().deadline_at == datetime(2035, 7, 1, 18, tzinfo=UTC)
    assert log() == ["Set the deadline to 2035-07-01 18:00 UTC."]


def test_a_deadline_can_be_taken_away(anna):
    planned(anna, deadline="2035-07-01T18:00")

    planned(anna, deadline="")

    assert the_issue().deadline_at is None
    assert log()[-1] == "Took the deadline away."


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"date": "tomorrow"}, "Please give a date"),
        ({"date": ""}, "Please give a date"),
        ({"deadline": "2020-01-01T09:00"}, "This time has passed already."),
        ({"deadline": "2035-01-01"}, "Please give date and time"),
    ],
)
def test_a_mistake_is_said_and_everything_typed_is_kept(anna, ben, typed, said):
    form = {"writers-western-response": str(ben.id)} | typed

    refused = planned(anna, **form)

    assert refused.status_code == 400
    assert said in refused.text
    assert f'name="writers-western-response" value="{ben.id}" checked' in refused.text
    assert log() == []


def test_another_date_takes_the_approval_back_because_readers_see_it(anna):
    with transaction():
        approve(change().id, who=ADDRESS, now=NOW, seen=change().revised_at.isoformat())

    planned(anna, date="2026-11-18")

    assert the_issue().date == date(2026, 11, 18)
    assert the_issue().approved_at is None
    assert log()[-1] == "Dated it 2026-11-18."


def test_a_deadline_and_a_name_leave_the_approval_as_it_is(anna, ben):
    with transaction():
        approve(change().id, who=ADDRESS, now=NOW, seen=change().revised_at.isoformat())

    planned(anna, deadline="2035-07-01T18:00", **{"writers-isis-in-action": str(ben.id)})

    assert the_issue().approved_at == NOW


@pytest.mark.parametrize("state", [IssueState.SCHEDULED, IssueState.CANCELLED])
def test_what_is_a_draft_no_more_keeps_its_plan(anna, ben, state):
    with transaction():
        change().state = state

    refused = planned(anna, **{"writers-isis-in-action": str(ben.id)})

    assert refused.status_code == 409
    assert "a draft no more" in refused.text
    assert f'name="writers-isis-in-action" value="{ben.id}" checked' in refused.text
    assert planned(anna, date="2026-11-18").status_code == 409
    assert the_issue().date == date(2026, 11, 17)
    assert writers_of(the_issue().id) == {}
    assert "a draft no more" in anna.get(PLAN).text


def test_nobody_who_is_not_there_is_given_a_section(anna, ben):
    with transaction():
        db.session.get_one(Editor, ben.id).ended_at = NOW

    ids = [str(ben.id), "99", "-1", "x", "٣"]
    answer = planned(anna, **{"writers-western-response": ids})

    assert answer.status_code == 303
    assert db.session.scalars(select(Assignment)).all() == []
    assert writers_of(the_issue().id) == {}
    assert log() == []
    assert not re.search(rf'name="writers-[a-z-]+" value="{ben.id}"', anna.get(PLAN).text)


@pytest.fixture
def clara(app):
    """Another editor at the desk."""
    make_editor(Role.EDITOR, CLARA)
    found = browser(app)
    found.log_in(CLARA)
    return found


@pytest.mark.parametrize("what", ["date", "deadline", "writers"])
def test_who_saves_a_plan_that_was_changed_meanwhile_is_shown_what_and_by_whom(
    anna, clara, ben, what
):
    opened = shown(clara)
    field = "writers-western-response"
    by_anna = {
        "date": {"date": "2026-11-18"},
        "deadline": {"deadline": "2035-07-01T18:00"},
        "writers": {field: str(ben.id)},
    }[what]
    planned(anna, **by_anna)
    done = log()

    refused = planned(clara, date="2026-11-20", **{"writers-isis-in-action": str(ben.id)}, **opened)

    assert refused.status_code == 409
    assert "It was changed meanwhile" in refused.text
    stands = {
        "date": "<bdi>Date of the issue</bdi>: <bdi>18 November 2026</bdi>",
        "deadline": "<bdi>Deadline</bdi>: <bdi>1 July 2035, 18:00 UTC</bdi>",
        "writers": f"<bdi>Western Response</bdi>: <bdi>{BEN}</bdi>",
    }[what]
    assert stands in refused.text
    assert 'value="2026-11-20"' in refused.text
    assert f'name="writers-isis-in-action" value="{ben.id}" checked' in refused.text
    assert f'name="{field}" value="{ben.id}">' in refused.text
    assert log() == done
    assert the_issue().date == date(2026, 11, 18 if what == "date" else 17)
    assert section_called("isis-in-action").id not in writers_of(the_issue().id)


def test_who_has_seen_what_others_changed_may_have_it_otherwise(anna, clara):
    opened = shown(clara)
    planned(anna, date="2026-11-18")
    refused = planned(clara, date="2026-11-20", **opened).text

    again = opened | {"seen": piece(r'name="seen" value="(\w+)"', refused)}
    assert planned(clara, date="2026-11-20", **again).status_code == 303

    assert the_issue().date == date(2026, 11, 20)


def test_the_same_form_sent_twice_is_no_conflict(anna):
    opened = shown(anna)

    answers = [planned(anna, deadline="2035-07-01T18:00", **opened) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(log()) == 1


def test_a_file_with_another_date_is_a_change_of_the_plan_and_a_text_is_none(anna):
    opened = shown(anna)
    with transaction():
        import_issue(issue_file(), replace=True, now=NOW)
    assert planned(anna, deadline="2035-07-01T18:00", **opened).status_code == 303

    opened = shown(anna)
    with transaction():
        import_issue(issue_file(day=date(2026, 11, 18)), replace=True, now=NOW)
    refused = planned(anna, **opened)

    assert refused.status_code == 409
    assert "<bdi>18 November 2026</bdi>" in refused.text
    assert the_issue().deadline_at is not None


def test_a_form_that_does_not_say_what_was_seen_undoes_nothing(anna):
    planned(anna, date="2026-11-18")

    assert planned(anna, date="2026-11-20", seen="").status_code == 409
    assert the_issue().date == date(2026, 11, 18)


def test_what_others_changed_and_changed_back_is_no_conflict(anna, clara):
    opened = shown(clara)
    planned(anna, date="2026-11-18")
    planned(anna, date="2026-11-17")

    assert planned(clara, date="2026-11-20", **opened).status_code == 303


def test_what_others_decided_alike_is_no_conflict(anna, clara):
    opened = shown(clara)
    planned(anna, date="2026-11-20")

    assert planned(clara, date="2026-11-20", **opened).status_code == 303


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000, "-1", "٣"])
def test_numbers_that_nobody_has_are_nobodys(anna, number):
    form = shown(anna) | {"writers-western-response": number}

    assert planned(anna, **form).status_code == 303
    assert planned(anna, date="2026-11-20", seen=number).status_code == 409
