"""An editor approves an issue as it stands; whoever changes it takes the approval back."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.desk.assignments import assign
from newsletter.desk.models import Editor, Role
from newsletter.issues.approval import (
    APPROVED,
    TAKEN_BACK,
    ChangedMeanwhile,
    approve,
    lost_approval,
)
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.issues.revisions import Place, Words
from newsletter.issues.writing import save_article
from tests.desk import ADDRESS, NOW, at_the_desk, piece
from tests.factories import make_issue, make_subscriber, section_called
from tests.publishing import publish_week

ISSUE = "/desk/issues/87"
SEEN = r'name="seen" value="([^"]+)"'
BEN = "ben@example.org"
LATER = NOW + timedelta(hours=5)  # after the texts of the factories


@pytest.fixture
def anna(app):
    """An editor at the desk; there is a draft that could be sent."""
    with transaction():
        make_issue(87)
    return at_the_desk(app)


def the_issue():
    """The issue as it is now, whoever changed it."""
    db.session.rollback()
    return db.session.scalars(select(Issue)).one()


def article():
    return next(one for one in the_issue().articles if one.section.slug == "western-response")


def change():
    """The issue, to be changed inside a transaction."""
    return db.session.scalars(select(Issue)).one()


def log():
    return [entry.what for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def approved():
    """Let the issue be approved by Anna."""
    with transaction():
        approve(change().id, who=ADDRESS, now=NOW, seen=change().revised_at.isoformat())


def approve_as_shown(browser):
    seen = piece(SEEN, browser.get(ISSUE).text)
    return browser.send_form(f"{ISSUE}/approve", {"seen": seen}, page=ISSUE)


def rewrite(headline="Another headline"):
    """Ben writes the article on Western responses anew."""
    place = Place(the_issue().id, section_called("western-response").id, "en")
    version = article().version
    with transaction():
        save_article(place, Words(headline, "Text."), based_on=version, who=BEN, now=LATER)


def words(html):
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_an_editor_approves_what_they_see_and_the_next_step_is_to_send(anna):
    answer = approve_as_shown(anna)

    page = anna.get(answer.headers["Location"]).text
    assert the_issue().approved_by == ADDRESS
    assert log() == [APPROVED]
    assert "Approved as it stands." in page
    assert re.findall(r'class="button" href="([^"]+)"', page) == [f"{ISSUE}/send"]


def test_approving_twice_is_one_approval(anna):
    approve_as_shown(anna)
    first = the_issue().approved_at
    seen = the_issue().revised_at.isoformat()

    again = anna.send_form(f"{ISSUE}/approve", {"seen": seen})

    assert again.status_code == 303
    assert the_issue().approved_at == first
    assert log() == [APPROVED]


@pytest.mark.parametrize("seen", ["", "yesterday", "2020-01-01T00:00:00+00:00"])
def test_what_was_not_seen_is_shown_again_and_not_approved(anna, seen):
    refused = anna.send_form(f"{ISSUE}/approve", {"seen": seen})

    assert refused.status_code == 409
    assert "Nothing was approved." in refused.text
    assert the_issue().approved_at is None
    assert log() == []


def test_a_change_after_the_page_was_opened_is_seen_before_it_is_approved(anna):
    seen = piece(SEEN, anna.get(ISSUE).text)
    rewrite()

    refused = anna.send_form(f"{ISSUE}/approve", {"seen": seen})

    assert refused.status_code == 409
    assert "Another headline" in refused.text
    assert the_issue().approved_at is None
    assert approve_as_shown(anna).status_code == 303


def test_what_could_not_be_sent_is_not_approved_and_says_why(anna):
    with transaction():
        db.session.delete(change().subjects[0])

    assert 'action="/desk/issues/87/approve"' not in anna.get(ISSUE).text
    seen = the_issue().revised_at.isoformat()
    refused = anna.send_form(f"{ISSUE}/approve", {"seen": seen})

    assert refused.status_code == 422
    assert "It was not approved" in refused.text
    assert "has no subject" in refused.text
    assert the_issue().approved_at is None


def test_a_change_takes_the_approval_back_and_the_page_says_whose_it_was(anna):
    approved()

    rewrite()

    page = words(anna.get(ISSUE).text)
    assert the_issue().approved_at is None
    assert "It was changed after it was approved" in page
    assert f"{ADDRESS} approved it" in page
    assert f"{BEN} : Wrote western-response (en)" in page
    assert "Approve it as it stands" in page


def test_approved_anew_nothing_is_lost_any_more(anna):
    approved()
    rewrite()
    assert lost_approval(the_issue()) is not None

    approve_as_shown(anna)

    assert lost_approval(the_issue()) is None
    assert "It was changed after" not in anna.get(ISSUE).text


def test_an_approval_taken_back_on_purpose_is_none_lost(anna):
    approve_as_shown(anna)

    answer = anna.send_form(f"{ISSUE}/unapprove", page=ISSUE)

    assert answer.status_code == 303
    assert the_issue().approved_at is None
    assert log() == [APPROVED, TAKEN_BACK]
    assert lost_approval(the_issue()) is None


def test_a_scheduled_issue_is_a_draft_again_before_its_approval_is_taken_back(anna):
    approved()
    with transaction():
        change().state = IssueState.SCHEDULED

    refused = anna.send_form(f"{ISSUE}/unapprove", page=ISSUE)

    assert refused.status_code == 409
    assert the_issue().approved_at == NOW


def test_what_readers_have_is_approved_by_nobody(app):
    with transaction():
        make_subscriber()
    issue = publish_week(87)
    anna = at_the_desk(app)

    refused = anna.send_form(f"{ISSUE}/approve", {"seen": issue.revised_at.isoformat()})

    assert refused.status_code == 409
    assert "be approved" in refused.text
    assert the_issue().approved_at is None


def test_authors_approve_nothing(app):
    author = at_the_desk(app, Role.AUTHOR)
    with transaction():
        issue = make_issue(87)
        me = db.session.scalars(select(Editor.id)).one()
        assign(issue.id, section_called("western-response").id, [me])
    seen = the_issue().revised_at.isoformat()

    for path, form in [
        ("approve", {"seen": seen}),
        ("unapprove", {}),
        ("write/western-response/en/approve", {"seen": "0"}),
    ]:
        assert author.send_form(f"{ISSUE}/{path}", form, page=ISSUE).status_code == 403
    assert the_issue().approved_at is None
    assert article().approved_at is None
    assert "Approve" not in author.get(ISSUE).text


def test_an_article_is_approved_in_the_version_that_was_read(anna):
    rewrite()

    answer = anna.send_form(
        f"{ISSUE}/write/western-response/en/approve", {"seen": str(article().version)}, page=ISSUE
    )

    assert answer.status_code == 303
    assert article().approved_by == ADDRESS
    assert log()[-1] == "Approved the article in Western Response (en)."
    assert words(anna.get(ISSUE).text).count("· Approved") == 1


def test_an_article_that_was_changed_since_is_not_approved(anna):
    seen = article().version
    rewrite()

    path = f"{ISSUE}/write/western-response/en/approve"
    assert anna.send_form(path, {"seen": str(seen)}, page=ISSUE).status_code == 409
    assert anna.send_form(path, {"seen": "no number"}, page=ISSUE).status_code == 409
    gone = f"{ISSUE}/write/anti-isis-coalition/en/approve"
    assert anna.send_form(gone, {"seen": "0"}, page=ISSUE).status_code == 409
    assert article().approved_at is None


def test_a_change_takes_the_approval_of_the_article_back(anna):
    anna.send_form(
        f"{ISSUE}/write/western-response/en/approve", {"seen": str(article().version)}, page=ISSUE
    )
    assert article().approved_at is not None

    rewrite()

    assert article().approved_at is None


def test_approving_an_article_leaves_the_approval_of_the_issue(anna):
    approved()

    anna.send_form(
        f"{ISSUE}/write/western-response/en/approve", {"seen": str(article().version)}, page=ISSUE
    )

    assert article().approved_at is not None
    assert the_issue().approved_at == NOW


def test_two_editors_who_approve_at_once_make_one_approval(app, anna):
    issue_id, seen = the_issue().id, the_issue().revised_at.isoformat()
    start = Barrier(2)

    def press(who):
        with app.app_context():
            start.wait()
            with transaction():
                approve(issue_id, who=who, now=NOW, seen=seen)

    with ThreadPoolExecutor() as threads:
        list(threads.map(press, [ADDRESS, BEN]))

    assert the_issue().approved_by in {ADDRESS, BEN}
    assert log() == [APPROVED]


def test_of_an_approval_and_a_change_at_once_the_approval_never_outlives_the_change(app, anna):
    issue_id, seen = the_issue().id, the_issue().revised_at.isoformat()
    place = Place(issue_id, section_called("western-response").id, "en")
    start = Barrier(2)

    def press():
        with app.app_context():
            start.wait()
            with suppress(ChangedMeanwhile), transaction():
                approve(issue_id, who=ADDRESS, now=NOW, seen=seen)

    def write():
        with app.app_context():
            start.wait()
            with transaction():
                save_article(place, Words("New", "Text."), based_on=0, who=BEN, now=LATER)

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(press), threads.submit(write)]:
            done.result()

    assert article().headline == "New"
    assert the_issue().approved_at is None
