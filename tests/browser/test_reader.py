"""Every page for everybody: no barrier that axe finds, by keyboard alone, and nobody watched."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.reader import Reader, look_at, tab_to
from tests.service.reader import Mailbox

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("published")]

PATHS = (
    *("/", "/issues/", "/issues/87", "/issues/87/western-response", "/sections/western-response"),
    *("/search", "/search?q=the", "/issues/87/extract", "/about", "/nowhere"),
    *("/issues/87/extract?sections=western-response", "/subscribe", "/manage"),
    *("/subscribe/embed", "/subscribe/embed/code"),
)
PAGES = [prefix + path for path in PATHS for prefix in ("", "/ar")] + [f"/confirm/{'x' * 48}"]


@pytest.mark.parametrize("path", PAGES)
def test_nothing_stands_in_the_way_of_anybody(chromium, site, path):
    slug = re.sub(r"\W+", "-", path.strip("/"))[:40] or "front"
    for size in (PHONE, DESKTOP):
        context = chromium.new_context(viewport=size)
        page = context.new_page()
        page.goto(site + path)
        look_at(page, slug, "ar" if path.startswith("/ar") else "en")
        context.close()


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/nowhere"])
def test_no_page_sets_a_cookie_or_asks_a_stranger_or_breaks_its_own_rules(page, site, path):
    page.goto(site + path, wait_until="networkidle")  # the rest is held by the fixture
    assert page.context.cookies() == []


def test_a_wrong_address_is_said_beside_the_field_and_nothing_typed_is_lost(chromium, site):
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"{site}/subscribe")
    form = page.locator("main form:has([name=address])")
    field, box = form.locator("[name=address]"), form.locator("[value=western-response]")
    field.fill("amal@reader")
    box.check()
    form.locator("button").click()

    expect(field).to_have_value("amal@reader")
    assert field.get_attribute("aria-invalid") == "true"
    expect(page.get_by_role("alert")).to_be_visible()
    expect(box).to_be_checked()
    context.close()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_signing_up_and_leaving_need_a_keyboard_and_nothing_else(chromium, service, site, language):
    address = f"keys-{language}@keyboard.example"
    context = chromium.new_context(viewport=DESKTOP)
    reader = Reader(context, site, language, Mailbox(service, None), scripts=True)
    page = reader.page
    reader.open("/")
    form = page.locator("main form:has([name=address])")
    tab_to(page, form.locator("[name=address]"))
    page.keyboard.type(address)
    tab_to(page, form.locator("[value=western-response]"))
    page.keyboard.press("Space")
    expect(form.locator("[value=western-response]")).to_be_checked()
    tab_to(page, form.locator("button"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/subscribe")
    if form.count():  # too fast to have read it
        tab_to(page, form.locator("button"))
        page.keyboard.press("Enter")
        form.wait_for(state="detached")

    for kind, number in (("confirm", 1), ("unsubscribe", 2)):
        reader.open(reader.link(kind, address, number))
        before = reader.heading
        tab_to(page, page.locator("main form button").first)
        with page.expect_navigation():
            page.keyboard.press("Space")
        assert reader.heading != before
    reader.assert_nobody_watched()
    context.close()


def test_the_first_tab_leads_past_the_head_of_the_page(page, site):
    page.goto(f"{site}/issues/87")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
