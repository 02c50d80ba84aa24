"""A reader in a real browser: sign up, read the mail, confirm, choose, read the archive, leave."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import DESKTOP, PHONE
from tests.running import newsletter, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATHS = ("/", "/subscribe", "/issues/", "/issues/87", "/issues/87/western-response", "/nowhere")
PAGES = [prefix + path for path in PATHS for prefix in ("", "/ar")] + [f"/confirm/{'x' * 48}"]


@pytest.fixture(scope="module", autouse=True)
def issue_is_out(service, site):
    """Issue 87 has been sent; only the first module to ask sends it."""
    newsletter(service.instance, "issue", "send", "87", "--wait", PUBLIC_URL=site)


def newest_mail(page, site, address, subject):
    """Open the newest caught mail of somebody."""

    def found():
        page.goto(f"{site}/mailbox?to={address}")
        return page.get_by_role("link", name=re.compile(subject)).count()

    wait_until(found, f"a mail {subject!r}", 60)
    page.get_by_role("link", name=re.compile(subject)).first.click()
    return page.frame_locator("iframe").first


def test_the_whole_way_of_a_reader(page, site, context):
    address = f"reader-{page.viewport_size['width']}@reader.example"
    page.goto(site)
    page.get_by_label(re.compile("mail address")).first.fill(address)
    page.get_by_label(re.compile("Western Response")).first.check()
    page.get_by_role("button", name="Subscribe").first.click()
    page.get_by_role("heading", level=1).wait_for()

    mail = newest_mail(page, site, address, "onfirm")
    confirm = mail.get_by_role("link", name=re.compile("Confirm")).first.get_attribute("href")
    page.goto(confirm)
    page.get_by_role("button", name=re.compile("Confirm")).click()
    page.get_by_role("heading", name=re.compile("is confirmed")).wait_for()

    mail = newest_mail(page, site, address, "Welcome")
    preferences = mail.locator("a[href*='/preferences/']").first.get_attribute("href")
    page.goto(preferences)
    assert address not in page.content(), "an address is shown before anybody acted"
    assert page.get_by_label(re.compile("Western Response")).is_checked()
    page.get_by_label(re.compile("Plain text only")).check()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("status").wait_for()

    page.get_by_role("link", name=re.compile("Unsubscribe")).first.click()
    page.get_by_role("button", name="Unsubscribe").click()
    page.get_by_role("heading", name=re.compile("unsubscribed")).wait_for()
    assert context.cookies() == [], "a reader got a cookie"


def test_a_wrong_address_is_said_beside_the_field_and_nothing_typed_is_lost(chromium, site):
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"{site}/subscribe")
    page.get_by_label(re.compile("mail address")).fill("amal@reader")
    page.get_by_label(re.compile("Western Response")).check()
    page.get_by_role("button", name="Subscribe").click()

    field = page.get_by_label(re.compile("mail address"))
    assert field.input_value() == "amal@reader"
    assert field.get_attribute("aria-invalid") == "true"
    assert page.get_by_role("alert").is_visible()
    assert page.get_by_label(re.compile("Western Response")).is_checked()
    context.close()


def test_signing_up_needs_a_keyboard_and_nothing_else(page, site):
    page.goto(f"{site}/subscribe")
    page.get_by_label(re.compile("mail address")).focus()
    page.keyboard.type(f"keys-{page.viewport_size['width']}@reader.example")
    page.keyboard.press("Enter")
    page.get_by_label(re.compile("mail address")).wait_for(state="detached")
    assert "mail" in page.get_by_role("main").inner_text().lower()


def test_everything_works_without_javascript(chromium, site):
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/issues/87")
    page.get_by_role("link", name=re.compile("Western Response")).first.click()
    page.goto(f"{site}/subscribe")
    page.get_by_label(re.compile("mail address")).fill("plain@reader.example")
    page.get_by_role("button", name="Subscribe").click()
    assert page.get_by_label(re.compile("mail address")).count() == 0
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_stands_in_the_way_of_anybody(chromium, site, path, scheme, screenshots):
    for name, size in (("phone", PHONE), ("desktop", DESKTOP)):
        context = chromium.new_context(viewport=size, color_scheme=scheme)
        page = context.new_page()
        page.goto(site + path)
        found = Axe().run(page).response["violations"]
        assert [f"{rule['id']}: {rule['nodes'][0]['html']}" for rule in found] == []
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], f"{path} scrolls sideways at {size['width']}"
        if screenshots:
            slug = path.strip("/").replace("/", "-")[:40] or "front"
            page.screenshot(path=screenshots / f"{slug}-{name}-{scheme}.png", full_page=True)
        context.close()
