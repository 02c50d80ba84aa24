"""An article is saved again and again, by one or by two at once, and no word of it is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import event, select

from newsletter import audit
from newsletter.database import db, transaction
from newsletter.desk.models import Assignment, Editor, EditorSession, Role
from newsletter.issues import revisions, writing
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, ArticleRevision, Issue
from newsletter.issues.revisions import Place, Words
from newsletter.issues.writing import Conflict, Frozen, Saved
from tests.desk import NOW, at_the_desk, browser, make_editor, piece
from tests.factories import make_issue, section_called

URL = "/desk/issues/87/write/isis-in-action/en"
ANNA, BILAL = "anna@example.org", "bilal@example.org"
CAME_IN = "This week in isis-in-action (en)."
SENTENCE = "A text of so many words that nobody would type them anew."
NO_SCRIPT = {"Accept": "text/html"}
SCRIPT = {"Accept": "application/json"}


@pytest.fixture
def place(app):
    """Where an article stands that came in before there were revisions."""
    with transaction():
        issue = make_issue()
        return Place(issue.id, section_called("isis-in-action").id, "en")


def save(place, body, *, on, who=ANNA, after=timedelta(0), headline="H"):
    with transaction():
        words = Words.typed(headline, body)
        return writing.save_article(place, words, based_on=on, who=who, now=NOW + after)


def said(place):
    """Every body among the revisions, the oldest first."""
    query = select(ArticleRevision.body).order_by(ArticleRevision.version)
    return list(db.session.scalars(query.where(ArticleRevision.section_id == place.section_id)))


def kept_as(place, version):
    """The revision that a text was kept as."""
    found = revisions.find(place, version or 0)
    assert found
    return found


def stands(place):
    return writing.standing_at(place).words.body


def test_the_first_save_keeps_what_came_in_before_as_a_revision(place):
    assert save(place, "New words.", on=0) == Saved(2)

    assert stands(place) == "New words."
    assert said(place) == [CAME_IN, "New words."]


def test_writing_on_is_one_revision_whose_version_rises(place):
    version = save(place, "The road", on=0).version
    for text in ("The road was", "The road was closed."):
        version = save(place, text, on=version, after=timedelta(seconds=5)).version

    assert said(place) == [CAME_IN, "The road was closed."]
    assert version == 4


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (f"{SENTENCE} And more.", {"who": BILAL}),
        (f"{SENTENCE} And more.", {"after": timedelta(minutes=10)}),
        ("", {"headline": ""}),
        ("Selected all, and typed another text altogether.", {}),
    ],
)
def test_what_would_take_words_away_begins_a_new_revision(place, text, more):
    first = (
        "A text." if "more" in text else "A text of so many words that nobody would type them anew."
    )
    version = save(place, first, on=0).version

    save(place, text, on=version, **more)

    assert said(place) == [CAME_IN, first, text]


def test_a_second_text_on_the_same_version_changes_nothing_and_is_kept(place):
    save(place, "Anna's words.", on=0)

    outcome = save(place, "Bilal's words.", on=0, who=BILAL)

    assert isinstance(outcome, Conflict)
    assert outcome.standing.words.body == stands(place) == "Anna's words."
    assert outcome.standing.by == ANNA
    assert said(place) == [CAME_IN, "Anna's words.", "Bilal's words."]
    kept = kept_as(place, outcome.kept)
    assert (kept.body, kept.written_by) == ("Bilal's words.", BILAL)


def test_whoever_stands_writes_on_undisturbed_by_what_was_kept_aside(place):
    version = save(place, "Anna's words.", on=0).version
    save(place, "Bilal's words.", on=0, who=BILAL)

    assert isinstance(save(place, "Anna's words. More.", on=version), Saved)

    assert stands(place) == "Anna's words. More."
    assert "Bilal's words." in said(place)
    assert "Anna's words." in said(place)


def test_a_text_that_was_kept_aside_once_is_not_kept_again(place):
    save(place, "Anna's words.", on=0)

    first, second = (save(place, "Bilal's words.", on=0, who=BILAL).kept for _ in range(2))

    assert first == second
    assert said(place).count("Bilal's words.") == 1


def test_two_windows_of_one_person_are_two_texts_and_both_are_kept(place):
    save(place, "Anna's words.", on=0)
    windows = ["From the first window.", "From the other one."]

    for text in windows:
        save(place, text, on=0, who=BILAL)
    save(place, f"{windows[1]} And more.", on=0, who=BILAL)  # written on, in the same window

    assert said(place)[-2:] == [windows[0], f"{windows[1]} And more."]


def test_who_decides_for_their_own_text_puts_it_over_the_other_which_is_kept(place):
    save(place, "Anna's words.", on=0)
    conflict = save(place, "Bilal's words.", on=0, who=BILAL)

    save(place, "Bilal's words.", on=conflict.standing.version, who=BILAL)

    assert stands(place) == "Bilal's words."
    assert "Anna's words." in said(place)


def test_two_tabs_of_one_person_lose_nothing_either(place):
    save(place, "In one tab.", on=0)
    conflict = save(place, "In the other tab.", on=0)

    save(place, "In the other tab.", on=conflict.standing.version)

    assert {"In one tab.", "In the other tab."} <= set(said(place))


def test_a_save_whose_answer_was_lost_may_be_sent_again(place):
    assert save(place, "Words.", on=0) == save(place, "Words.", on=0)


def test_what_stands_already_takes_no_approval_back(place):
    with transaction():
        db.session.get_one(Issue, place.issue_id).approved_at = NOW
    headline = writing.standing_at(place).words.headline

    save(place, CAME_IN, on=0, headline=headline)
    assert db.session.get_one(Issue, place.issue_id).approved_at == NOW

    save(place, "Another text.", on=0)
    db.session.expire_all()
    assert db.session.get_one(Issue, place.issue_id).approved_at is None


def test_the_text_that_was_approved_is_kept_as_it_was(place):
    version = save(place, "Approved.", on=0).version
    with transaction():
        db.session.get_one(Issue, place.issue_id).approved_at = NOW

    save(place, "Approved. Not.", on=version)

    assert said(place)[-2:] == ["Approved.", "Approved. Not."]


def test_an_emptied_article_is_gone_from_the_issue_and_stays_among_the_revisions(place):
    outcome = save(place, " \n", on=0, headline=" ")

    assert db.session.scalars(select(Article).where(Article.id == 1)).all() == []
    assert writing.standing_at(place) == writing.Standing(Words(), outcome.version, ANNA, NOW)
    assert said(place) == [CAME_IN, ""]
    assert isinstance(save(place, "Again.", on=outcome.version), Saved)
    assert stands(place) == "Again."


def test_an_issue_that_is_under_way_keeps_its_text_and_what_was_typed_too_late(place):
    with transaction():
        db.session.get_one(Issue, place.issue_id).state = IssueState.SCHEDULED

    outcome = save(place, "Too late.", on=0)

    assert isinstance(outcome, Frozen)
    assert stands(place) == CAME_IN
    assert kept_as(place, outcome.kept).body == "Too late."


def test_words_that_are_late_twice_over_are_kept_and_nobody_is_sent_to_compare_them(place):
    save(place, "Anna's words.", on=0)
    with transaction():
        db.session.get_one(Issue, place.issue_id).state = IssueState.SCHEDULED

    outcome = save(place, "Too late.", on=0, who=BILAL)

    assert isinstance(outcome, Frozen)
    assert kept_as(place, outcome.kept).body == "Too late."


def test_of_many_who_save_at_once_one_wins_and_every_text_is_kept(app, place):
    start = Barrier(6)

    def work(number):
        with app.app_context():
            start.wait()
            return type(save(place, f"Text {number}.", on=0, who=f"writer{number}@example.org"))

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(work, range(6)))

    assert sorted(kind.__name__ for kind in outcomes) == ["Conflict"] * 5 + ["Saved"]
    assert sorted(said(place)) == sorted([CAME_IN, *(f"Text {n}." for n in range(6))])


def test_the_log_says_who_wrote_once_a_revision(place):
    version = save(place, "One", on=0).version
    save(place, "One two", on=version, after=timedelta(seconds=1))

    entries = [(entry.who, entry.what) for entry in audit.of_issue(place.issue_id)]
    assert entries == [(ANNA, "Wrote isis-in-action (en), revision 2.")]


def test_without_a_script_a_form_saves_and_both_texts_are_shown_when_two_write(app, place):
    anna, bilal = at_the_desk(app, address=ANNA), at_the_desk(app, address=BILAL)

    done = anna.send_form(URL, {"headline": "H", "body": "Anna's.", "based_on": 0}, page=URL)
    clash = bilal.send_form(URL, {"headline": "H", "body": "Bilal's.", "based_on": 0}, page=URL)

    assert (done.status_code, clash.status_code) == (303, 409)
    assert "Anna&#39;s." in clash.text
    assert "Bilal&#39;s." in clash.text
    on = piece(r'name="based_on" value="(\d+)"', clash.text)
    both = {"headline": "H", "body": "Anna's and Bilal's.", "based_on": on}
    assert bilal.send_form(URL, both, page=URL).status_code == 303
    assert stands(place) == "Anna's and Bilal's."
    assert {"Anna's.", "Bilal's."} <= set(said(place))


def test_who_lets_the_other_text_stand_keeps_their_own_among_the_revisions(app, place):
    bilal = at_the_desk(app, address=BILAL)
    save(place, "Anna's.", on=0)

    answer = bilal.send_form(URL, {"headline": "H", "body": "Mine.", "theirs": "yes"}, page=URL)

    assert answer.status_code == 303
    assert stands(place) == "Anna's."
    assert "Mine." in said(place)


def test_no_text_is_kept_aside_that_could_never_be_restored(app, place):
    anna = at_the_desk(app)
    form = {"headline": "H", "body": "x" * 200_001, "based_on": 0, "theirs": "yes"}

    answer = anna.send_form(URL, form, page=URL)

    assert answer.status_code == 400
    assert "x" * 200_001 in answer.text
    assert said(place) == []


def test_a_script_is_told_the_version_or_that_there_are_two_texts(app, place):
    anna = at_the_desk(app)
    form = {"csrf_token": anna.token(URL), "headline": "H", "body": "One.", "based_on": "0"}

    first = anna.post(URL, data=form, headers=SCRIPT)
    second = anna.post(URL, data=form | {"body": "Two."}, headers=SCRIPT)

    assert (first.status_code, first.json["version"]) == (200, 2)
    assert (second.status_code, second.json["two"]) == (409, True)
    assert "saved this article meanwhile" in second.json["said"]


def test_markdown_out_of_bounds_is_saved_with_a_complaint(app, place):
    anna = at_the_desk(app)
    form = {"csrf_token": anna.token(URL), "headline": "H", "body": "[" * 60, "based_on": "0"}

    answer = anna.post(URL, data=form, headers=SCRIPT)

    assert answer.status_code == 200
    assert "square brackets" in answer.json["complaint"]
    assert stands(place) == "[" * 60


def test_the_longest_article_in_arabic_goes_through_and_a_longer_one_is_given_back(app, place):
    anna = at_the_desk(app)
    longest = ("درنة محاصرة " * 20_000)[:200_000].strip()

    taken = anna.send_form(URL, {"headline": "H", "body": longest, "based_on": 0}, page=URL)
    refused = anna.send_form(URL, {"headline": "H", "body": "x" * 200_001, "based_on": 2}, page=URL)

    assert (taken.status_code, refused.status_code) == (303, 400)
    assert stands(place) == longest
    assert "x" * 200_001 in refused.text
    assert "200,001 characters; at most 200,000 can be" in refused.text


def test_a_text_that_was_too_long_is_shown_on_the_version_that_it_was_written_on(app, place):
    anna = at_the_desk(app)
    save(place, "Bilal's.", on=0, who=BILAL)

    refused = anna.send_form(URL, {"headline": "H", "body": "x" * 200_001, "based_on": 0}, page=URL)

    assert piece(r'name="based_on" value="(\d+)"', refused.text) == "0"
    assert "data-autosave" not in refused.text  # what stands there is not what is stored


def test_a_text_far_too_long_to_be_saved_is_given_back_whole(app, place):
    long = "\u0643" * 400_000  # six bytes each in a form

    refused = at_the_desk(app).send_form(
        URL, {"headline": "H", "body": long, "based_on": 0}, page=URL
    )

    assert refused.status_code == 400
    assert long in refused.text


@pytest.mark.parametrize("has_session", [True, False])
def test_a_form_that_nobody_can_read_is_answered_with_the_reason(app, place, has_session):
    visitor = at_the_desk(app) if has_session else browser(app)
    form = {"csrf_token": "any", "body": "x" * (8 * 1024 * 1024 + 1), "based_on": "0"}

    told, page = (visitor.post(URL, data=form, headers=who) for who in (SCRIPT, NO_SCRIPT))

    if has_session:
        assert (told.status_code, page.status_code) == (413, 413)
        assert "longer than we can take" in told.json["said"]
        assert "That is too much at once" in page.text
    else:
        assert (told.status_code, page.status_code) == (401, 303)


@pytest.mark.parametrize("headers", [SCRIPT, NO_SCRIPT])
def test_words_that_come_after_the_session_ended_are_given_back(app, place, headers):
    answer = browser(app).post(
        URL, data={"headline": "H", "body": "Words.", "based_on": "0"}, headers=headers
    )

    assert answer.status_code == 401
    assert ("Words." in answer.text) is (headers is NO_SCRIPT)
    assert stands(place) == CAME_IN


@pytest.mark.parametrize("headers", [SCRIPT, NO_SCRIPT])
def test_words_that_come_before_the_second_factor_are_given_back(app, place, headers):
    anna = at_the_desk(app)
    form = {"csrf_token": anna.token(URL), "headline": "H", "body": "Words.", "based_on": "0"}
    with transaction():
        db.session.scalars(select(Editor)).one().totp_secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
        db.session.scalars(select(EditorSession)).one().proved_at = None

    answer = anna.post(URL, data=form, headers=headers)

    assert answer.status_code == 401
    if headers is NO_SCRIPT:
        assert "Words." in answer.text
        assert 'href="/desk/second-factor"' in answer.text
    assert stands(place) == CAME_IN


def test_words_that_come_with_an_old_token_are_given_back_with_a_new_one(app, place):
    anna = at_the_desk(app)
    form = {"csrf_token": "old", "headline": "H", "body": "Words.", "based_on": "0"}

    answer = anna.post(URL, data=form)

    assert answer.status_code == 400
    token = piece(r'name="csrf_token" value="([^"]+)"', answer.text.partition("<main")[2])
    assert anna.post(URL, data=form | {"csrf_token": token}).status_code == 303
    assert stands(place) == "Words."


def test_another_sites_words_are_not_shown_as_ours(app, place):
    answer = browser(app).post(
        URL, data={"body": "Planted.", "based_on": "0"}, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert "Planted." not in answer.text


def test_words_that_a_full_database_cannot_take_are_given_back(app, place):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite can be told how many pages it may have")
    anna = at_the_desk(app)
    token = anna.token(URL)

    def fill(connection, _record):
        cursor = connection.cursor()
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")

    db.session.remove()
    db.engine.dispose()
    event.listen(db.engine, "connect", fill)
    form = {"csrf_token": token, "headline": "H", "body": "words " * 20_000, "based_on": "0"}
    full = anna.post(URL, data=form)
    event.remove(db.engine, "connect", fill)
    db.engine.dispose()

    assert full.status_code == 500
    assert "words words words" in full.text
    assert stands(place) == CAME_IN
    assert anna.post(URL, data=form).status_code == 303


def test_an_author_writes_their_own_section_and_no_other(app, place):
    make_editor(Role.AUTHOR, ANNA)
    author = browser(app)
    author.log_in(ANNA)
    who = db.session.scalars(select(Editor.id).where(Editor.address == ANNA)).one()
    mine = {"issue_id": place.issue_id, "section_id": place.section_id, "editor_id": who}

    assert author.get(URL).status_code == 403
    with transaction():
        db.session.add(Assignment(**mine))

    assert author.get(URL).status_code == 200
    form = {"headline": "H", "body": "Mine.", "based_on": 0}
    assert author.send_form(URL, form, page=URL).status_code == 303
    other = URL.replace("isis-in-action", "western-response")
    refused = author.send_form(other, form, page=URL)
    assert refused.status_code == 403
    assert "Mine." in refused.text


@pytest.mark.parametrize("path", ["weather/en", "isis-in-action/fr"])
def test_what_is_no_section_or_language_is_not_found(app, place, path):
    assert at_the_desk(app).get(f"/desk/issues/87/write/{path}").status_code == 404


def test_another_language_is_shown_beside_it_in_its_own_direction(app):
    with transaction():
        make_issue(languages=["en", "ar"])

    page = at_the_desk(app).get(f"{URL}?beside=ar").text

    assert "This week in isis-in-action (ar)." in page
    assert 'class="other" lang="ar" dir="rtl"' in page
