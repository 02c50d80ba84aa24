"""What an article has said can be looked at, compared and put back; a file never loses it."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.issues import revisions, writing
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.editing import import_issue
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, Issue
from newsletter.issues.revisions import Place, Words
from tests.desk import NOW, at_the_desk
from tests.factories import section_called
from tests.issue_files import issue_file

URL = "/desk/issues/87/write/isis-in-action/en"
ANNA = "anna@example.org"


def imported(data, *, replace=False, who="command line"):
    with transaction():
        return import_issue(data, replace=replace, who=who, now=NOW)


@pytest.fixture
def place(app):
    """An article that was imported, and then written anew."""
    issue = imported(issue_file({"ISIS in Action": "The road was closed."}))
    place = Place(issue.id, section_called("isis-in-action").id, "en")
    save(place, "The road is open, they say, and the market busy again.")
    return place


def save(place, body):
    with transaction():
        on = writing.standing_at(place).version
        writing.save_article(place, Words.typed("A headline", body), based_on=on, who=ANNA, now=NOW)


def bodies(place):
    found = [revisions.find(place, one.version) for one in revisions.history(place)]
    return [revision.body for revision in found[::-1] if revision]


def test_a_revision_is_put_back_as_a_new_one(place):
    with transaction():
        writing.restore_article(place, 1, who=ANNA, now=NOW + timedelta(seconds=1))

    assert writing.standing_at(place).words.body == "The road was closed."
    assert bodies(place)[-1] == "The road was closed."
    assert len(bodies(place)) == 3


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (IssueState.SCHEDULED, "take it off the schedule first"),
        (IssueState.CANCELLED, "belongs in another issue"),
    ],
)
def test_who_may_not_put_a_revision_back_is_told_what_to_do_instead(app, place, state, said):
    anna = at_the_desk(app)
    with transaction():
        db.session.get_one(Issue, place.issue_id).state = state

    refused = anna.send_form(f"{URL}/revisions/1/restore", page="/desk/account")

    assert refused.status_code == 409
    assert said in refused.text
    assert "Readers have it" not in refused.text


def test_nothing_is_put_back_into_an_issue_that_is_under_way(place):
    with transaction():
        db.session.get_one(Issue, place.issue_id).state = IssueState.SCHEDULED

    with pytest.raises(FrozenIssue), transaction():
        writing.restore_article(place, 1, who=ANNA, now=NOW)


def test_an_import_puts_its_text_after_what_stood_and_versions_go_on(place):
    before = writing.standing_at(place)

    imported(issue_file({"ISIS in Action": "From a file."}), replace=True, who="bilal@example.org")

    after = writing.standing_at(place)
    assert (after.words.body, after.version) == ("From a file.", before.version + 1)
    assert bodies(place) == ["The road was closed.", before.words.body, "From a file."]
    assert after.by == "bilal@example.org"


def test_an_article_that_is_missing_in_the_file_is_emptied_and_kept(place):
    imported(issue_file({"Western Response": "Elsewhere."}), replace=True)

    articles = db.session.scalars(select(Article)).all()
    assert [article.body for article in articles] == ["Elsewhere."]
    assert bodies(place)[-2:] == ["The road is open, they say, and the market busy again.", ""]


def test_the_same_file_again_changes_no_article_and_keeps_its_approval(place):
    file = issue_file({"ISIS in Action": "From a file."})
    imported(file, replace=True)
    with transaction():
        db.session.scalars(select(Article)).one().approved_at = NOW

    imported(file, replace=True)

    article = db.session.scalars(select(Article)).one()
    assert article.approved_at == NOW
    assert len(bodies(place)) == 3


def test_the_pages_show_who_wrote_what_and_how_it_differs_without_any_colour(app, place):
    anna = at_the_desk(app, address=ANNA)

    every = anna.get(f"{URL}/revisions").text
    one = anna.get(f"{URL}/revisions/2").text

    assert every.index(f"{URL}/revisions/2") < every.index(f"{URL}/revisions/1")
    assert "stands now" in every
    assert ANNA in every
    assert "<del>" in one
    assert "<ins>" in one
    assert "Compared with revision 1" in one


def test_a_revision_is_put_back_at_the_desk(app, place):
    anna = at_the_desk(app, address=ANNA)

    page = anna.get(f"{URL}/revisions/1")
    done = anna.send_form(f"{URL}/revisions/1/restore", page=f"{URL}/revisions/1")

    assert "Let it stand again" in page.text
    assert done.status_code == 303
    assert writing.standing_at(place).words.body == "The road was closed."
    assert anna.get(f"{URL}/revisions/9").status_code == 404
    assert anna.send_form(f"{URL}/revisions/9/restore", page=URL).status_code == 404


def test_what_editors_wrote_is_shown_and_never_acted_on(app, place):
    save(place, "<script>alert(1)</script> <del>x</del>")
    anna = at_the_desk(app, address=ANNA)

    for path in ("", "/revisions", "/revisions/3"):
        assert "<script>alert" not in anna.get(URL + path).text
