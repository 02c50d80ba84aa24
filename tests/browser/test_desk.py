"""An editor in a real browser: log in, upload, look, test, send, watch."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.desk import piece
from tests.issue_files import issue_file
from tests.running import newsletter

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADDRESS = "anna@desk.example"


@pytest.fixture(scope="module")
def password(service):
    """The password of an editor who may send."""
    done = newsletter(service.instance, "editor", "add", ADDRESS, "--role", "editor")
    assert done.returncode == 0, done.stderr
    return piece(r"^Password: (\S+)$", done.stdout)


@pytest.fixture
def number(page):
    """An issue for each width of the browser."""
    return page.viewport_size["width"]


def look_at(page, name, screenshots):
    """Nothing is hidden from anybody, and nothing is wider than the screen."""
    page.wait_for_load_state("networkidle")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    if screenshots:
        path = screenshots / f"desk-{name}-{page.viewport_size['width']}.png"
        page.screenshot(path=path, full_page=True)


def test_the_whole_way_of_an_editor(page, site, password, number, screenshots):
    page.goto(f"{site}/desk/upload")
    look_at(page, "login", screenshots)
    page.get_by_label("Your mail address").fill(ADDRESS)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()

    file = {"name": "week.md", "mimeType": "text/markdown"}
    articles = {"ISIS in Action": "One text.", "Western Response": "Another text."}
    page.get_by_label("Issue file").set_input_files(
        file | {"buffer": issue_file(articles, number=number, subject="The week at the desk")}
    )
    page.get_by_role("button", name="Upload").click()
    assert "The file is in." in page.get_by_role("status").first.inner_text()
    look_at(page, "draft", screenshots)

    page.get_by_role("link", name="Look at the mail").click()
    look_at(page, "preview", screenshots)
    page.get_by_label("ISIS in Action").uncheck()
    page.wait_for_url("**sections=western-response**")
    assert "isis-in-action" not in page.locator("iframe").get_attribute("src")
    page.get_by_label("Dark").check()
    page.locator(".window.dark").wait_for()
    page.get_by_label("To one address").press(
        "Enter"
    )  # a click right after scrolling hits the frame
    page.locator(".said").wait_for()
    assert ADDRESS in page.get_by_role("status").first.inner_text()

    page.goto(f"{site}/desk/issues/{number}")
    page.get_by_role("link", name="Send").click()
    look_at(page, "send", screenshots)
    page.get_by_label(re.compile("type the number")).fill(str(number))
    page.get_by_role("button", name=re.compile("Send to")).click()
    page.wait_for_url(f"**/desk/issues/{number}")
    page.locator(".chip.sent").wait_for(timeout=60_000)
    look_at(page, "sent", screenshots)
    total = page.locator("[data-total]").last.inner_text()
    assert int(total) > 0
    assert page.locator("[data-count=sent]").inner_text() == total

    page.goto(f"{site}/desk/issues/{number}/send")
    assert page.url == f"{site}/desk/issues/{number}"
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{site}/desk/")
    assert "/desk/login" in page.url
