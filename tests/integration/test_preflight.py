"""What would harm every reader keeps an issue from being sent; all else is said."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from newsletter.database import db, transaction
from newsletter.issues import preflight
from newsletter.issues.editing import import_issue
from newsletter.issues.editions import RenderedEdition
from newsletter.issues.models import Issue, Subject
from newsletter.links import Purpose
from newsletter.mail.message import MARKS, Hole, Template
from newsletter.pages import links, settings
from tests.issue_files import TUESDAY, issue_file, sample

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("app")


@dataclass(frozen=True)
class Sentences:
    """What was found, as it is said on the command line."""

    blocking: tuple[str, ...]
    warnings: tuple[str, ...]


def said(issue: Issue, now: datetime = NOW) -> Sentences:
    found = preflight.check(issue, now=now)
    return Sentences(tuple(map(str, found.blocking)), tuple(map(str, found.warnings)))


def checked(*files: bytes, now: datetime = NOW) -> Sentences:
    with transaction():
        issue = [import_issue(data, now=NOW) for data in files][-1]
    return said(issue, now)


def test_the_sample_may_be_sent_and_its_missing_translation_is_said():
    found = checked(sample("en"), sample("ar"))

    assert found.blocking == ()
    (warning,) = found.warnings
    assert warning == (
        "The English article in Western Response stands in the Arabic edition, because there is"
        " no other."
    )


def test_an_issue_without_an_article_is_blocked():
    with transaction():
        issue = Issue(number=1, date=TUESDAY, created_at=NOW, revised_at=NOW)
        db.session.add(issue)
        db.session.flush()
        db.session.add(Subject(issue_id=issue.id, language="en", subject="Empty", preheader=""))

    assert said(issue).blocking == ("Issue 1 has no article.",)


def test_an_issue_without_a_subject_in_the_default_language_is_blocked():
    found = checked(sample("ar"))

    assert found.blocking == ("Issue 87 has no subject in English, the default language.",)
    assert not any("There is no English text" in sentence for sentence in found.warnings)


@pytest.mark.parametrize("hole", MARKS)
def test_a_mark_that_was_pasted_from_an_old_mail_blocks_and_is_found(hole):
    pasted = f"Leave: http://127.0.0.1:8000/unsubscribe/{MARKS[hole]}"

    (sentence,) = checked(issue_file({"Western Response": pasted})).blocking

    assert sentence == (
        f"The English article in Western Response holds the mark of a reader's own {hole} link."
        " Take it out."
    )


@pytest.mark.parametrize(
    ("place", "named"), [("subject", "subject"), ("headline", "article in ISIS in Action")]
)
def test_a_mark_in_a_line_of_its_own_blocks(place, named):
    pasted = f"{settings().public_url}/unsubscribe/{MARKS[Hole.UNSUBSCRIBE]}"

    words = {"subject": "A subject", "headline": "A headline"} | {place: pasted}

    found = checked(issue_file(subject=words["subject"], headline=words["headline"]))

    (sentence,) = found.blocking
    assert sentence.startswith(f"The English {named} holds the mark")


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("place", ["subject", "preheader", "headline", "body"])
def test_a_readers_own_link_that_was_pasted_from_a_mail_blocks_and_is_found(purpose, place):
    pasted = f"{settings().public_url}/{purpose}/{links().token(purpose, 7, 1)}"
    with transaction():
        issue = import_issue(issue_file(), now=NOW)
        told = issue.subjects[0] if place in {"subject", "preheader"} else issue.articles[0]
        setattr(told, place, f"See {pasted}?from=mail")

    (sentence,) = said(issue).blocking

    where = "subject" if told is issue.subjects[0] else "article in ISIS in Action"
    assert sentence == (
        f"The English {where} holds some reader's own {purpose} link, copied from a mail: whoever"
        " opens it acts for that reader. Take it out."
    )


@pytest.mark.parametrize("spelt", ["https://old.example.org{}", "[here](<{}>)", "`{}`"])
def test_a_readers_own_link_blocks_whatever_its_host_and_markup(spelt):
    pasted = spelt.format("/unsubscribe/" + "aB-_" * 12)
    as_an_editor_escapes_it = pasted.replace("_", r"\_")

    for body in (pasted, as_an_editor_escapes_it):
        with transaction():
            issue = import_issue(issue_file({"ISIS in Action": body}), replace=True, now=NOW)
        assert "reader's own unsubscribe link" in said(issue).blocking[0]


def test_a_link_to_a_page_about_unsubscribing_is_the_editors_business():
    pages = "https://example.org/unsubscribe/how-to https://example.org/preferences/"

    assert checked(issue_file({"ISIS in Action": pages})).blocking == ()


def test_what_only_looks_like_a_mark_is_the_editors_business():
    assert checked(issue_file({"ISIS in Action": "{{ name }} @@name@@ *|NAME|*"})).blocking == ()


def long_text(kilobytes: int) -> str:
    return "\n\n".join(
        "Nothing was heard from the coast this week. " * 5 for _ in range(kilobytes * 4)
    )


def test_a_mail_that_programs_would_cut_off_is_blocked():
    blocking = checked(issue_file({"ISIS in Action": long_text(95)})).blocking

    assert [sentence.split(" has ")[0] for sentence in blocking] == [
        "The English edition",
        "The Arabic edition",
    ]
    assert "cut it off beyond 95 KB" in blocking[0]


def test_a_mail_that_comes_near_is_warned_of():
    found = checked(issue_file({"ISIS in Action": long_text(65)}))

    assert found.blocking == ()
    assert any("more than 95 KB cannot be sent" in sentence for sentence in found.warnings)


@pytest.mark.parametrize(
    ("text", "html", "part"),
    [
        ("none", f"<p>{MARKS[Hole.UNSUBSCRIBE]}</p>", "text"),
        (MARKS[Hole.UNSUBSCRIBE], "", "html"),
    ],
)
def test_an_edition_without_an_unsubscribe_link_in_each_part_is_blocked(text, html, part):
    edition = RenderedEdition("Subject", text, html, Template((b"",), ()))

    found = preflight.without_a_way_out({"en": edition})

    assert [str(finding) for finding in found] == [
        f"The English edition ({part}) has no unsubscribe link."
    ]


def test_what_cannot_be_put_into_a_mail_is_blocked_in_the_words_of_the_refusal():
    with transaction():
        issue = import_issue(issue_file(), now=NOW)
        issue.articles[0].body = "[" * 1000

    (sentence,) = said(issue).blocking

    assert "square brackets" in sentence


def test_sections_without_an_article_are_named():
    warnings = checked(issue_file({"Western Response": "Text."})).warnings

    assert [s.split(":")[0] for s in warnings if s.startswith("There is no article")] == [
        "There is no article in ISIS in Action",
        "There is no article in Anti-ISIS Coalition",
        "There is no article in Other Jihadi Actors",
    ]


def test_a_language_without_any_text_is_named():
    assert any(s.startswith("There is no Arabic text") for s in checked(sample("en")).warnings)


def test_articles_without_a_subject_in_their_language_are_named_and_not_said_to_be_missing():
    with transaction():
        import_issue(sample("en"), now=NOW)
        issue = import_issue(sample("ar"), now=NOW)
        db.session.execute(delete(Subject).where(Subject.language == "ar"))
        db.session.expire_all()

    warnings = said(issue).warnings

    assert any(s.startswith("There are Arabic articles, but no Arabic subject") for s in warnings)
    assert not any(s.startswith("There is no Arabic text") for s in warnings)


def test_images_from_elsewhere_and_images_without_words_are_named():
    ours, foreign = f"{settings().public_url}/media/a.png", "https://example.org/b.png"
    text = f"![]({ours})\n\n> [![A map]({foreign})](https://example.org)\n"

    warnings = checked(issue_file({"ISIS in Action": text})).warnings

    place = "The English article in ISIS in Action"
    assert f"{place} shows an image from elsewhere as a link only: {foreign}" in warnings
    assert f"{place} has an image without alternative text: {ours}" in warnings
    assert len([s for s in warnings if "image" in s]) == 2


@pytest.mark.parametrize("days", [-8, 7, 8])  # seven days ago it was the last issue's
def test_a_date_far_from_today_is_warned_of(days):
    warnings = checked(sample("en"), now=NOW + timedelta(days=days)).warnings

    assert any("is dated 2026-11-17, but today is" in sentence for sentence in warnings)


@pytest.mark.parametrize("days", [-7, 0, 6])
def test_a_date_within_a_week_is_not(days):
    warnings = checked(sample("en"), now=NOW + timedelta(days=days)).warnings

    assert not any("is dated" in sentence for sentence in warnings)
