"""Subject and preheader are written at the desk, by one after another and never past each other."""

import pytest

from newsletter import audit
from newsletter.database import db, transaction
from newsletter.desk.models import Role
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.issues.subjects import Lines, lines_of
from tests.desk import ADDRESS, at_the_desk, piece
from tests.factories import make_issue

URL = "/desk/issues/87/subject/en"


@pytest.fixture
def issue(app):
    with transaction():
        return make_issue()


def send(editor, subject, preheader="", *, on, url=URL):
    form = {"subject": subject, "preheader": preheader, "based_on": on}
    return editor.send_form(url, form, page=URL)


def stands(issue, language="en"):
    return lines_of(now_of(issue), language)[0]


def now_of(issue):
    db.session.rollback()  # an open read would go on seeing what was
    db.session.expire_all()
    return db.session.get_one(Issue, issue.id)


def test_what_is_written_stands_and_what_stood_is_in_the_log(app, issue):
    assert send(at_the_desk(app), "Derna under\nsiege", "An oil trail", on=1).status_code == 303

    assert stands(issue) == Lines("en", "Derna under siege", "An oil trail")
    (entry,) = audit.of_issue(issue.id)
    assert entry.who == ADDRESS
    assert "from “Issue 87” to “Derna under siege”" in entry.what


def test_another_language_is_begun_and_taken_off_again(app, issue):
    anna, url = at_the_desk(app), URL.replace("/en", "/ar")

    send(anna, "درنة محاصرة", on=0, url=url)
    assert stands(issue, "ar").subject == "درنة محاصرة"
    send(anna, "", on=1, url=url)

    assert now_of(issue).languages == ["en"]


def test_of_two_who_write_at_once_the_second_sees_both_and_decides(app, issue):
    anna = at_the_desk(app)
    send(anna, "The first", on=1)

    clash = send(anna, "The second", on=1)

    assert clash.status_code == 409
    assert stands(issue).subject == "The first"
    assert "The first" in clash.text
    assert 'value="The second"' in clash.text
    on = piece(r'name="based_on" value="(\d+)"', clash.text)
    assert send(anna, "The second", on=on).status_code == 303
    assert stands(issue).subject == "The second"


def test_who_has_not_seen_that_a_subject_was_taken_off_and_written_anew_is_told(app, issue):
    anna = at_the_desk(app)
    send(anna, "", on=1)
    send(anna, "Anew", on=2)

    stale = send(anna, "From a page of before", on=1)

    assert stale.status_code == 409
    assert stands(issue).subject == "Anew"


def test_nothing_changes_in_an_issue_that_is_under_way_and_the_words_are_given_back(app, issue):
    with transaction():
        db.session.get_one(Issue, issue.id).state = IssueState.SCHEDULED

    refused = send(at_the_desk(app), "Too late", on=1)

    assert refused.status_code == 409
    assert "Too late" in refused.text
    assert stands(issue).subject == "Issue 87"


def test_a_subject_that_is_too_long_is_given_back(app, issue):
    refused = send(at_the_desk(app), "x" * 201, on=1)

    assert refused.status_code == 400
    assert "x" * 201 in refused.text
    assert "201 characters; at most 200" in refused.text


def test_a_change_takes_the_approval_back_and_the_same_words_do_not(app, issue):
    with transaction():
        issue.approved_at = issue.created_at
    anna = at_the_desk(app)

    send(anna, "Issue 87", "What happened", on=1)
    assert now_of(issue).approved_at
    send(anna, "Another", on=1)
    assert now_of(issue).approved_at is None


def test_authors_leave_the_subject_to_editors(app, issue):
    assert at_the_desk(app, Role.AUTHOR).get(URL).status_code == 403


def test_the_script_of_the_page_saves_again_and_again(app, issue):
    anna = at_the_desk(app)

    def save(subject, on):
        form = {"subject": subject, "based_on": on}
        return anna.send_form(URL, form, page=URL, headers={"Accept": "application/json"})

    first = save("Derna", 1)
    emptied = save("", first.json["version"])
    again = save("Derna under siege", emptied.json["version"])

    assert [answer.status_code for answer in (first, emptied, again)] == [200] * 3
    assert stands(issue).subject == "Derna under siege"
    clash = save("Sirte", on=7)
    assert (clash.status_code, clash.json["two"]) == (409, True)
    assert save("x" * 10_000, on=again.json["version"]).json["said"].startswith("The subject has")
