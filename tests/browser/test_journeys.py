"""What readers do, whole ways, in a real browser: by phone and desk, in two languages, also without
scripts. Four readers cover every pair of these.
"""

import json
import re
from itertools import count

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.reader import Reader
from tests.service.reader import Mailbox

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("published")]

READERS = {
    "phone-en": (PHONE, "en", True),
    "desktop-ar": (DESKTOP, "ar", True),
    "phone-ar-without-scripts": (PHONE, "ar", False),
    "desktop-en-without-scripts": (DESKTOP, "en", False),
}
WEST, ISIS = "western-response", "isis-in-action"

_numbers = count(1)


@pytest.fixture(params=READERS)
def reader(request, chromium, service, site):
    """A reader who was never here."""
    size, language, scripts = READERS[request.param]
    context = chromium.new_context(viewport=size, java_script_enabled=scripts)
    reader = Reader(context, site, language, Mailbox(service, None), scripts=scripts)
    yield reader
    reader.assert_nobody_watched()
    context.close()


@pytest.fixture
def address():
    """A mailbox that we never heard of."""
    return f"reader-{next(_numbers)}@d{next(_numbers)}.example"


def subscribe(reader, address, *sections):
    """Sign up and confirm; the link to the preferences that came with the welcome."""
    reader.open("/subscribe")
    reader.fill_in(address, *sections)
    reader.open(reader.link("confirm", address))
    reader.press()
    return reader.link("preferences", address, 2)


def test_sign_up_confirm_and_choose(reader, address):
    reader.open("/")
    reader.look("front")
    reader.fill_in(address, WEST, where=".join")
    reader.look("asked")
    assert address not in reader.said

    reader.open(reader.link("confirm", address))
    reader.look("confirm")
    reader.press()
    reader.look("confirmed")
    expect(reader.page.locator("main form")).to_have_count(0)

    reader.open(reader.link("preferences", address, 2))
    reader.look("preferences")
    assert address not in reader.page.content(), "an address is shown before anybody acted"
    box = reader.page.locator(f"[name=sections][value={ISIS}]")
    expect(reader.page.locator(f"[name=sections][value={WEST}]")).to_be_checked()
    expect(box).not_to_be_checked()
    box.check()
    reader.page.locator("[name=format][value=text]").check()
    reader.press("form:has([name=format]) button")
    assert reader.page.get_by_role("status").count() == 1
    expect(box).to_be_checked()
    expect(reader.page.locator("[name=format][value=text]")).to_be_checked()
    reader.look("preferences-saved")


@pytest.mark.parametrize("letters", ["قارئ", "grün"])
def test_subscribe_with_an_address_in_any_letters(reader, address, letters):
    reader.open(subscribe(reader, letters + address, WEST))
    expect(reader.page.locator(f"[name=sections][value={WEST}]")).to_be_checked()


def test_pause_for_some_weeks_and_come_back_early(reader, address):
    preferences = subscribe(reader, address)
    reader.open(preferences)
    reader.press("button[name=weeks]")
    assert reader.page.get_by_role("status").count() == 1
    reader.look("paused")
    paused = reader.said
    assert len(re.findall(r"\b20\d\d\b", paused)) >= 1, "the page does not say until when"

    reader.open(preferences)
    reader.press("form[action$='/pause'] button:not([name])")
    assert reader.page.get_by_role("status").count() == 1
    assert reader.said != paused
    reader.look("pause-ended")


def test_a_pause_until_a_day_gone_by_is_explained_beside_the_field(reader, address):
    reader.open(subscribe(reader, address))
    field = reader.page.locator("[name=until]")
    field.evaluate("field => { field.min = ''; field.closest('form').noValidate = true }")
    field.fill("2001-01-01")
    reader.press("form:has([name=until]) button")
    expect(reader.page.get_by_role("alert")).to_be_visible()
    expect(reader.page.locator("[name=until]")).to_have_value("2001-01-01")
    reader.look("pause-refused")


def test_move_to_another_mailbox_that_is_asked_first(reader, address):
    new = f"new-{address}"
    preferences = subscribe(reader, address, WEST)
    reader.open(preferences)
    reader.fill_in(new)
    reader.look("address-asked")
    assert new not in reader.said

    reader.open(reader.link("new-address", new))
    reader.look("new-address")
    reader.press()
    reader.look("address-changed")
    told = reader.mail(address, 3)
    assert new not in str(told), "the old mailbox learns the new one"
    refused = reader.page.goto(preferences)
    assert refused.status == 410
    assert new not in reader.page.content(), "the old mailbox learns the new one"

    reader.follow("/manage")
    reader.fill_in(new)
    reader.open(reader.link("preferences", new, 2))
    expect(reader.page.locator(f"[name=sections][value={WEST}]")).to_be_checked()


def test_get_my_data_as_a_file(reader, address, tmp_path):
    reader.open(subscribe(reader, address))
    reader.follow("/data")
    reader.look("data")
    assert address not in reader.page.content()
    with reader.page.expect_download() as download:
        reader.page.locator("main form button").click()
    file = tmp_path / "data.json"
    download.value.save_as(file)
    assert address in json.dumps(json.loads(file.read_text()), ensure_ascii=False)
    assert address.partition("@")[0] not in download.value.suggested_filename


def test_be_erased_and_find_kind_words_at_old_links(reader, address):
    preferences = subscribe(reader, address)
    unsubscribe = reader.link("unsubscribe", address, 2)
    reader.open(preferences)
    reader.follow("/erase")
    reader.look("erase")
    reader.press()
    reader.look("erased")

    for old in (preferences, unsubscribe):
        answer = reader.page.goto(old)
        assert answer.status < 500
        assert reader.heading
        assert address not in reader.page.content()
    reader.complaints.clear()  # that a page is gone is said in the console too


def test_leave_and_come_back(reader, address):
    subscribe(reader, address)
    leave = reader.link("unsubscribe", address, 2)
    reader.open(leave)
    reader.look("unsubscribe")
    assert reader.page.locator("main a[href*='/preferences/']").count() == 1, "no smaller step"
    reader.press()
    reader.look("goodbye")
    reader.mail(address, 3)

    reader.open("/subscribe")
    reader.fill_in(address, ISIS)
    reader.open(reader.link("confirm", address, 4))
    reader.press()
    reader.open(reader.link("preferences", address, 5))
    expect(reader.page.locator(f"[name=sections][value={ISIS}]")).to_be_checked()


def test_get_the_links_without_an_old_mail_at_hand(reader, address):
    subscribe(reader, address)
    reader.open("/manage")
    reader.look("manage")
    reader.fill_in(address)
    reader.look("links-asked")
    asked = reader.said
    assert address not in asked

    reader.open(reader.link("preferences", address, 3))
    expect(reader.page.locator("form:has([name=format])")).to_have_count(1)
    reader.open(reader.link("unsubscribe", address, 3))
    reader.press()
    reader.open("/manage")
    reader.fill_in(f"nobody-{address}")
    assert reader.said == asked, "a stranger is told something else"


def test_never_be_written_to_again(reader, address):
    reader.open("/subscribe")
    reader.fill_in(address)
    reader.open(reader.link("never-again", address))
    reader.look("never-again")
    reader.press()
    reader.look("kept-away")

    for asks in (address, f"other-{address}"):
        reader.open("/subscribe")
        reader.fill_in(asks)
    reader.mail(f"other-{address}")
    assert len(reader.mails(address)) == 1


def test_find_something_in_past_issues(reader):
    words = {"en": "checkpoint", "ar": "حاجز"}[reader.language]
    reader.open("/search")
    reader.look("search")
    field = reader.page.locator("main [name=q]")
    field.fill(words)
    field.press("Enter")
    reader.look("found")
    assert reader.page.locator("main mark").count() > 0
    reader.follow("/issues/87")
    assert reader.page.locator("article, .articles").count() > 0

    reader.open("/search?q=xyzzy")
    expect(reader.page.locator("main mark")).to_have_count(0)
    reader.look("nothing-found")


def test_look_through_the_archive(reader):
    reader.open("/issues/")
    reader.look("issues")
    reader.follow("/issues/87")
    reader.look("issue")
    reader.open(f"/issues/87/{WEST}")
    reader.look("section")
    reader.open(f"/sections/{WEST}")
    reader.look("section-articles")
    reader.open("/about")
    reader.look("about")


def test_take_an_extract_for_a_partner_site(reader):
    reader.open("/issues/87")
    reader.follow("/extract")
    box = reader.page.locator(f"[name=sections][value={WEST}]")
    reader.look("extract-choice")
    for other in reader.page.locator("main [name=sections]").all():
        other.uncheck()
    box.check()
    reader.press()
    reader.look("extract")

    copied = reader.page.locator("#html").input_value()
    assert f"/issues/87/{WEST}" in copied
    assert "/subscribe" in copied
    assert not re.search(r"<script|<style|<img|\son\w+=|\sstyle=|src=", copied)
    assert all(
        url.startswith(("http://", "https://")) for url in re.findall(r'href="([^"]+)', copied)
    )


def test_sign_up_in_a_frame_on_a_partner_site(reader, partner, address):
    reader.open("/subscribe/embed/code")
    reader.look("embed-code")
    frame, plain = (area.input_value() for area in reader.page.locator("main textarea").all())

    partner.page = frame
    reader.page.goto(partner.url)
    inside = reader.page.frame_locator("iframe")
    inside.locator("[name=address]").fill(address)
    inside.locator("button").click()
    inside.locator("main:not(:has(form)), [role=status]").wait_for()
    if inside.locator("form").count():  # too fast to have read it
        inside.locator("button").click()
        inside.locator("main:not(:has(form))").wait_for()
    reader.link("confirm", address)

    partner.page = plain
    reader.page.goto(partner.url)
    reader.page.locator("[name=address]").fill(f"plain-{address}")
    reader.page.locator("button").click()
    reader.press("main form:has([name=address]) button")
    reader.link("confirm", f"plain-{address}")
    strangers = [said for said in reader.complaints if partner.url not in said]
    reader.complaints[:] = strangers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/issues/86", 404),
        (f"/confirm/{'x' * 48}", 400),
        ("/preferences/rubbish", 400),
        ("/issues/87/extract?sections=weather", 400),
    ],
)
def test_a_no_says_what_to_do_next(reader, path, status):
    answer = reader.page.goto(reader.address(path))
    assert abs(answer.status - status) <= 10, answer.status
    assert reader.page.locator("main a, main form").count() > 0, "no way onward"
    is_anybodys = path.startswith(("/confirm", "/preferences"))  # whose language nobody knows
    reader.look(f"refusal-{path.split('/')[1]}", language="en" if is_anybodys else None)
