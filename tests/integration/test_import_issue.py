"""Editors bring an issue as files, one a language; nothing is overwritten by accident."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Event

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from newsletter.database import db, transaction
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.editing import DuplicateIssue, OtherDate, import_issue
from newsletter.issues.editions import articles_in
from newsletter.issues.issue_file import BadIssueFile
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, Issue, SectionTitle
from newsletter.issues.subjects import Lines, put_lines
from tests.issue_files import TUESDAY, issue_file, sample

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("app")


def imported(data: bytes, *, replace: bool = False, now: datetime = NOW) -> Issue:
    with transaction():
        return import_issue(data, replace=replace, now=now)


def how_many(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_file_becomes_a_draft_with_an_article_a_section():
    issue = imported(sample("en"))

    assert (issue.number, issue.date, issue.state) == (87, TUESDAY, IssueState.DRAFT)
    assert issue.subject("en", "en").subject == "A quieter coast, a busier south-west"
    assert [(a.section_title, a.headline) for a in articles_in(issue, "en")] == [
        ("ISIS in Action", "A quieter coast, a busier south-west"),
        ("Western Response", "Donors turn from equipment to paperwork"),
        ("Anti-ISIS Coalition", "Two rival forces agree to keep one logbook"),
        ("Other Jihadi Actors", "A small group divides over a local truce"),
    ]


def test_the_same_number_in_another_language_joins_the_issue():
    english = imported(sample("en"))
    issue = imported(sample("ar"), now=NOW + timedelta(hours=1))

    assert issue.id == english.id
    assert issue.languages == ["ar", "en"]
    assert issue.revised_at == NOW + timedelta(hours=1)
    assert [a.language for a in articles_in(issue, "ar")] == ["ar", "en", "ar", "ar"]
    assert articles_in(issue, "ar")[0].section_title == "داعش على الأرض"


def test_sections_may_be_named_by_slug_or_by_title_in_any_language():
    issue = imported(issue_file({"western-response": "One.", "جهات جهادية أخرى": "Two."}))

    assert [a.section.slug for a in issue.articles] == ["western-response", "other-jihadi-actors"]
    assert [a.section_title for a in issue.articles] == ["Western Response", "Other Jihadi Actors"]


def test_an_issue_keeps_the_titles_of_its_day():
    issue = imported(issue_file())

    with transaction():
        db.session.execute(update(SectionTitle).values(title="Renamed"))
        db.session.expire_all()

    assert [a.section_title for a in issue.articles] == ["ISIS in Action"]


def test_the_same_issue_again_is_refused_and_nothing_changes():
    imported(issue_file(subject="First"))

    with pytest.raises(DuplicateIssue) as refusal:
        imported(issue_file(subject="Second"))

    assert str(refusal.value) == (
        "Issue 87 already has an English text; use --replace (or tick Replace) to put this one"
        " in its place."
    )
    assert db.session.scalars(select(Issue)).one().subject("en", "en").subject == "First"


def test_articles_without_a_subject_are_no_less_a_text_that_stands():
    imported(issue_file({"Western Response": "Written at the desk."}))
    with transaction():
        put_lines(db.session.scalars(select(Issue)).one(), Lines("en"))

    with pytest.raises(DuplicateIssue):
        imported(issue_file({"Western Response": "From a file."}))
    with pytest.raises(OtherDate):
        imported(issue_file({"Western Response": "نص"}, language="ar", day=date(2026, 12, 1)))

    db.session.expire_all()
    (issue,) = db.session.scalars(select(Issue))
    assert [article.body for article in issue.articles] == ["Written at the desk."]


def test_replacing_takes_the_old_text_away_whole_and_leaves_other_languages():
    imported(sample("en"))
    imported(sample("ar"))

    issue = imported(issue_file({"Western Response": "New."}, subject="New"), replace=True)

    assert issue.subject("en", "en").subject == "New"
    assert [a.body.strip() for a in issue.articles if a.language == "en"] == ["New."]
    assert len([a for a in issue.articles if a.language == "ar"]) == 3


def test_replacing_what_is_not_there_yet_is_an_import():
    assert imported(issue_file(), replace=True).languages == ["en"]


@pytest.mark.parametrize("state", [IssueState.SCHEDULED, IssueState.SENDING, IssueState.CANCELLED])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_what_is_a_draft_no_more_is_frozen(state, language):
    issue = imported(issue_file())
    with transaction():
        issue.state = state
        issue.sending_started_at = NOW

    with pytest.raises(FrozenIssue) as refusal:
        imported(issue_file(language=language, subject="Late"), replace=True)

    assert "its texts are frozen" in str(refusal.value)
    assert how_many(Article) == 1


def test_two_languages_with_two_dates_are_refused():
    imported(sample("en"))

    with pytest.raises(OtherDate) as refusal:
        imported(issue_file(language="ar", day=TUESDAY + timedelta(days=1)))

    assert str(refusal.value) == (
        "Issue 87 is dated 2026-11-17, but this Arabic text says 2026-11-18."
        " Give both the same date."
    )
    assert db.session.scalars(select(Issue)).one().languages == ["en"]


def test_a_wrong_date_is_corrected_by_replacing_the_text_of_the_default_language():
    imported(sample("en"))
    imported(sample("ar"))
    tomorrow = TUESDAY + timedelta(days=1)

    assert imported(issue_file(day=tomorrow), replace=True).date == tomorrow
    with pytest.raises(OtherDate):
        imported(sample("ar"), replace=True)


def test_a_wrong_date_of_the_only_text_is_corrected_by_replacing_it():
    imported(issue_file(language="ar"))
    tomorrow = TUESDAY + timedelta(days=1)

    assert imported(issue_file(language="ar", day=tomorrow), replace=True).date == tomorrow


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff\xfe rubbish",
        issue_file({"Weather": "Rain."}),
        issue_file(language="fr"),
        issue_file({"ISIS in Action": "[" * 100_000}),
    ],
)
def test_a_file_that_cannot_be_read_leaves_nothing_behind(data):
    with pytest.raises(BadIssueFile):
        imported(data)

    assert how_many(Issue) == 0


def test_of_two_imports_of_one_text_at_once_one_wins_and_the_other_is_told(app):
    outcomes = at_once(app, issue_file(subject="One"), issue_file(subject="Two"))

    assert sorted(map(type, outcomes), key=str) == [DuplicateIssue, Issue]
    assert how_many(Issue) == 1
    assert how_many(Article) == 1


def test_two_languages_imported_at_once_make_one_issue(app):
    outcomes = at_once(app, sample("en"), sample("ar"))

    assert list(map(type, outcomes)) == [Issue, Issue]
    assert db.session.scalars(select(Issue)).one().languages == ["ar", "en"]
    assert how_many(Article) == 7


def test_who_imports_what_another_import_is_still_writing_waits_and_is_told(app):
    imported(sample("en"))
    is_done = Event()

    def work() -> DuplicateIssue:
        with app.app_context(), pytest.raises(DuplicateIssue) as refusal:
            imported(sample("ar"))
        is_done.set()
        return refusal.value

    with ThreadPoolExecutor(1) as pool:
        with transaction():
            import_issue(sample("ar"), now=NOW)
            other = pool.submit(work)
            assert not is_done.wait(0.5)
        assert other.result().language == "ar"


def at_once(app: Flask, *files: bytes) -> list[Issue | DuplicateIssue]:
    start = Barrier(len(files))

    def work(data: bytes) -> Issue | DuplicateIssue:
        with app.app_context():
            start.wait()
            try:
                return imported(data)
            except DuplicateIssue as refusal:
                return refusal

    with ThreadPoolExecutor(len(files)) as pool:
        return list(pool.map(work, files))
