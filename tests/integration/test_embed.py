"""Our form on other people's pages: in a frame, and as plain HTML."""

import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

from sqlalchemy import select

from newsletter.database import db
from newsletter.subscribers.models import Signup
from tests.factories import choice_of
from tests.integration.readers import (
    answer_signups,
    ask,
    confirm_paths,
    hidden_fields,
    look_again,
)

AMAL = "amal@reader.example"


def signups():
    look_again()
    return list(db.session.scalars(select(Signup)))


class Fields(HTMLParser):
    """What a browser would send of a copied form, the first box ticked."""

    def __init__(self):
        super().__init__()
        self.action = ""
        self.sent = {}

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "form":
            self.action = values["action"]
        elif tag == "input" and values["name"] not in self.sent:
            self.sent[values["name"]] = values.get("value", "")


def copied(page, label):
    """What stands in a box to be copied from."""
    (found,) = re.findall(
        rf'<textarea[^>]*aria-labelledby="{label}"[^>]*>(.*?)</textarea>', page, re.S
    )
    return html.unescape(found)


def test_any_page_may_frame_the_form_and_no_other_page_of_ours(browser):
    for path in ("/subscribe/embed", "/ar/subscribe/embed"):
        policy = browser.get(path).headers["Content-Security-Policy"]
        assert "frame-ancestors *" in policy
        assert "default-src 'none'" in policy
        assert (
            "frame-ancestors *" in ask(browser, AMAL, path=path).headers["Content-Security-Policy"]
        )
    for path in ("/", "/subscribe", "/subscribe/embed/code", "/manage"):
        policy = browser.get(path).headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy


def test_a_reader_signs_up_inside_the_frame(browser):
    page = ask(browser, AMAL, sections=["western-response"], path="/subscribe/embed")

    assert page.status_code == 200
    assert "Please look into your mailbox" in page.text
    assert "<header" not in page.text
    (signup,) = signups()
    assert signup.source == "form:/subscribe/embed"
    assert signup.choice == choice_of("western-response")
    answer_signups(datetime.now(UTC))
    assert len(confirm_paths(AMAL)) == 1


def test_a_wrong_address_comes_back_inside_the_frame(browser):
    page = ask(browser, "amal", path="/ar/subscribe/embed", language="ar")

    assert page.status_code == 400
    assert 'aria-invalid="true"' in page.text
    assert "<header" not in page.text
    assert 'action="/ar/subscribe/embed"' in page.text


def test_the_frame_sets_no_cookie_and_loads_nothing_from_elsewhere(browser):
    page = browser.get("/subscribe/embed")

    assert "Set-Cookie" not in page.headers
    assert "<script" not in page.text
    assert re.findall(r'(?:src|href)="(?!/)([^"]+)"', page.text) == []


def test_the_copied_form_leads_to_ours_filled_in_and_one_press_more_does(browser):
    plain = copied(browser.get("/subscribe/embed/code").text, "plain")
    form = Fields()
    form.feed(plain)
    assert form.action == "http://127.0.0.1:8000/subscribe"
    assert "<script" not in plain
    assert "style=" not in plain

    sent = form.sent | {"address": AMAL}
    page = browser.post("/subscribe", data=sent, headers={"Origin": "https://partner.example"})
    assert page.status_code == 200
    assert "once more" in page.text
    assert f'value="{AMAL}"' in page.text
    assert f'value="{form.sent["sections"]}" checked' in page.text
    assert signups() == []

    assert browser.post("/subscribe", data=sent | hidden_fields(page)).status_code == 200
    (signup,) = signups()
    assert signup.choice == choice_of(form.sent["sections"])


def test_the_copied_frame_shows_our_form_in_the_language_of_the_page(browser):
    for language, path in (("en", "/subscribe/embed"), ("ar", "/ar/subscribe/embed")):
        prefix = "" if language == "en" else "/ar"
        frame = copied(browser.get(f"{prefix}/subscribe/embed/code").text, "frame")
        (address,) = re.findall(r'src="([^"]+)"', frame)
        assert address == f"http://127.0.0.1:8000{path}"
        assert 'title="' in frame
        assert f'lang="{language}"' in browser.get(path).text


def test_an_arabic_copy_is_written_from_right_to_left(browser):
    plain = copied(browser.get("/ar/subscribe/embed/code").text, "plain")

    assert 'dir="rtl"' in plain
    assert 'action="http://127.0.0.1:8000/ar/subscribe"' in plain
    assert 'name="language" value="ar"' in plain
