"""An issue under way, at the desk: pause, resume, cancel, and who did not get it."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from newsletter import audit
from newsletter.database import db, transaction
from newsletter.delivery import steering
from newsletter.delivery.models import DeliveryState, Trouble
from newsletter.desk.models import Role
from newsletter.issues.lifecycle import IssueState
from tests.desk import ADDRESS, at_the_desk
from tests.endings import LINE_LOST, NO_MAILBOX, as_it_is, ended_issue
from tests.factories import NOON, make_issue, make_subscribers
from tests.posting import delivery_to, start_issue, states

ISSUE = "/desk/issues/87"
BLOCKED = "The mail server refuses amal@reader.example: 550 5.7.1 blocked"


def words(html):
    """What a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def press(editor, act, page=ISSUE, **form):
    return editor.send_form(f"{ISSUE}/{act}", form, page=page)


def last_act(issue):
    db.session.rollback()
    line = audit.of_issue(issue.id)[-1]
    return line.who, line.what


def paused_issue(because=None):
    issue = start_issue(readers=3)
    with transaction():
        steering.pause(issue.id, who=audit.POLICY, because=because, now=NOON)
    return issue


def test_pause_and_resume_leave_a_line_with_who_pressed(app):
    issue = start_issue(readers=3)
    anna = at_the_desk(app)

    assert press(anna, "pause").headers["Location"] == ISSUE
    assert as_it_is(issue).state is IssueState.PAUSED
    assert last_act(issue) == (ADDRESS, "Paused.")
    assert "It is paused" in anna.get(ISSUE).text

    assert press(anna, "resume").headers["Location"] == ISSUE
    assert as_it_is(issue).state is IssueState.SENDING
    assert last_act(issue) == (ADDRESS, "Resumed.")


def test_the_page_says_why_an_issue_paused_by_itself(app):
    paused_issue(because=BLOCKED)

    page = words(at_the_desk(app).get(ISSUE).text)

    assert "It paused by itself" in page
    assert BLOCKED in page


def test_to_cancel_one_types_the_number(app):
    issue = start_issue(readers=3)
    anna = at_the_desk(app)
    asked = words(anna.get(f"{ISSUE}/cancel").text)
    assert "3 readers who wait for it will not get it." in asked

    refused = press(anna, "cancel", number="88")
    assert refused.status_code == 400
    assert "so nothing was cancelled" in refused.text
    assert as_it_is(issue).state is IssueState.SENDING

    assert press(anna, "cancel", number="87").status_code == 303
    assert as_it_is(issue).state is IssueState.CANCELLED
    assert states(issue) == {"skipped": 3}
    assert last_act(issue) == (ADDRESS, "Cancelled.")


def test_an_issue_that_is_not_under_way_has_nothing_to_cancel(app):
    with transaction():
        make_issue()

    answer = at_the_desk(app).get(f"{ISSUE}/cancel")

    assert answer.headers["Location"] == ISSUE


@pytest.mark.parametrize("act", ["pause", "resume", "resend"])
def test_what_can_no_longer_be_is_refused_in_the_frame_of_the_desk(app, act):
    with transaction():
        make_issue()

    refused = press(at_the_desk(app), act)

    assert refused.status_code == 409
    assert "The issue has moved on" in refused.text
    assert 'class="desk"' in refused.text


def test_only_an_issue_that_moves_can_be_paused_at_the_desk(app):
    ended_issue(sent=["amal@reader.example"])

    page = at_the_desk(app).get(ISSUE).text

    assert f'action="{ISSUE}/pause"' not in page
    assert f'action="{ISSUE}/resume"' not in page
    assert f'href="{ISSUE}/cancel"' not in page


def test_doubts_are_listed_with_what_happened(app):
    ended_issue(sent=["amal@reader.example"], in_doubt=["omar@reader.example"])
    anna = at_the_desk(app)
    assert f'href="{ISSUE}/doubts"' in anna.get(ISSUE).text

    page = words(anna.get(f"{ISSUE}/doubts").text)

    assert "One reader may have got it or not" in page
    assert f"omar@reader.example 17 November 2026, 12:00 UTC {LINE_LOST}" in page
    assert "amal@reader.example" not in page


def test_one_doubt_is_settled_and_the_others_stay(app):
    issue = ended_issue(in_doubt=["omar@reader.example", "lena@reader.example"])
    anna = at_the_desk(app)
    omars = delivery_to("omar@reader.example").id

    answer = press(anna, "doubts", delivered=str(omars))

    assert answer.headers["Location"] == f"{ISSUE}/doubts"
    assert "One was taken as delivered." in anna.get(answer.headers["Location"]).text
    assert states(issue) == {"sent": 1, "in_doubt": 1}
    assert last_act(issue) == (ADDRESS, "1 delivery in doubt, taken as delivered.")


def test_all_that_were_shown_are_sent_again(app):
    issue = ended_issue(in_doubt=["omar@reader.example", "lena@reader.example"])
    anna = at_the_desk(app)
    shown = re.findall(r'name="id" value="(\d+)"', anna.get(f"{ISSUE}/doubts").text)

    answer = press(anna, "doubts", again="all", id=shown)

    assert answer.headers["Location"] == ISSUE
    assert "2 are sent again." in anna.get(ISSUE).text
    assert states(issue) == {"queued": 2}
    assert as_it_is(issue).state is IssueState.SENDING


def test_what_came_into_doubt_since_the_page_was_opened_is_left_alone(app):
    issue = ended_issue(in_doubt=["omar@reader.example", "lena@reader.example"])
    omars = delivery_to("omar@reader.example").id

    press(at_the_desk(app), "doubts", again="all", id=[str(omars)])

    assert states(issue) == {"queued": 1, "in_doubt": 1}


@pytest.mark.parametrize("form", [{}, {"again": "all"}, {"delivered": "9" * 30}, {"again": "-1"}])
def test_a_form_that_names_no_doubt_settles_nothing(app, form):
    issue = ended_issue(in_doubt=["omar@reader.example"])
    anna = at_the_desk(app)

    answer = press(anna, "doubts", **form)

    assert "Nothing was settled" in anna.get(answer.headers["Location"]).text
    assert states(issue) == {"in_doubt": 1}


def test_the_doubts_of_a_cancelled_issue_can_only_be_taken_as_delivered(app):
    issue = start_issue("omar@reader.example")
    with transaction():
        steering.move(
            issue.id, DeliveryState.QUEUED, DeliveryState.IN_DOUBT, marked_at=NOON, answer=LINE_LOST
        )
        steering.cancel(issue.id, who=ADDRESS, now=NOON)
    anna = at_the_desk(app)

    page = anna.get(f"{ISSUE}/doubts").text

    assert 'name="delivered"' in page
    assert 'name="again"' not in page


def test_those_who_failed_are_listed_and_get_it_again(app):
    issue = ended_issue(sent=["amal@reader.example"], failed=["omar@reader.example"])
    anna = at_the_desk(app)
    assert f'href="{ISSUE}/failed"' in anna.get(ISSUE).text
    page = words(anna.get(f"{ISSUE}/failed").text)
    assert f"omar@reader.example 17 November 2026, 12:00 UTC {NO_MAILBOX}" in page

    answer = press(anna, "resend", page=f"{ISSUE}/failed")

    assert answer.headers["Location"] == ISSUE
    assert "It goes again to one reader." in anna.get(ISSUE).text
    assert states(issue) == {"sent": 1, "queued": 1}
    assert last_act(issue) == (ADDRESS, "Sent again to 1 reader who had failed.")


def test_nobody_in_doubt_and_nobody_failed_is_said(app):
    ended_issue(sent=["amal@reader.example"])
    anna = at_the_desk(app)

    assert "Nobody is in doubt" in anna.get(f"{ISSUE}/doubts").text
    assert "Nobody failed" in anna.get(f"{ISSUE}/failed").text
    assert "so nothing was sent" in anna.get(press(anna, "resend").headers["Location"]).text


def test_what_was_done_stands_at_the_foot(app):
    paused_issue(because="Too many refusals.")
    anna = at_the_desk(app)
    press(anna, "resume")

    page = words(anna.get(ISSUE).text)

    log = page[page.index("What was done") :]
    assert "17 November 2026, 12:00 UTC command line Sending started." in log
    assert "by itself Paused. Too many refusals." in log
    assert f"{ADDRESS} Resumed." in log


def test_what_mail_servers_said_is_shown(app):
    issue = start_issue(readers=3)
    with transaction():
        db.session.add(
            Trouble(
                issue_id=issue.id,
                kind="never rcpt 550 5.1.1",
                text="550 5.1.1 <no> such user",
                first_at=NOON,
                last_at=NOON,
                count=1200,
            )
        )

    page = words(at_the_desk(app).get(ISSUE).text)

    assert "17 November 2026, 12:00 UTC 1,200 550 5.1.1 <no> such user" in page


@pytest.mark.parametrize(
    ("act", "form"),
    [
        ("pause", {}),
        ("resume", {}),
        ("cancel", {"number": "87"}),
        ("doubts", {"delivered": "1"}),
        ("resend", {}),
        ("schedule", {"at": "2030-01-01T06:30"}),
        ("unschedule", {}),
    ],
)
def test_an_author_does_not_steer(app, act, form):
    issue = start_issue(readers=1)
    author = at_the_desk(app, Role.AUTHOR)

    refused = author.send_form(f"{ISSUE}/{act}", form)

    assert refused.status_code == 403
    assert as_it_is(issue).state is IssueState.SENDING
    assert len(audit.of_issue(issue.id)) == 1


def test_an_author_sees_no_address_of_a_reader(app):
    issue = ended_issue(failed=["amal@reader.example"], in_doubt=["omar@reader.example"])
    with transaction():
        db.session.add(
            Trouble(
                issue_id=issue.id,
                kind="never rcpt 550 5.1.1",
                text="550 5.1.1 <amal@reader.example> unknown",
                first_at=NOON,
                last_at=NOON,
                count=1,
            )
        )
        steering.queue_again(issue.id, DeliveryState.FAILED, now=NOON)
        steering.pause(issue.id, who=audit.POLICY, because=BLOCKED, now=NOON)
    author = at_the_desk(app, Role.AUTHOR)

    for path in (ISSUE, f"{ISSUE}/progress"):
        page = author.get(path)
        assert page.status_code == 200
        assert "reader.example" not in page.text
    assert "It paused by itself" in author.get(ISSUE).text
    assert author.get(f"{ISSUE}/doubts").status_code == 403
    assert author.get(f"{ISSUE}/failed").status_code == 403


@pytest.mark.parametrize("act", ["pause", "resume", "cancel", "doubts", "resend", "unschedule"])
def test_a_form_without_its_token_does_nothing(app, act):
    issue = start_issue(readers=1)

    refused = at_the_desk(app).post(f"{ISSUE}/{act}", data={"number": "87"})

    assert refused.status_code == 400
    assert as_it_is(issue).state is IssueState.SENDING


def tomorrow():
    return f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT06:30}"


def schedule(editor, at, **changes):
    page = editor.get(f"{ISSUE}/send").text
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    form = {"seen": seen[1] if seen else "", "at": at} | changes
    return press(editor, "schedule", **form)


@pytest.fixture
def draft(app):
    with transaction():
        issue = make_issue()
        issue.approved_at, issue.approved_by = NOON, ADDRESS
        make_subscribers(3)
    return issue


def test_a_time_is_set_and_taken_back(app, draft):
    anna = at_the_desk(app)

    assert schedule(anna, tomorrow()).headers["Location"] == ISSUE
    assert as_it_is(draft).state is IssueState.SCHEDULED
    page = anna.get(ISSUE).text
    assert re.search(r"It goes out at \d+ \w+ \d+, 06:30 UTC", words(page))
    assert f'value="{tomorrow()}"' in anna.get(f"{ISSUE}/send").text

    press(anna, "unschedule")
    assert as_it_is(draft).state is IssueState.DRAFT
    assert last_act(draft) == (ADDRESS, "Taken off the schedule.")


def test_the_time_is_meant_in_the_zone_of_the_publication(app, draft, settings):
    app.extensions["settings"] = settings.model_copy(update={"time_zone": "Africa/Tripoli"})
    anna = at_the_desk(app)

    assert "Date and time (Africa/Tripoli)" in anna.get(f"{ISSUE}/send").text
    schedule(anna, tomorrow())

    assert f"{as_it_is(draft).scheduled_at:%H:%M}" == "04:30"


def test_a_time_that_cannot_be_is_said_beside_the_field_and_kept(app, draft):
    refused = schedule(at_the_desk(app), "2020-01-01T06:30")

    assert refused.status_code == 400
    assert "This time has passed already." in refused.text
    assert 'value="2020-01-01T06:30"' in refused.text
    assert as_it_is(draft).state is IssueState.DRAFT


def test_a_draft_that_was_changed_meanwhile_is_looked_at_before_a_time_is_set(app, draft):
    refused = schedule(at_the_desk(app), tomorrow(), seen="2020-01-01T00:00:00+00:00")

    assert refused.status_code == 409
    assert "The issue or its time was changed since this page was opened" in refused.text
    assert as_it_is(draft).state is IssueState.DRAFT


def test_a_late_issue_asks_and_a_new_time_settles_it(app, draft):
    with transaction():
        found = as_it_is(draft)
        found.state = IssueState.SCHEDULED
        found.scheduled_at = datetime(2026, 1, 6, 6, 30, tzinfo=UTC)
    anna = at_the_desk(app)

    page = words(anna.get(ISSUE).text)
    assert "This should have gone at 6 January 2026, 06:30 UTC" in page
    assert "Send it now, or choose another time." in page
    assert "Send it now or choose another time." in words(anna.get(f"{ISSUE}/send").text)

    schedule(anna, tomorrow())
    assert "This should have gone" not in anna.get(ISSUE).text


def test_a_draft_that_did_not_go_out_at_its_time_says_why(app, draft):
    with transaction():
        as_it_is(draft).paused_because = "Issue 87 can't be sent yet. Issue 87 has no article."

    page = words(at_the_desk(app).get(ISSUE).text)

    assert "It did not go out at its time" in page
    assert "Issue 87 has no article." in page


def test_the_line_of_send_names_who_pressed(app, draft):
    anna = at_the_desk(app)
    page = anna.get(f"{ISSUE}/send").text
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen

    press(anna, "send", page=f"{ISSUE}/send", seen=seen[1], number="87")

    assert last_act(draft) == (ADDRESS, "Sending started.")


def test_an_arabic_desk_is_arabic(app, settings):
    ended_issue(failed=["amal@reader.example"], in_doubt=["omar@reader.example"])
    app.extensions["settings"] = settings.model_copy(update={"default_language": "ar"})
    anna = at_the_desk(app)

    for path in (ISSUE, f"{ISSUE}/doubts", f"{ISSUE}/failed"):
        page = anna.get(path).text
        assert '<html lang="ar" dir="rtl">' in page
        said = re.sub(r"<[^>]*lang=\"en\"[^>]*>[^<]*<", "<", page[page.index("<main") :])
        said = re.sub(
            r"\S+@\S+|UTC|Libya Weekly Report|Issue 87|What happened|News of \S+", "", words(said)
        )
        assert re.findall(r"[A-Za-z]{3,}", said) == [], path
