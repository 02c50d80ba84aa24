"""The preview: the mail itself, any edition of it, away from the desk."""

import re

import pytest
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.desk.models import Role
from newsletter.issues import choice as choices
from newsletter.issues.editions import articles_in, render_edition
from newsletter.issues.models import Format, Issue
from newsletter.links import Purpose
from newsletter.pages import links
from tests.desk import at_the_desk, piece
from tests.issue_files import issue_file, sample
from tests.publishing import draft

MAIL = "/desk/issues/87/preview/mail"
HOSTILE = (
    "<script>alert(1)</script>\n\n[press](javascript:alert(2))\n\n![x](https://evil.example/x)"
)


@pytest.fixture
def anna(app):
    draft(sample("en"), sample("ar"))
    return at_the_desk(app)


def issue_87():
    return db.session.scalars(select(Issue).where(Issue.number == 87)).one()


def headlines(language="en"):
    return {a.section.slug: a.headline for a in articles_in(issue_87(), language)}


def test_the_preview_is_the_mail_that_would_be_sent(anna):
    shown = anna.get(MAIL).text

    sent = render_edition(issue_87(), "en", choices.ALL, Format.HTML).html or ""
    assert len(shown) - len(sent) < 100
    assert all(headline in shown for headline in headlines().values())


@pytest.mark.parametrize("format", ["html", "text"])
def test_it_shows_exactly_the_sections_chosen(anna, format):  # noqa: A002  # the word of the field
    wanted = ["isis-in-action", "other-jihadi-actors"]

    shown = anna.get(MAIL, query_string={"sections": wanted, "format": format}).text

    for slug, headline in headlines().items():
        assert (headline in shown) == (slug in wanted), slug


def test_it_shows_any_language(anna):
    shown = anna.get(f"{MAIL}?edition=ar").text

    assert headlines("ar")["western-response"] in shown
    assert 'dir="rtl"' in shown


def test_plain_text_is_shown_as_text(anna):
    shown = anna.get(f"{MAIL}?format=text").text

    assert "<pre>" in shown
    assert "<table" not in shown


def test_it_is_locked_in_a_sandbox_of_its_own(anna):
    for format_ in ("html", "text"):
        headers = anna.get(f"{MAIL}?format={format_}").headers
        rules = headers["Content-Security-Policy"].split("; ")
        assert rules == [
            "sandbox allow-popups allow-popups-to-escape-sandbox allow-same-origin",
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src 'self'",
            "frame-ancestors 'self'",
        ]
        assert headers["Cache-Control"] == "no-store"


def test_the_page_around_it_may_frame_it_and_has_no_inline_style_or_script(anna):
    page = anna.get("/desk/issues/87/preview")

    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert " style=" not in page.text
    assert "<style" not in page.text
    assert not re.search(r"<script(?![^>]* src=)", page.text)
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox allow-same-origin"' in page.text


def test_the_page_frames_what_was_chosen_and_says_how_it_looks_in_an_inbox(anna):
    asked = {"sections": "western-response", "edition": "ar", "width": "phone", "light": "dark"}

    page = anna.get("/desk/issues/87/preview", query_string=asked).text

    source = piece(r'<iframe [^>]*src="([^"]+)"', page).replace("&amp;", "&")
    assert source.startswith(MAIL)
    assert headlines("ar")["western-response"] in anna.get(source).text
    assert headlines("ar")["other-jihadi-actors"] not in anna.get(source).text
    subject = issue_87().subject("ar", "en")
    assert subject.subject in page
    assert subject.preheader[:40] in page
    assert 'class="window phone dark"' in page


def test_the_links_of_readers_are_nobodys(anna):
    for format_ in ("html", "text"):
        shown = anna.get(f"{MAIL}?format={format_}").text
        found = re.findall(r"/(unsubscribe|preferences)/([\w-]{40,})", shown)
        assert {purpose for purpose, _ in found} == {"unsubscribe", "preferences"}
        for purpose, token in found:
            assert links().read(Purpose(purpose), token) == (0, 0)


def test_dark_and_light_hold_whatever_the_browser_prefers(anna):
    dark, light = anna.get(f"{MAIL}?light=dark").text, anna.get(f"{MAIL}?light=light").text

    assert "prefers-color-scheme" not in dark + light
    assert re.search(r"@media\s+all", dark)
    assert re.search(r"@media\s+not all", light)


def test_a_hostile_article_stays_data(app):
    draft(issue_file({"western-response": HOSTILE}, headline="<img src=x onerror=alert(3)>"))
    anna = at_the_desk(app)

    for path in (MAIL, f"{MAIL}?format=text"):
        shown = anna.get(path).text
        assert "<script" not in shown
        assert "<img" not in shown
        assert 'href="javascript' not in shown
        assert "sandbox" in anna.get(path).headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "asked",
    ["edition=xx", "format=rtf", "width=10", "light=neon", "sections=nothing", "sections=%00"],
)
def test_what_is_not_on_offer_is_shown_as_the_usual(anna, asked):
    assert anna.get(f"/desk/issues/87/preview?{asked}").status_code == 200
    assert anna.get(f"{MAIL}?{asked}").status_code == 200


def test_an_issue_without_an_article_has_nothing_to_look_at(app):
    draft(issue_file())
    with transaction():
        db.session.execute(db.text("DELETE FROM article"))
    anna = at_the_desk(app)

    page = anna.get("/desk/issues/87/preview")

    assert page.status_code == 422
    assert 'class="desk"' in page.text


DRAFT = "/desk/issues/87/preview/draft"


def unsaved(**more):
    """What somebody is writing."""
    return {
        "section": "western-response",
        "language": "en",
        "headline": "A frigate turns back",
        "body": "It **never** reached Derna.",
    } | more


def test_an_unsaved_text_is_shown_in_the_place_of_the_stored_one_and_not_kept(anna):
    shown = anna.send_form(DRAFT, unsaved()).text

    assert "A frigate turns back" in shown
    assert re.search(r"It <strong[^>]*>never</strong> reached Derna", shown)
    stored = headlines()
    assert "A frigate turns back" not in stored.values()
    assert stored["western-response"] not in shown
    assert stored["other-jihadi-actors"] in shown
    assert anna.get(MAIL).text.count("A frigate turns back") == 0


def test_an_unsaved_text_is_shown_as_it_would_be_when_it_is_saved(anna):
    shown = anna.send_form(DRAFT, unsaved()).text

    with transaction():
        article = next(
            a for a in articles_in(issue_87(), "en") if a.section.slug == "western-response"
        )
        article.headline, article.body = unsaved()["headline"], unsaved()["body"]

    nobodys = r"/(unsubscribe|preferences)/[\w-]{40,}"
    assert re.sub(nobodys, "", anna.get(MAIL).text) == re.sub(nobodys, "", shown)


@pytest.mark.parametrize("slug", ["", "nowhere", "western-response\0"])
def test_an_unsaved_text_of_no_section_is_shown_nowhere(anna, slug):
    assert anna.send_form(DRAFT, unsaved(section=slug)).status_code == 404


def test_an_unsaved_text_in_another_language_is_shown_in_its_edition(anna):
    shown = anna.send_form(DRAFT, unsaved(language="ar", headline="فرقاطة تعود")).text

    assert "فرقاطة تعود" in shown
    assert headlines("ar")["other-jihadi-actors"] in shown
    assert '<html lang="ar" dir="rtl"' in shown


def test_a_text_that_was_emptied_is_left_out(anna):
    shown = anna.send_form(DRAFT, unsaved(headline="", body=" \n"))

    assert headlines()["other-jihadi-actors"] in shown.text
    assert headlines()["western-response"] not in shown.text


def test_a_text_that_no_mail_can_be_made_of_is_answered_with_the_reason(anna):
    for text, reason in (("[" * 60, "square brackets"), ("> " * 60 + "x", "nested more than 50")):
        answer = anna.send_form(DRAFT, unsaved(body=text))
        assert answer.status_code == 200, "browsers complain of a page that is refused"
        assert reason in answer.text
        assert answer.headers["Content-Security-Policy"].startswith("sandbox ")


def test_without_any_text_there_is_nothing_to_show(app):
    draft(issue_file({"western-response": "Alone."}))
    anna = at_the_desk(app)

    answer = anna.send_form(DRAFT, unsaved(headline="", body=""))

    assert "There is no text to show yet." in answer.text


def test_the_longest_article_is_shown(anna):
    long = "word " * 39_000

    assert anna.send_form(DRAFT, unsaved(body=f"{long} END-OF-IT")).text.count("END-OF-IT") == 1


def test_an_unsaved_hostile_text_stays_data_in_its_sandbox(anna):
    answer = anna.send_form(DRAFT, unsaved(headline="<script>alert(3)</script>", body=HOSTILE))

    assert "<script" not in answer.text
    assert "allow-scripts" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("sandbox ")


def test_an_author_looks_at_unsaved_texts_of_their_own_sections_only(app):
    draft(sample("en"))
    author = at_the_desk(app, Role.AUTHOR)

    assert author.send_form(DRAFT, unsaved()).status_code == 403


@pytest.mark.parametrize("other", [{"section": "no-section"}, {"language": "xx"}])
def test_an_unsaved_text_of_nowhere_is_not_found(anna, other):
    assert anna.send_form(DRAFT, unsaved(**other)).status_code == 404


def test_each_language_offered_can_be_looked_at_also_before_it_is_written(app):
    draft(sample("en"))
    anna = at_the_desk(app)

    assert 'value="ar"' in anna.get("/desk/issues/87/preview").text
    shown = anna.get(f"{MAIL}?edition=ar").text
    assert '<html lang="ar" dir="rtl"' in shown
    assert headlines()["western-response"] in shown


def test_an_inbox_cuts_what_is_too_long_for_it(app):
    draft(sample("en"))
    with transaction():
        issue_87().subjects[0].subject = "Derna under siege " * 6
    anna = at_the_desk(app)

    page = anna.get("/desk/issues/87/preview").text

    cuts = re.findall(r'<span class="subject" dir="auto">([^<]*)</span>', page)
    assert [len(cut) for cut in cuts] == [70, 35]
    assert all(cut.endswith("…") for cut in cuts)
