"""Choosing sections, language and format from a link in any mail."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import event

from newsletter.database import db, transaction
from newsletter.issues.models import Format
from newsletter.links import Purpose
from newsletter.pages import links
from newsletter.subscribers.models import ConsentKind, SubscriberState, SuppressionReason
from newsletter.subscribers.suppression import suppress
from tests.factories import choice_of, make_subscriber
from tests.integration.readers import events, the_subscriber

AMAL = "amal@reader.example"


@pytest.fixture
def link(app):
    with transaction():
        reader = make_subscriber(AMAL, sections=["western-response"])
    return f"/preferences/{links().token(Purpose.PREFERENCES, reader.id, 12)}"


def chosen():
    found = the_subscriber().subscription
    return found.choice, found.language, found.format


def test_the_page_shows_what_is_chosen_and_no_address(browser, link):
    for page in (browser.get(link), browser.head(link)):
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Robots-Tag"] == "noindex"
        assert AMAL not in page.text
    text = browser.get(link).text
    assert 'value="western-response" checked' in text
    assert 'value="isis-in-action" checked' not in text
    assert '<option value="en" lang="en" selected>' in text
    assert 'value="html" checked' in text
    assert events() == []


def test_a_new_choice_is_kept_recorded_and_shown(browser, link):
    sent = {"sections": ["isis-in-action"], "language": "ar", "format": "text"}
    page = browser.post(link, data=sent)

    assert page.status_code == 200
    assert '<html lang="ar" dir="rtl">' in page.text
    assert 'role="status"' in page.text
    assert 'value="isis-in-action" checked' in page.text
    assert 'value="text" checked' in page.text
    assert AMAL not in page.text
    assert chosen() == (choice_of("isis-in-action"), "ar", Format.TEXT)
    (event,) = events()
    assert (event.kind, event.choice, event.language) == (
        ConsentKind.CHANGED,
        choice_of("isis-in-action"),
        "ar",
    )


def test_none_ticked_means_all_sections_also_later_ones(browser, link):
    page = browser.post(link, data={"language": "en", "format": "html"})

    assert chosen()[0] == 0
    assert " checked> <span>ISIS" not in page.text


def test_saving_what_was_chosen_already_is_no_event(browser, link):
    sent = {"sections": ["western-response"], "language": "en", "format": "html"}
    assert browser.post(link, data=sent).status_code == 200

    assert events() == []


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"language": "en"},
        {"language": "tlh", "format": "html"},
        {"language": "en", "format": "pdf"},
        {"language": "en", "format": "html", "sections": ["isis-in-action", "gossip"]},
        {"language": "e\x00n", "format": "html"},
    ],
)
def test_what_is_not_offered_is_refused_and_changes_nothing(browser, link, sent):
    page = browser.post(link, data=sent)

    assert page.status_code == 400
    assert "Nothing was changed" in page.text
    assert chosen() == (choice_of("western-response"), "en", Format.HTML)


def test_the_way_out_is_on_the_page_and_names_the_same_issue(browser, link):
    path = browser.get(link).text.split('href="/unsubscribe/')[1].split('"')[0]

    assert links().read(Purpose.UNSUBSCRIBE, path) == (the_subscriber().id, 12)
    assert browser.get(f"/unsubscribe/{path}").status_code == 200


def test_all_that_a_reader_can_do_is_on_the_page_and_works_without_a_script(browser, link):
    text = browser.get(link).text

    for path in ("", "/pause", "/address"):
        assert f'<form method="post" action="{link}{path}"' in text
    for path in ("/data", "/erase"):
        assert f'href="{link}{path}"' in text
        assert browser.get(link + path).status_code == 200
    assert "<script" not in text


@pytest.mark.parametrize("path", ["", "/pause", "/address", "/data", "/erase"])
def test_a_link_that_is_not_ours_is_refused_everywhere(browser, link, path):
    token = link.rpartition("/")[2]
    for foreign in (token[:-1], links().token(Purpose.UNSUBSCRIBE, the_subscriber().id), "A" * 48):
        for page in (
            browser.get(f"/preferences/{foreign}{path}"),
            browser.post(f"/preferences/{foreign}{path}"),
        ):
            assert page.status_code == 404
            assert "incomplete" in page.text
    assert events() == []


@pytest.mark.parametrize("path", ["", "/pause", "/address", "/data", "/erase"])
def test_pages_of_a_reader_speak_their_language_set_no_cookie_and_are_kept_by_nobody(
    browser, app, path
):
    with transaction():
        reader = make_subscriber("basim@reader.example", language="ar")
    page = browser.get(f"/preferences/{links().token(Purpose.PREFERENCES, reader.id)}{path}")

    assert '<html lang="ar" dir="rtl">' in page.text
    assert "Set-Cookie" not in page.headers
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_who_has_left_is_told_so_and_is_not_brought_back(browser, link):
    with transaction():
        reader = make_subscriber("basim@reader.example", state=SubscriberState.UNSUBSCRIBED)
    link = f"/preferences/{links().token(Purpose.PREFERENCES, reader.id)}"
    sent = {"language": "en", "format": "html"}
    nobody = f"/preferences/{links().token(Purpose.PREFERENCES, 4711)}"

    for page in (browser.get(link), browser.post(link, data=sent), browser.get(nobody)):
        assert page.status_code == 410
        assert 'class="button" href="/subscribe"' in page.text
    assert the_subscriber("basim@reader.example").state is SubscriberState.UNSUBSCRIBED


def test_the_page_asks_the_database_little_even_when_there_is_much_to_say(browser, link):
    asked = []
    with transaction():
        suppress(AMAL, SuppressionReason.COMPLAINT, source="test", now=datetime.now(UTC))
    event.listen(db.engine, "before_cursor_execute", lambda *facts: asked.append(facts[2]))
    for path in ("", "/data", "/erase"):
        asked.clear()
        assert browser.get(link + path).status_code == 200
        assert 0 < len([words for words in asked if words.startswith("SELECT")]) <= 3
