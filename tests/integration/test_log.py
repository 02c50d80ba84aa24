"""The log at the desk: everything that was done, found again by person, issue and day."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from newsletter import audit
from newsletter.audit import COMMAND_LINE, POLICY
from newsletter.database import db, transaction
from newsletter.desk.models import Editor, Role
from tests.desk import ADDRESS, at_the_desk, piece
from tests.factories import make_issue

DAY = datetime(2026, 11, 17, 12, tzinfo=UTC)


def shown(page):
    """Which of our acts a page shows, in its order."""
    found = [
        (page.text.index(name), name) for name in ("One.", "Two.", "Three.") if name in page.text
    ]
    return [name for _, name in sorted(found)]


def three_acts():
    with transaction():
        issue = make_issue(87)
        audit.note(ADDRESS, "One.", now=DAY, issue_id=issue.id)
        audit.note(COMMAND_LINE, "Two.", now=DAY.replace(day=18))
        audit.note(POLICY, "Three.", now=DAY.replace(day=19), issue_id=issue.id)


def test_the_latest_act_comes_first(app):
    anna = at_the_desk(app, Role.ADMIN)
    three_acts()

    assert shown(anna.get("/desk/log")) == ["Three.", "Two.", "One."]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York"])
def test_the_ends_of_the_calendar_are_no_days_to_look_for(app, day, zone):
    anna = at_the_desk(app, Role.ADMIN)
    three_acts()
    with transaction():
        db.session.execute(update(Editor).values(time_zone=zone))

    assert anna.get(f"/desk/log?day={day}").status_code == 200


def test_acts_are_found_by_person_issue_and_day(app):
    anna = at_the_desk(app, Role.ADMIN)
    three_acts()
    me = piece(rf'<option value="(\d+)">{ADDRESS}', anna.get("/desk/log").text)

    assert shown(anna.get(f"/desk/log?who={me}")) == ["One."]
    assert shown(anna.get("/desk/log?who=commands")) == ["Two."]
    assert shown(anna.get("/desk/log?issue=87")) == ["Three.", "One."]
    assert shown(anna.get("/desk/log?day=2026-11-18")) == ["Two."]
    assert shown(anna.get("/desk/log?issue=87&day=2026-11-19")) == ["Three."]
    assert "Nothing was done that fits." in anna.get("/desk/log?issue=5").text


def test_what_makes_no_sense_is_passed_over(app):
    anna = at_the_desk(app, Role.ADMIN)
    three_acts()

    for query in ("who=99", "day=9999-12-31", "day=soon", "before=x", "before=" + "9" * 30):
        assert anna.get(f"/desk/log?{query}").status_code == 200, query


def test_a_long_log_goes_on(app):
    anna = at_the_desk(app, Role.ADMIN)
    with transaction():
        for number in range(150):
            audit.note(COMMAND_LINE, f"Act {number}.", now=DAY)

    first = anna.get("/desk/log?who=commands")
    older = anna.get(
        piece(r'href="(/desk/log\?[^"]+)" rel="next"', first.text).replace("&amp;", "&")
    )

    assert "Act 149." in first.text
    assert "Act 49." not in first.text
    assert "Act 49." in older.text
    assert "Act 0." in older.text
    assert 'rel="next"' not in older.text


def test_no_address_stands_in_the_address_of_the_log(app):
    anna = at_the_desk(app, Role.ADMIN)
    three_acts()

    page = anna.get("/desk/log").text

    assert f'value="{ADDRESS}"' not in page
