"""An editor has the desk in their own language, and its times by their own clock."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.desk.models import Editor, Role
from newsletter.issues.models import Issue
from tests.desk import at_the_desk, piece
from tests.door import NEW, acts
from tests.factories import make_issue

ACCOUNT = "/desk/account"
SEND = "/desk/issues/87/send"
PLAN = "/desk/issues/87/plan"
DEADLINE = datetime(2036, 7, 24, 12, tzinfo=UTC)
AT = r'id="at"[^>]*value="([^"]*)"'


def choose(editor, language="", time_zone=""):
    """Fill in the form of the account page."""
    form = {"language": language, "time_zone": time_zone}
    return editor.send_form("/desk/account/clock", form, page=ACCOUNT)


@pytest.fixture
def approved(app):
    """A draft that somebody has read and approved as it stands."""
    with transaction():
        issue = make_issue()
        issue.deadline_at = DEADLINE
        issue.approved_at, issue.approved_by = issue.revised_at, "omar@example.org"


def scheduled():
    db.session.expire_all()
    return db.session.scalars(select(Issue.scheduled_at)).one()


def set_time(editor, typed):
    seen = piece(r'name="seen" value="([^"]+)"', editor.get(SEND).text)
    return editor.send_form("/desk/issues/87/schedule", {"at": typed, "seen": seen}, page=SEND)


def test_the_desk_speaks_arabic_to_who_chose_it_and_to_nobody_else(app):
    anna, basim = at_the_desk(app), at_the_desk(app, Role.ADMIN, NEW)

    assert choose(anna, language="ar").status_code == 303

    assert '<html lang="ar" dir="rtl"' in anna.get("/desk/").text
    assert '<html lang="ar" dir="rtl"' in anna.get("/desk/issues/999").text
    assert '<html lang="en" dir="ltr"' in basim.get("/desk/").text
    assert '<option value="ar" lang="ar" selected>' in anna.get(ACCOUNT).text
    assert acts() == [
        "Has the desk in this language: ar; by this clock: the publication's.",
    ]
    choose(anna)
    assert '<html lang="en" dir="ltr"' in anna.get("/desk/").text


@pytest.mark.parametrize(
    ("zone", "hour"), [("", "12:00"), ("America/New_York", "08:00"), ("Asia/Kathmandu", "17:45")]
)
def test_times_are_read_and_typed_by_the_editors_clock(app, approved, zone, hour):
    anna = at_the_desk(app)
    choose(anna, time_zone=zone)

    plan = unescape(anna.get("/desk/issues/87/plan").text)
    assert f'value="2036-07-24T{hour}"' in plan
    assert f"({zone or 'UTC'})" in plan
    assert set_time(anna, f"2036-07-25T{hour}").status_code == 303
    assert scheduled() == datetime(2036, 7, 25, 12, tzinfo=UTC)
    assert f"25 July 2036, {hour}" in anna.get("/desk/issues/87").text


def test_the_hour_that_comes_twice_is_that_of_the_editors_zone(app, approved):
    anna = at_the_desk(app)
    twice = "2036-10-26T02:30"  # in Rome; UTC stays as it is
    choose(anna, time_zone="Europe/Rome")

    refused = set_time(anna, twice)
    assert refused.status_code == 400
    assert "comes twice" in refused.text
    assert piece(AT, refused.text) == twice

    choose(anna)
    assert set_time(anna, twice).status_code == 303


def test_a_time_that_was_typed_under_another_clock_is_asked_for_again(app, approved):
    anna = at_the_desk(app)
    opened = anna.get(SEND).text
    form = {"seen": piece(r'name="seen" value="([^"]+)"', opened), "zone": "UTC"}
    plan = {"seen": piece(r'name="seen" value="([^"]+)"', anna.get(PLAN).text), "zone": "UTC"}
    choose(anna, time_zone="Asia/Kathmandu")
    assert '<input type="hidden" name="zone" value="Asia/Kathmandu">' in anna.get(PLAN).text

    typed = form | {"at": "2035-07-25T12:00"}
    refused = anna.send_form("/desk/issues/87/schedule", typed, page=SEND)
    assert refused.status_code == 400
    assert "Your clock is another one" in refused.text
    assert piece(AT, refused.text) == "2035-07-25T12:00"
    assert scheduled() is None
    as_shown = f"{DEADLINE:%Y-%m-%dT%H:%M}"
    planned = anna.send_form(PLAN, plan | {"date": "2026-11-17", "deadline": as_shown}, page=PLAN)
    assert "Your clock is another one" in planned.text


@pytest.mark.parametrize("zone", ["Atlantis/Town", "../../etc/passwd", "Etc/GMT+3", "x" * 500])
def test_a_zone_that_does_not_exist_is_refused_and_stays_as_it_was_typed(app, zone):
    anna = at_the_desk(app)
    refused = choose(anna, time_zone=zone)

    assert refused.status_code == 400
    assert re.search(rf'value="{re.escape(zone)}"[^>]*aria-invalid="true"', refused.text)
    assert db.session.scalars(select(Editor.time_zone)).one() is None


def test_a_language_that_was_chosen_beside_a_wrong_zone_stays_chosen(app):
    refused = choose(at_the_desk(app), language="ar", time_zone="Atlantis/Town")
    assert '<option value="ar" lang="ar" selected>' in refused.text


def test_who_has_another_clock_sees_the_publications_beside_it(app, approved):
    anna = at_the_desk(app)
    assert "publication's clock" not in unescape(anna.get(SEND).text)
    choose(anna, time_zone="Asia/Kathmandu")

    plan = unescape(anna.get("/desk/issues/87/plan").text)
    assert "By the publication's clock: 24 July 2036, 12:00 UTC." in plan
    assert "By the publication's clock it is" in unescape(anna.get(SEND).text)


def test_a_language_that_is_not_offered_is_the_publications(app):
    anna = at_the_desk(app)
    choose(anna, language="tlh")
    assert db.session.scalars(select(Editor.language)).one() is None


def test_readers_see_the_publication_as_it_was_whoever_looks(app, approved):
    anna = at_the_desk(app)
    choose(anna, language="ar", time_zone="Asia/Kathmandu")
    assert '<html lang="en" dir="ltr"' in anna.get("/").text


def test_a_draft_is_shown_in_its_own_language_to_an_editor_who_reads_another(app, approved):
    anna = at_the_desk(app)
    page = "/desk/issues/87/preview"
    before = anna.get(piece(r'<iframe[^>]* src="([^"]+)"', anna.get(page).text)).text
    choose(anna, language="ar")
    after = anna.get(piece(r'<iframe[^>]* src="([^"]+)"', anna.get(page).text)).text
    assert re.sub(r'href="[^"]*"', "", after) == re.sub(r'href="[^"]*"', "", before)
