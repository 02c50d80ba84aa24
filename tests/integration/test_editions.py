"""Every edition holds what its readers chose, names the rest, and can travel."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from itertools import product
from threading import Event

import pytest
from flask import Flask
from flask_babel import force_locale, gettext
from sqlalchemy import delete

from newsletter.database import db, transaction
from newsletter.issues import choice as choices
from newsletter.issues.editing import import_issue
from newsletter.issues.editions import (
    NothingChosen,
    RenderedEdition,
    UnfitForMail,
    articles_in,
    issue_choice,
    render_edition,
    template_of,
)
from newsletter.issues.models import Article, Edition, Format, Issue, Subject
from newsletter.issues.sections import section_links
from newsletter.links import TOKEN_LENGTH, Purpose
from newsletter.mail.message import MARKS, Hole, Template, date_header
from newsletter.pages import links, settings
from tests.issue_files import issue_file, sample

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)
EDITIONS = list(product(("en", "ar"), Format))
NOT_WRITTEN = "This issue was not written in %(theirs)s. You receive it in %(ours)s."
LOADING = {"src", "srcset", "background", "poster", "data"}

READER = {
    Hole.RECIPIENT: b"reader@example.net",
    Hole.MESSAGE_ID: b"<abc.def@newsletter.example>",
    Hole.DATE: date_header(NOW),
    Hole.UNSUBSCRIBE: b"u" * TOKEN_LENGTH,
    Hole.PREFERENCES: b"p" * TOKEN_LENGTH,
}


class Page(HTMLParser):
    """What a mail program makes of the HTML: headings, links, words, and what it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.loads: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[tuple[str, int, str]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.loads += [value for name, value in attrs if name in LOADING and value]
        if tag in {"h2", "a"}:
            self._open.append((tag, len(self.words), dict(attrs).get("href") or ""))

    def handle_endtag(self, tag):
        if self._open and tag == self._open[-1][0]:
            _, start, href = self._open.pop()
            text = self.words[start:].strip()
            if tag == "h2":
                self.headings.append(text)
            else:
                self.links.append((text, href))

    def handle_data(self, data):
        self.words += data


@pytest.fixture
def issue(app: Flask) -> Issue:
    with transaction():
        import_issue(sample("en"), now=NOW)
        return import_issue(sample("ar"), now=NOW)


def imported(**changes) -> Issue:
    with transaction():
        return import_issue(issue_file(**changes), now=NOW)


def mail_of(edition: RenderedEdition) -> tuple[bytes, EmailMessage]:
    octets = b"".join(edition.template.fill(READER))
    return octets, BytesParser(EmailMessage, policy=policy.default).parsebytes(octets)


def assert_fit_for_travel(edition: RenderedEdition) -> EmailMessage:
    octets, mail = mail_of(edition)
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    for part in mail.walk():
        assert part.defects == []
        for name in part.keys():  # noqa: SIM118 - a message is no mapping of its parts
            assert part[name].defects == (), name
    return mail


def plain_text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def every_choice(issue: Issue) -> range:
    return range(1, issue_choice(issue) + 1)


def opening(article: Article) -> str:
    return article.body.strip()[:24]


@pytest.mark.parametrize(("language", "format_"), EDITIONS)
def test_an_edition_holds_exactly_the_sections_chosen_and_links_to_the_others(
    issue, language, format_
):
    articles = articles_in(issue, language)
    standing = section_links(issue, language)
    assert len(every_choice(issue)) == 15

    for choice in every_choice(issue):
        edition = render_edition(issue, language, choice, format_)

        page = Page(edition.html or "")
        is_full = choice == issue_choice(issue)
        for article, link in zip(articles, standing, strict=True):
            is_chosen = choices.takes(choice, article.section_id)
            is_named = is_full or not is_chosen
            assert (opening(article) in edition.text) is is_chosen
            assert (f"\n{link.title}\n{link.invitation}\n{link.url}\n" in edition.text) is is_named
            if format_ is Format.HTML:
                assert (article.headline in page.headings) is is_chosen
                assert (opening(article) in page.words) is is_chosen
                assert ((link.title, link.url) in page.links) is is_named


@pytest.mark.parametrize(("language", "format_"), EDITIONS)
def test_an_edition_is_a_sound_mail_with_every_header_of_a_mailing(issue, language, format_):
    edition = render_edition(issue, language, choices.ALL, format_)

    mail = assert_fit_for_travel(edition)
    home = settings().public_url
    prefix = "" if language == "en" else f"/{language}"
    leave = f"{home}/unsubscribe/{'u' * TOKEN_LENGTH}"
    assert mail["Subject"] == edition.subject == issue.subject(language, "en").subject
    assert mail["From"] == "Libya Weekly Report <news@newsletter.example>"
    assert mail["List-Id"] == "Libya Weekly Report <weekly.newsletter.example>"
    assert mail["List-Unsubscribe"] == f"<{leave}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Archive"] == f"<{home}{prefix}/issues/>"
    assert mail["List-Owner"] == "<mailto:news@newsletter.example>"
    assert mail["Feedback-ID"] == f"issue-87:{language}:issue:weekly.newsletter.example"
    assert mail["Precedence"] == "bulk"
    kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    assert kinds == (["text/plain"] if format_ is Format.TEXT else ["text/plain", "text/html"])
    for part in mail.walk():
        if not part.is_multipart():
            content = part.get_content()
            assert leave in content
            assert f"{home}/preferences/{'p' * TOKEN_LENGTH}" in content
            assert not any(mark in content for mark in MARKS.values())
    assert f"\n{leave}\n" in plain_text(mail)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_full_edition_is_light_and_loads_nothing_from_anywhere(issue, language):
    html = render_edition(issue, language, choices.ALL, Format.HTML).html

    assert html is not None
    assert len(html.encode()) < 60_000
    assert Page(html).loads == []
    assert "url(" not in html
    assert "@import" not in html
    assert not {tag for tag, _ in Page(html).tags} & {"script", "link", "iframe", "img"}


def test_an_article_that_was_not_translated_stands_in_its_own_language_and_direction(issue):
    html = render_edition(issue, "ar", choices.ALL, Format.HTML).html or ""

    articles = articles_in(issue, "ar")
    assert [article.language for article in articles] == ["ar", "en", "ar", "ar"]
    western = articles[1]
    start = html.index(opening(western))
    around = html[:start][html[:start].rindex("<div lang=") :]
    assert around.startswith('<div lang="en" dir="ltr">')
    assert 'dir="rtl"' in html[: html.index("<body") + 200]


def test_an_issue_without_a_text_in_a_language_is_read_in_the_default_one(app):
    issue = imported(subject="Only in English")

    edition = render_edition(issue, "ar", choices.ALL, Format.HTML)

    assert edition.subject == "Only in English"
    assert "Eleven incidents" in edition.text
    assert "/ar/issues/87" in edition.text
    with force_locale("ar"):
        line = gettext(NOT_WRITTEN, theirs="العربية", ours="الإنجليزية")
    for shown in (edition.text, Page(edition.html or "").words):
        assert line in " ".join(shown.split())


def test_who_can_read_the_issue_is_not_told_what_it_lacks(issue):
    for language in ("en", "ar"):
        edition = render_edition(issue, language, choices.ALL, Format.HTML)

        with force_locale(language):
            line = gettext(NOT_WRITTEN, theirs="|", ours="|")
        assert line.partition("|")[0] not in edition.text + (edition.html or "")


def test_who_can_read_the_articles_is_not_told_that_they_were_not_written(issue):
    with transaction():
        db.session.execute(delete(Subject).where(Subject.language == "ar"))
    db.session.expire_all()

    edition = render_edition(issue, "ar", choices.ALL, Format.HTML)

    with force_locale("ar"):
        line = gettext(NOT_WRITTEN, theirs="|", ours="|")
    assert line.partition("|")[0] not in edition.text + (edition.html or "")


def test_an_article_in_another_language_alone_is_better_than_an_empty_mail(app):
    imported()
    issue = imported(articles={"western-response": "نص عربي"}, language="ar", subject="أسبوع")

    edition = render_edition(issue, "en", issue_choice(issue), Format.TEXT)

    assert "نص عربي" in edition.text


def test_a_choice_without_an_article_is_refused(issue):
    nowhere = choices.bit(40)

    with pytest.raises(NothingChosen):
        render_edition(issue, "en", nowhere, Format.HTML)


HOSTILE = """
<script>alert(1)</script> {{ 7*7 }} {% raw %} @@unsubscribe@@

</mj-text><mj-include path="/etc/passwd"/>

[press](javascript:alert(2)) <img src=x onerror=alert(3)> ]]> &amp; </div></body></html>

[nice](https://example.org/?a=1&b="2") [data](data:text/html;base64,PHNjcmlwdD4=)

.

.. a line that begins with dots

From here on, all is quiet.
"""


def test_hostile_words_of_an_editor_stay_words(app):
    issue = imported(
        articles={"ISIS in Action": HOSTILE},
        headline="{{ 7*7 }} <b>bold</b> & </mj-text>",
        subject="'{{ config }} <script>alert(4)</script>'",
    )

    edition = render_edition(issue, "en", choices.ALL, Format.HTML)

    mail = assert_fit_for_travel(edition)
    page = Page(edition.html or "")
    assert mail["Subject"] == "{{ config }} <script>alert(4)</script>"
    assert "{{ 7*7 }} <b>bold</b> & </mj-text>" in page.headings
    assert "<script>alert(1)</script> {{ 7*7 }} {% raw %} @@unsubscribe@@" in page.words
    assert not {tag for tag, _ in page.tags} & {"script", "img", "b", "mj-include"}
    assert all(
        href.startswith(("http://127.0.0.1:8000", "https://example.org/", "mailto:", "#"))
        for _, href in page.links
    )
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "\n.. a line that begins with dots\n" in plain_text(mail)


@pytest.mark.parametrize("place", ["articles", "subject"])
def test_a_mark_in_an_editors_words_is_refused_and_no_reader_gets_a_token_there(app, place):
    mark = f"http://127.0.0.1:8000/unsubscribe/{MARKS[Hole.UNSUBSCRIBE]}"
    words = {"ISIS in Action": f"See <{MARKS[Hole.UNSUBSCRIBE]}>."} if place == "articles" else mark
    issue = imported(**{place: words})

    with pytest.raises(UnfitForMail):
        render_edition(issue, "en", choices.ALL, Format.HTML)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_only_images_of_our_own_are_shown_and_others_are_linked(app, language):
    ours, foreign = f"{settings().public_url}/media/map.png", "https://example.org/eye.gif"
    text = f"![A map]({ours})\n\n![An eye]({foreign})\n"
    issue = imported(articles={"isis-in-action": text}, language=language)

    edition = render_edition(issue, language, choices.ALL, Format.HTML)

    page = Page(edition.html or "")
    assert page.loads == [ours]
    assert ("An eye", foreign) in page.links


def an_edition(issue: Issue, **changes) -> int:
    columns = {"language": "en", "choice": issue_choice(issue), "format": Format.HTML} | changes
    with transaction():
        edition = Edition(issue_id=issue.id, **columns)
        db.session.add(edition)
    return edition.id


def test_the_mail_of_an_edition_is_made_once_and_never_changes(issue):
    edition_id = an_edition(issue)
    with transaction():
        first = template_of(edition_id)
    with transaction():
        db.session.get_one(Article, issue.articles[0].id).headline = "Changed behind our back"

    with transaction():
        assert template_of(edition_id) == first
    assert b"Changed behind" not in b"".join(first.segments)


def test_a_worker_that_needs_what_another_one_is_making_waits_and_takes_that(issue, app):
    edition_id = an_edition(issue)
    is_done = Event()

    def work():
        with app.app_context(), transaction():
            template = template_of(edition_id)
        is_done.set()
        return template

    with ThreadPoolExecutor(1) as pool:
        with transaction():
            template_of(edition_id)
            theirs = Template((b"made by the first one",), ())
            db.session.get_one(Edition, edition_id).template = theirs.dump()
            db.session.flush()
            other = pool.submit(work)
            assert not is_done.wait(0.5)
        assert other.result() == theirs


def test_a_readers_token_fits_the_hole_it_is_made_for(issue):
    edition = render_edition(issue, "en", choices.ALL, Format.HTML)
    token = links().token(Purpose.UNSUBSCRIBE, 12, issue.id)

    octets = b"".join(edition.template.fill(READER | {Hole.UNSUBSCRIBE: token.encode()}))

    assert f"/unsubscribe/{token}>".encode() in octets
