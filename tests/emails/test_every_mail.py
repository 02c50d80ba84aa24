"""What holds for every mail in every language."""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from flask_babel import force_locale
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

from newsletter.links import Purpose
from newsletter.locales import LANGUAGES, direction
from newsletter.mail.rendering import EMAILS, RenderedMail, render_mail
from tests.emails.pages import Page
from tests.emails.samples import (
    CONFIRM_URL,
    INVITATION_URL,
    MAILS,
    NEVER_AGAIN_URL,
    NEW_ADDRESS_URL,
    PREFERENCES_URL,
    RESET_URL,
    SITE,
    UNSUBSCRIBE_URL,
    article,
    context_of,
)

READERS_LINKS = {
    "confirmation": {CONFIRM_URL, NEVER_AGAIN_URL, PREFERENCES_URL, UNSUBSCRIBE_URL},
    "welcome": {PREFERENCES_URL, UNSUBSCRIBE_URL},
    "goodbye": {f"{PREFERENCES_URL}/erase"},
    "links": {PREFERENCES_URL, UNSUBSCRIBE_URL},
    "new_address": {NEW_ADDRESS_URL},
    "address_changed": set(),
    "alarm": set(),
    "attack": set(),
    "invitation": {INVITATION_URL},
    "password_reset": {RESET_URL},
    "account": set(),
    "issue": {PREFERENCES_URL, UNSUBSCRIBE_URL},
}
HOSTILE = "<script>alert('&')</script>\"><b>{{ 7 * 7 }}"


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=MAILS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mail(name: str, language: str) -> RenderedMail:
    return render_mail(name, language, **context_of(name, language))


@pytest.fixture
def page(mail: RenderedMail) -> Page:
    return Page(mail.html)


def test_each_folder_is_a_mail_with_a_subject_a_page_and_a_text():
    folders = {path.parent.name for path in EMAILS.glob("*/subject.txt")}

    assert folders == set(MAILS)
    for folder in folders:
        assert {path.name for path in (EMAILS / folder).iterdir()} == {
            "subject.txt",
            "body.mjml",
            "body.txt",
        }


def test_a_subject_is_one_line(mail: RenderedMail):
    assert mail.subject
    assert mail.subject.splitlines() == [mail.subject]


def test_every_readers_link_stands_on_a_line_of_its_own_in_the_text(name, mail):
    purposes = re.compile(f"/({'|'.join(Purpose)})/")

    found = {line for line in mail.text.split("\n") if purposes.search(line)}

    assert found == READERS_LINKS[name]


def test_every_readers_link_is_a_link_in_the_page_letter_for_letter(name, page):
    assert READERS_LINKS[name] <= set(page.links)


def test_the_text_has_plain_line_ends_no_gaps_and_one_end(mail):
    assert "\r" not in mail.text
    assert "\n\n\n" not in mail.text
    assert not re.search(r"[ \t]\n", mail.text)
    assert mail.text == mail.text.strip("\n") + "\n"


def test_the_lines_of_the_text_are_no_longer_than_a_terminal_is_wide(mail):
    assert not [line for line in mail.text.split("\n") if len(line) > 72 and " " in line]


def test_page_and_text_name_the_publisher_and_how_to_reach_it(mail, page):
    for word in ("1 Example Street", "editors@weekly.example"):
        assert word in mail.text
        assert word in page.text


def test_the_page_says_its_language_and_direction_where_mail_programs_keep_it(language, page):
    expected = {"lang": language, "dir": direction(language)}

    (html,) = page.all("html")
    (wrapper,) = (div for div in page.all("div") if div.get("role") == "article")
    assert expected.items() <= html.items()
    assert expected.items() <= wrapper.items()


def test_the_page_is_ready_for_dark_mode(mail, page):
    assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")
    assert "@media (prefers-color-scheme: dark)" in mail.html


def test_nothing_is_loaded_from_anywhere(mail, page):
    assert not page.all("link") + page.all("script") + page.all("iframe")
    assert not re.search(r"@import|@font-face|url\(|\bsrcset=|\bbackground=", mail.html)
    assert all(image["src"].startswith(f"{SITE}/") for image in page.all("img"))


def test_every_image_says_what_it_shows(page):
    assert all(image.get("alt") for image in page.all("img"))


def test_layout_tables_are_not_announced_as_tables(page):
    layout = [table for table in page.all("table") if table.get("cellpadding")]

    assert layout
    assert {table.get("role") for table in layout} == {"presentation"}


def test_no_tag_of_the_layout_language_is_left(mail):
    assert "<mj-" not in mail.html
    assert "{{" not in mail.html + mail.text + mail.subject
    assert "%(" not in mail.html + mail.text + mail.subject


def test_a_notice_is_small(name, mail):
    if name != "issue":
        assert len(mail.html.encode()) < 16_000


def test_a_value_that_is_missing_is_not_passed_over(name, language):
    context = context_of(name, language)
    for missing in context:
        with pytest.raises(UndefinedError, match=missing):
            render_mail(name, language, **{key: context[key] for key in context if key != missing})


def test_markup_in_any_value_stays_words(name, language):
    mail = render_mail(name, language, **spoil(context_of(name, language)))

    page = Page(mail.html)
    assert not page.all("script")
    assert "alert(" in page.text
    assert "49" not in page.text
    assert not [name for _, attributes in page.elements for name in attributes if '"' in name]
    assert "<script>" in mail.text
    with force_locale(language):
        assert len(mail.subject.splitlines()) == 1


@given(words=st.text(min_size=1))
def test_any_headline_makes_a_mail_of_well_formed_parts(words):
    context = context_of("issue", "en")
    context["issue"] = replace(context["issue"], subject=words)
    context["articles"] = (article(headline=words),)

    mail = render_mail("issue", "en", **context)

    assert len(mail.subject.splitlines()) <= 1
    assert mail.html.endswith("</html>")
    assert "\r" not in mail.text


def spoil(value: Any) -> Any:
    """Put markup into every word of a context; what is marked safe is left alone."""
    if isinstance(value, dict):
        return {key: spoil(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [spoil(inner) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value,
            **{
                field.name: spoil(getattr(value, field.name))
                for field in fields(value)
                if field.name not in {"language", "direction"}
            },
        )
    if isinstance(value, str) and not isinstance(value, Markup):
        return value + HOSTILE
    return value
