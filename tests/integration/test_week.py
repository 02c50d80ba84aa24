"""This week: the issue in work at a glance, how to start one, and what became of the last."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.delivery.models import Tally
from newsletter.desk.assignments import assign, writers_of
from newsletter.desk.models import Assignment, Editor, Role
from newsletter.desk.planning import start_next
from newsletter.desk.week import this_week
from newsletter.issues.approval import approve
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.issues.skeleton import NumberTaken, next_issue
from newsletter.subscribers.unsubscribe import unsubscribe
from tests.desk import ADDRESS, NOW, at_the_desk, piece
from tests.factories import make_issue, make_subscriber, section_called
from tests.publishing import publish_week

TRIPOLI = ZoneInfo("Africa/Tripoli")
BERLIN = ZoneInfo("Europe/Berlin")


def words(html):
    """What a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def part(html, slug):
    """What the page says of one section."""
    return words(piece(rf'(?s)<article[^>]*aria-labelledby="part-{slug}">(.*?)</article>', html))


def sent_issue(number=87, **tally):
    """An issue that is done."""
    issue = publish_week(number)
    with transaction():
        row = db.session.get_one(Tally, (issue.id, 1))
        for name, count in tally.items():
            setattr(row, name, count)
        issue = db.session.get_one(Issue, issue.id)
        issue.state, issue.completed_at = IssueState.SENT, NOW
    return issue


def test_an_empty_desk_offers_to_start_the_first_issue(app):
    page = at_the_desk(app).get("/desk/").text

    assert "Nothing is in work" in page
    assert "Start issue 1 for" in page
    assert 'href="/desk/upload"' in page


def test_an_author_at_an_empty_desk_waits_for_an_editor(app):
    page = at_the_desk(app, Role.AUTHOR).get("/desk/").text

    assert "An editor starts the next issue." in page
    assert "<button>Start" not in page


def test_each_section_shows_who_writes_it_and_how_far_it_is(app):
    with transaction():
        ben = make_author("ben@example.org", "Ben Idris")
        issue = make_issue(88, sections=["isis-in-action", "western-response"])
        assign(issue.id, section_called("isis-in-action").id, [ben.id])
        issue.articles[0].revised_at, issue.articles[0].revised_by = NOW, "ben@example.org"
        issue.articles[1].approved_at = NOW

    page = at_the_desk(app).get("/desk/").text

    assert "Ben Idris English · Drafted · 5 words News of isis-in-action" in part(
        page, "isis-in-action"
    )
    assert "17 November 2026, 09:00 UTC Ben Idris" in part(page, "isis-in-action")
    assert "Arabic · Empty The English text stands in." in part(page, "isis-in-action")
    assert "Nobody yet English · Approved" in part(page, "western-response")
    assert "English · Empty" in part(page, "anti-isis-coalition")
    assert 'href="/desk/issues/88"' in page


def test_an_author_finds_their_own_section_marked_and_only_that_to_write(app):
    author = at_the_desk(app, Role.AUTHOR)
    with transaction():
        issue = make_issue(88)
        me = db.session.scalars(select(Editor.id)).one()
        assign(issue.id, section_called("western-response").id, [me])

    page = author.get("/desk/").text

    assert "yours" in part(page, "western-response")
    assert "yours" not in part(page, "isis-in-action")
    assert set(re.findall(r'href="(/desk/issues/88/write/[^"]+)"', page)) == {
        "/desk/issues/88/write/western-response/en",
        "/desk/issues/88/write/western-response/ar",
    }


def test_an_approved_issue_shows_all_that_is_written_as_approved(app):
    with transaction():
        issue = make_issue(88)
        approve(issue.id, who=ADDRESS, now=NOW, seen=issue.revised_at.isoformat())

    page = at_the_desk(app).get("/desk/").text

    assert "English · Approved" in part(page, "isis-in-action")
    assert "Drafted" not in words(page)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(timedelta(hours=30, minutes=5), "in 30 hours"), (timedelta(hours=-5), "5 hours ago")],
)
def test_the_deadline_says_how_long_it_is(app, ahead, said):
    with transaction():
        make_issue(88).deadline_at = datetime.now(UTC) + ahead

    assert said in at_the_desk(app).get("/desk/").text


def test_what_became_of_the_last_issue_stands_beneath(app):
    with transaction():
        readers = [make_subscriber().id for _ in range(5)]
    issue = sent_issue(queued=-5, sent=3, failed=1, in_doubt=1)
    with transaction():
        unsubscribe(readers[0], issue.id, source="page", reason=None, now=NOW)
        make_issue(88)

    page = words(at_the_desk(app).get("/desk/").text)

    assert "The last issue Issue 87" in page
    assert "Sent 3 of 5 Failed 1 In doubt 1 Unsubscribed 1" in page


def test_the_issue_whose_date_is_next_comes_first_and_what_was_forgotten_last(app):
    today = date(2026, 11, 18)
    with transaction():
        for number, day in [(50, 1), (88, 24), (87, 17), (89, 30)]:
            make_issue(number).date = date(2026, 11, day)
        make_issue(86).state = IssueState.CANCELLED

    assert [issue.number for issue in this_week(today).in_work] == [87, 88, 89, 50]


def test_other_issues_in_work_are_named_beneath(app):
    with transaction():
        make_issue(87)
        make_issue(88)

    page = words(at_the_desk(app).get("/desk/").text)

    assert "Also in work Issue 88" in page


def test_one_press_starts_the_next_issue_with_the_same_people_and_no_text(app):
    anna = at_the_desk(app)
    with transaction():
        ben = make_author("ben@example.org", "Ben Idris")
        gone = make_author("gone@example.org", "Gone")
        gone.ended_at = NOW
        make_subscriber()
    last = sent_issue(87, queued=-1, sent=1)
    section = section_called("western-response").id
    with transaction():
        assign(last.id, section, [ben.id, gone.id])
    form = dict(
        re.findall(r'name="(number|date|deadline)" value="([^"]*)"', anna.get("/desk/").text)
    )

    started = anna.send_form("/desk/issues/new", form, page="/desk/")

    assert started.headers["Location"] == "/desk/issues/88"
    made = db.session.scalars(select(Issue).where(Issue.number == 88)).one()
    assert (made.state, made.articles, made.subjects) == (IssueState.DRAFT, [], [])
    assert {id_: [one.name for one in found] for id_, found in writers_of(made.id).items()} == {
        section: ["Ben Idris"]
    }
    handed_on = select(Assignment.editor_id).where(Assignment.issue_id == made.id)
    assert db.session.scalars(handed_on).all() == [ben.id]
    acts = db.session.scalars(select(AuditEntry).where(AuditEntry.issue_id == made.id))
    assert [act.what for act in acts] == ["Started issue 88."]
    assert "Ben Idris" in part(anna.get("/desk/").text, "western-response")


def test_pressing_twice_starts_one_issue(app):
    anna = at_the_desk(app)
    form = {"number": "88", "date": "2026-11-24"}
    anna.send_form("/desk/issues/new", form)

    again = anna.send_form("/desk/issues/new", form)

    assert again.status_code == 409
    assert "There is an issue of this number already." in again.text
    assert len(db.session.scalars(select(Issue)).all()) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"number": "eighty"}, "Please give a number"),
        ({"number": "0"}, "Please give a number"),
        ({"date": "next Tuesday"}, "Please give a date"),
        ({"date": "2026-02-30"}, "Please give a date"),
        ({"date": "9999-12-31"}, "Please give a date"),
        ({"deadline": "2020-01-01T09:00"}, "This time has passed already."),
        ({"deadline": "soon"}, "Please give date and time"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_kept(app, typed, said):
    form = {"number": "88", "date": "2026-11-24", "deadline": ""} | typed

    refused = at_the_desk(app).send_form("/desk/issues/new", form)

    assert refused.status_code == 400
    assert said in refused.text
    for value in form.values():
        assert f'value="{value}"' in refused.text
    assert db.session.scalars(select(Issue)).all() == []


def test_the_next_issue_is_a_week_later_and_due_at_the_same_time_of_day(app):
    with transaction():
        last = make_issue(87)
        last.date = date(2026, 10, 20)
        last.deadline_at = datetime(2026, 10, 19, 18, tzinfo=BERLIN)
    db.session.expire_all()

    bones = next_issue(BERLIN, now=datetime(2026, 10, 21, 9, tzinfo=UTC))

    assert (bones.number, bones.date) == (88, date(2026, 10, 27))
    assert bones.deadline_at == datetime(2026, 10, 26, 18, tzinfo=BERLIN)  # clocks went back


def test_after_a_break_the_next_issue_keeps_its_day_of_the_week(app):
    with transaction():
        last = make_issue(87)
        last.date = date(2026, 9, 1)
        last.deadline_at = datetime(2026, 8, 31, 18, tzinfo=UTC)

    bones = next_issue(TRIPOLI, now=datetime(2026, 11, 17, 9, tzinfo=UTC))

    assert bones.date == date(2026, 11, 17)
    assert bones.deadline_at is None


def test_a_date_at_the_end_of_time_breaks_nothing(app):
    with transaction():
        make_issue(87).date = date.max

    bones = next_issue(TRIPOLI, now=NOW)

    assert bones.date == date(2026, 11, 17)


def test_two_who_start_the_same_number_make_one(app):
    with transaction():
        start_next(88, date(2026, 11, 24), None, who=ADDRESS, now=NOW)

    with pytest.raises(NumberTaken), transaction():
        start_next(88, date(2026, 12, 1), None, who=ADDRESS, now=NOW)

    assert db.session.scalars(select(Issue.date)).all() == [date(2026, 11, 24)]


@pytest.mark.parametrize("path", ["/desk/issues/new", "/desk/issues/87/plan"])
def test_authors_start_and_plan_nothing(app, path):
    with transaction():
        make_issue(87)
    author = at_the_desk(app, Role.AUTHOR)

    assert author.get(path).status_code == 403
    assert author.send_form(path, {"number": "88", "date": "2026-11-24"}).status_code == 403
    assert db.session.scalars(select(Issue.number)).all() == [87]


def make_author(address, name):
    """An author who gave their name; inside a transaction."""
    author = Editor(
        address=address,
        address_key=address,
        name=name,
        role=Role.AUTHOR,
        password_hash="",
        created_at=NOW,
    )
    db.session.add(author)
    db.session.flush()
    return author
