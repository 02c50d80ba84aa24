"""The preview: the mail itself, any edition of it, away from the desk."""

import re
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.desk.models import Role
from newsletter.issues import choice as choices
from newsletter.issues.editions import articles_in, render_edition
from newsletter.issues.models import Format, Issue
from newsletter.links import Purpose
from newsletter.notices.models import Notice, NoticeKind
from newsletter.pages import links
from tests.desk import ADDRESS, at_the_desk, piece
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


def owed():
    """The one notice, as a mail."""
    notice = db.session.scalars(select(Notice)).one()
    assert notice.kind is NoticeKind.ISSUE_TEST
    return notice.recipient, message_from_bytes(notice.message or b"", policy=policy.default)


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
            "sandbox allow-popups allow-same-origin",
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
    assert 'sandbox="allow-popups allow-same-origin"' in page.text


def test_the_page_frames_what_was_chosen_and_says_how_it_looks_in_an_inbox(anna):
    asked = {"sections": "western-response", "edition": "ar", "width": "phone", "light": "dark"}

    page = anna.get("/desk/issues/87/preview", query_string=asked).text

    source = piece(r'<iframe [^>]*src="([^"]+)"', page).replace("&amp;", "&")
    assert source.startswith(MAIL)
    assert headlines("ar")["western-response"] in anna.get(source).text
    assert headlines("ar")["other-jihadi-actors"] not in anna.get(source).text
    subject = issue_87().subject("ar", "en")
    assert subject.subject in page
    assert subject.preheader in page
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


def test_a_test_of_just_this_edition_is_owed_to_the_address(anna):
    form = {
        "address": " colleague@example.org ",
        "sections": ["western-response"],
        "format": "text",
    }

    answer = anna.send_form("/desk/issues/87/test", form)

    assert answer.status_code == 303
    assert "sections=western-response" in answer.headers["Location"]
    assert "on its way to colleague@example.org" in anna.get(answer.headers["Location"]).text
    recipient, mail = owed()
    assert recipient == "colleague@example.org"
    assert mail["Subject"].startswith("[Test] ")
    assert mail.get_content_type() == "text/plain"
    assert headlines()["western-response"] in mail.get_content()
    assert headlines()["other-jihadi-actors"] not in mail.get_content()


def test_the_address_offered_for_a_test_is_ones_own(anna):
    assert 'name="address" type="email" dir="ltr"' in anna.get("/desk/issues/87/preview").text
    assert f'value="{ADDRESS}"' in anna.get("/desk/issues/87/preview").text


def test_a_test_to_no_address_keeps_what_was_chosen(anna):
    form = {"address": "no address", "sections": ["western-response"], "edition": "ar"}

    refused = anna.send_form("/desk/issues/87/test", form)

    assert refused.status_code == 400
    assert 'value="no address"' in refused.text
    assert "There is no @" in refused.text
    assert re.search(r'value="ar" checked', refused.text)
    assert db.session.scalars(select(Notice)).all() == []


def test_an_author_sends_no_test(app):
    draft(sample("en"))
    author = at_the_desk(app, Role.AUTHOR)

    refused = author.send_form("/desk/issues/87/test", {"address": ADDRESS})

    assert refused.status_code == 403
    assert "This page is for editors" in refused.text
    assert "Send the test" not in author.get("/desk/issues/87/preview").text
    assert db.session.scalars(select(Notice)).all() == []
