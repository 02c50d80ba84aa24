"""Send: one deliberate act, after saying who will get it, and never twice."""

import re
from datetime import timedelta
from html import unescape
from threading import Barrier, Thread

import pytest
from sqlalchemy import func, select

from newsletter.database import db, transaction
from newsletter.delivery.models import Delivery, Tally
from newsletter.desk.models import Role
from newsletter.issues.changes import FrozenIssue, begin_change
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Format, Issue
from tests.desk import at_the_desk
from tests.factories import NOON, make_issue, make_subscriber
from tests.issue_files import issue_file
from tests.publishing import draft

SEND = "/desk/issues/87/send"


@pytest.fixture
def readers(app):
    """A draft in two languages and five readers, one of whom gets nothing of it."""
    with transaction():
        approved(make_issue(languages=("en", "ar")))
        make_subscriber()
        make_subscriber()
        make_subscriber(language="ar", sections=["western-response"])
        make_subscriber(format=Format.TEXT)
        make_subscriber(sections=["other-jihadi-actors"])


def approved(issue):
    """An editor has read it and approved it as it stands."""
    issue.approved_at, issue.approved_by = issue.revised_at, "omar@example.org"


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def filled_in(editor, **changes):
    """The form of the last page, its number typed."""
    page = editor.get(SEND).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', page))
    return hidden | {"number": "87"} | changes


def test_every_language_among_the_readers_shows_what_their_inbox_will(app, readers):
    with transaction():
        make_subscriber(language="ar")
        issue = db.session.scalars(select(Issue)).one()
        db.session.delete(issue.subject("ar", "en"))
        english = issue.subject("en", "en").subject

    page = at_the_desk(app).get(SEND).text
    shown = page[page.index('id="inbox"') : page.index('id="who"')]

    assert re.findall(r'<p class="label">(.*?)</p>', shown) == ["English", "Arabic"]
    assert words(shown).count(english) == 2


def press(editor, form=None, **changes):
    return editor.post(SEND, data=form or filled_in(editor, **changes))


def state():
    db.session.rollback()
    return db.session.scalar(select(Issue.state).where(Issue.number == 87))


def deliveries():
    return db.session.scalar(select(func.count()).select_from(Delivery))


def test_the_last_page_says_who_will_get_it_and_what_they_will_see(app, readers):
    page = words(at_the_desk(app).get(SEND).text)

    assert "Send it to 4 readers" in page
    assert "Language of the readers English 3 Arabic 1" in page
    assert "Sections All sections of the issue 3 Western Response 1" in page
    assert "Format HTML with plain text 3 Plain text alone 1" in page
    assert "All together 4" in page
    assert "Issue 87 What happened" in page
    assert "There is no article in Other Jihadi Actors" in page


def test_looking_sends_nothing(app, readers):
    anna = at_the_desk(app)

    assert anna.get(SEND).status_code == 200
    assert anna.head(SEND).status_code == 200
    assert state() is IssueState.DRAFT


def test_send_starts_it_and_leads_to_the_counts(app, readers):
    anna = at_the_desk(app)

    answer = press(anna)

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/desk/issues/87"
    assert state() is IssueState.SENDING
    assert deliveries() == 4
    assert "0 of 4 are settled" in words(anna.get("/desk/issues/87").text)


@pytest.mark.parametrize("typed", ["", "88", "yes", "87.0", "-87", "8 7", "9" * 5000])
def test_without_the_number_of_the_issue_nothing_is_sent(app, readers, typed):
    refused = press(at_the_desk(app), number=typed)

    assert refused.status_code == 400
    assert "so nothing was sent" in refused.text
    assert state() is IssueState.DRAFT


@pytest.mark.parametrize("act", ["send", "schedule"])
def test_a_slip_of_the_pen_does_not_lead_past_what_was_changed_meanwhile(app, readers, act):
    anna = at_the_desk(app)
    slip = filled_in(anna, number="78", at="2001-01-01T06:30")
    with transaction():
        issue = db.session.scalars(select(Issue).where(Issue.number == 87)).one()
        approved(begin_change(issue.id, now=NOON + timedelta(hours=1)))

    shown = anna.post(f"/desk/issues/87/{act}", data=slip)

    assert shown.status_code == 409
    assert "The issue or its time was changed since this page was opened." in words(shown.text)
    assert state() is IssueState.DRAFT


def test_the_number_may_be_typed_in_arabic_digits(app, readers):
    assert press(at_the_desk(app), number=" ٨٧ ").status_code == 303
    assert state() is IssueState.SENDING


def test_pressing_again_or_going_back_sends_once_and_says_so(app, readers):
    anna = at_the_desk(app)
    form = filled_in(anna)
    press(anna, form)

    again = press(anna, form)

    assert again.status_code == 303
    assert "It was started already." in anna.get(again.headers["Location"]).text
    assert anna.get(SEND).headers["Location"] == "/desk/issues/87"
    assert deliveries() == 4


def test_who_did_not_know_of_a_time_that_was_set_meanwhile_sends_nothing(app, readers):
    anna, omar = (at_the_desk(app, address=f"{name}@example.org") for name in ("anna", "omar"))
    form = filled_in(anna)
    times = [
        omar.post("/desk/issues/87/schedule", data=filled_in(omar, at="2035-11-24T06:30"))
        for _ in range(2)
    ]

    refused = press(anna, form)

    assert [answer.status_code for answer in times] == [303, 303]
    assert refused.status_code == 409
    assert "It goes out by itself at 24 November 2035, 06:30 UTC" in words(refused.text)
    assert state() is IssueState.SCHEDULED
    assert press(anna).status_code == 303
    assert state() is IssueState.SENDING


def test_pressing_twice_sets_the_time_once(app, readers):
    anna = at_the_desk(app)
    form = filled_in(anna, at="2035-11-24T06:30")

    answers = [anna.post("/desk/issues/87/schedule", data=form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert state() is IssueState.SCHEDULED


def test_of_two_editors_who_press_at_once_one_sends_and_the_other_is_told(app, readers):
    editors = [at_the_desk(app, address=f"{name}@example.org") for name in ("anna", "omar")]
    forms = [filled_in(editor) for editor in editors]
    together = Barrier(2)
    answers = []

    def press_send(editor, form):
        together.wait()
        answers.append(editor.post(SEND, data=form))

    threads = [Thread(target=press_send, args=pair) for pair in zip(editors, forms, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [303, 303]
    told = ["It was started already." in e.get("/desk/issues/87").text for e in editors]
    assert sorted(told) == [False, True]
    assert state() is IssueState.SENDING
    assert deliveries() == 4


def test_a_draft_that_was_changed_meanwhile_is_looked_at_first(app):
    draft(issue_file(subject="What Anna saw"))
    with transaction():
        approved(db.session.scalars(select(Issue)).one())
    anna = at_the_desk(app)
    form = filled_in(anna)
    with transaction():
        issue = db.session.scalars(select(Issue)).one()
        issue.subjects[0].subject = "What Omar wrote"
        issue.revised_at = issue.revised_at.replace(hour=13)

    refused = press(anna, form)

    assert refused.status_code == 409
    assert "The issue or its time was changed since this page was opened" in refused.text
    assert "What Omar wrote" in refused.text
    assert state() is IssueState.DRAFT


def test_what_nobody_approved_is_not_sent_and_has_one_button_for_that(app, readers):
    anna = at_the_desk(app)
    form = filled_in(anna)
    with transaction():
        db.session.execute(db.text("UPDATE issue SET approved_at = NULL, approved_by = NULL"))

    page = anna.get(SEND).text
    assert "First it has to be approved" in page
    assert 'action="/desk/issues/87/approve"' in page
    assert 'name="number"' not in page
    assert press(anna, form).status_code == 409
    later = form | {"at": "2035-01-01T06:00"}
    assert anna.post("/desk/issues/87/schedule", data=later).status_code == 409
    assert state() is IssueState.DRAFT
    assert deliveries() == 0


def test_a_change_that_is_saved_while_send_is_pressed_is_never_sent_unapproved(app, readers):
    anna = at_the_desk(app)
    form = filled_in(anna)
    issue_id = db.session.scalars(select(Issue.id)).one()
    together = Barrier(2)
    outcome = {}

    def change():
        with app.app_context():
            together.wait()
            try:
                with transaction():
                    begin_change(issue_id, now=NOON + timedelta(hours=1))
                outcome["changed"] = True
            except FrozenIssue:
                outcome["changed"] = False

    def send():
        together.wait()
        outcome["status"] = anna.post(SEND, data=form).status_code

    threads = [Thread(target=change), Thread(target=send)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcome in ({"changed": True, "status": 409}, {"changed": False, "status": 303})
    assert state() is (IssueState.DRAFT if outcome["changed"] else IssueState.SENDING)
    assert deliveries() == (0 if outcome["changed"] else 4)


def test_readers_far_from_those_of_the_issue_before_are_said(app, readers):
    with transaction():
        before = make_issue(86)
        before.state, before.sending_started_at = IssueState.SENT, NOON
        before.completed_at = NOON
        db.session.add(Tally(issue_id=before.id, slot=1, sent=90, skipped=10))

    page = words(at_the_desk(app).get(SEND).text)

    assert "4 readers would get it; issue 86 went to 100." in page


def test_an_issue_that_is_blocked_has_no_button(app):
    with transaction():
        make_issue(sections=())
    anna = at_the_desk(app)

    page = anna.get(SEND)

    assert "Issue 87 has no article." in page.text
    assert 'name="number"' not in page.text


def test_an_issue_that_was_blocked_meanwhile_is_refused_in_the_frame_of_the_desk(app, readers):
    anna = at_the_desk(app)
    form = filled_in(anna)
    with transaction():
        db.session.execute(db.text("DELETE FROM article"))

    refused = press(anna, form)

    assert refused.status_code == 422
    assert "Issue 87 has no article." in unescape(refused.text)
    assert 'class="desk"' in refused.text
    assert state() is IssueState.DRAFT


def test_an_issue_that_nobody_takes_says_so(app):
    with transaction():
        approved(make_issue())
    anna = at_the_desk(app)

    assert "Nobody: no confirmed reader takes any of its sections" in anna.get(SEND).text
    assert press(anna).status_code == 303
    assert state() is IssueState.SENT


def test_an_author_sends_nothing(app, readers):
    author = at_the_desk(app, Role.AUTHOR)

    assert author.get(SEND).status_code == 403
    refused = author.send_form(SEND, {"number": "87"}, page="/desk/issues/87")
    assert refused.status_code == 403
    assert state() is IssueState.DRAFT


def test_an_admin_sends(app, readers):
    assert press(at_the_desk(app, Role.ADMIN)).status_code == 303
    assert state() is IssueState.SENDING
