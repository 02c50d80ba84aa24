"""An editor in a real browser: log in, upload, look, test, send, watch, steer."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from newsletter import audit, create_app
from newsletter.database import db, transaction
from newsletter.delivery import steering
from newsletter.delivery.fanout import start_sending
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.issues import link_checks
from newsletter.issues.models import Issue
from newsletter.settings import load_settings
from tests.browser.door import log_in
from tests.browser.reader import look_at
from tests.desk import piece
from tests.issue_files import issue_file
from tests.running import newsletter

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADDRESS = "anna@desk.example"
BLOCKED = "The mail server refuses mail from us: 550 5.7.1 Sender rejected, see our policy."
DIED = "Its sender ended, or was not heard of for half a minute, before an answer was written down."
FULL = "552 5.2.2 <a.reader@readers.example> The mailbox is full, try again some other week."


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


@pytest.fixture
def editor(page, site, password):
    """A page at which somebody has logged in who may send."""
    log_in(page, site, ADDRESS, password)
    return page


@pytest.fixture
def app(service):
    """The application of the running service, to do by hand what happens rarely."""
    app = create_app(load_settings(_env_file=None, instance_path=service.instance))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def pause_halfway(app):
    """Start an issue of which one failed and three are in doubt, and which paused by itself."""

    def act(number):
        now = datetime.now(UTC)
        with app.app_context(), transaction():
            issue = db.session.scalars(select(Issue).where(Issue.number == number)).one()
            start_sending(issue.id, now=now)
            query = select(Delivery.id).where(Delivery.issue_id == issue.id)
            first, *others = db.session.scalars(query.order_by(Delivery.id).limit(4))
            tried = {"attempts": 1, "dated_at": now, "marked_at": now}
            for ids, state, more in (
                ([first], DeliveryState.FAILED, {"answer": FULL, "settled_at": now}),
                (others, DeliveryState.IN_DOUBT, {"answer": DIED}),
            ):
                which = Delivery.id.in_(ids)
                steering.move(issue.id, DeliveryState.QUEUED, state, which, **tried, **more)
            steering.pause(issue.id, who=audit.POLICY, because=BLOCKED, now=now)

    return act


def test_the_whole_way_of_an_editor(page, site, password, number):
    page.goto(f"{site}/desk/login")
    look_at(page, "desk-login", "en")
    log_in(page, site, ADDRESS, password)

    page.goto(f"{site}/desk/upload")
    file = {"name": "week.md", "mimeType": "text/markdown"}
    articles = {"ISIS in Action": "One text.", "Western Response": "Another text."}
    page.get_by_label("Issue file").set_input_files(
        file | {"buffer": issue_file(articles, number=number, subject="The week at the desk")}
    )
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("status").first).to_contain_text("The file is in.")
    look_at(page, "desk-draft", "en")

    page.get_by_role("link", name="Look at the mail").click()
    look_at(page, "desk-preview", "en")
    page.get_by_label("ISIS in Action").uncheck()
    page.wait_for_url("**sections=western-response**")
    assert "isis-in-action" not in page.locator("iframe").get_attribute("src")
    page.get_by_label("Dark").check()
    page.locator(".window.dark").wait_for()
    # By key: a click right after scrolling hits the frame.
    page.get_by_role("button", name="Send the test").press("Enter")
    page.locator(".said").wait_for()
    expect(page.get_by_role("status").first).to_contain_text(ADDRESS)

    page.goto(f"{site}/desk/issues/{number}")
    page.get_by_role("button", name="Approve it as it stands").click()
    page.get_by_role("link", name="Send").click()
    look_at(page, "desk-send", "en")
    page.get_by_label(re.compile("type the number")).fill(str(number))
    page.get_by_role("button", name=re.compile("Send to")).click()
    page.wait_for_url(f"**/desk/issues/{number}")
    page.locator(".chip.sent").wait_for(timeout=60_000)
    look_at(page, "desk-sent", "en")
    total = page.locator("[data-total]").last.inner_text()
    assert int(total) > 0
    expect(page.locator("[data-count=sent]")).to_have_text(total)

    page.goto(f"{site}/desk/issues/{number}/send")
    assert page.url == f"{site}/desk/issues/{number}"
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{site}/desk/")
    assert "/desk/login" in page.url


def test_a_page_that_waits_for_links_shows_by_itself_what_was_found(editor, site, app, number):
    page = editor
    number += 2
    dead = "https://dead.example/"
    text = issue_file({"ISIS in Action": f"See [there]({dead})."}, number=number)
    page.goto(f"{site}/desk/upload")
    page.get_by_label("Issue file").set_input_files(
        {"name": "week.md", "mimeType": "text/markdown", "buffer": text}
    )
    page.get_by_role("button", name="Upload").click()
    with app.app_context(), transaction():
        link_checks.ask([dead], now=datetime.now(UTC))  # no worker is told
    page.goto(f"{site}/desk/issues/{number}/checks")
    expect(page.locator("#links [role=status]")).to_have_text("0 of 1 are tried …")
    page.locator("#found a").first.focus()
    page.evaluate("window.isTheSame = true")

    with app.app_context(), transaction():
        link_checks.record(dead, "404", now=datetime.now(UTC))

    expect(page.locator("#found")).to_contain_text(f"the site says 404): {dead}")
    expect(page.locator("#links [role=status]")).to_contain_text("All were tried")
    assert page.evaluate("window.isTheSame")
    assert page.evaluate("document.activeElement.matches('#found a')")


def test_an_editor_steers_an_issue(editor, site, number, pause_halfway):
    page = editor
    number += 1
    page.goto(f"{site}/desk/upload")
    file = {"name": "week.md", "mimeType": "text/markdown"}
    text = issue_file(number=number, subject="The week that stumbled")
    page.get_by_label("Issue file").set_input_files(file | {"buffer": text})
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Approve it as it stands").click()
    page.get_by_role("link", name="Send").click()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    page.get_by_label("Date and time").fill(f"{tomorrow:%Y-%m-%dT06:30}")
    page.get_by_role("button", name="Set this time").click()
    page.locator(".chip.scheduled").wait_for()
    look_at(page, "desk-scheduled", "en")
    page.get_by_role("button", name="Make it a draft again").click()
    page.locator(".chip.draft").wait_for()

    pause_halfway(number)
    page.goto(f"{site}/desk/issues/{number}")
    expect(page.locator(".finding")).to_contain_text(BLOCKED)
    look_at(page, "desk-paused", "en")
    page.get_by_role("link", name="Cancel it").click()
    look_at(page, "desk-cancel", "en")
    page.get_by_role("link", name="Do not cancel").click()

    page.get_by_role("link", name="Who is in doubt").click()
    look_at(page, "desk-doubts", "en")
    page.get_by_role("button", name="Delivered", exact=True).first.click()
    page.locator(".said").wait_for()
    look_at(page, "desk-doubts-one-settled", "en")
    page.get_by_role("button", name="Send to these 2 again").click()
    page.wait_for_url(f"**/desk/issues/{number}")

    page.get_by_role("link", name="Who failed").click()
    look_at(page, "desk-failed", "en")
    page.get_by_role("button", name="Send again to the one who failed").click()
    page.get_by_role("button", name="Resume").click()
    page.locator(".chip.sent").wait_for(timeout=60_000)
    look_at(page, "desk-steered", "en")
    total = page.locator("[data-total]").last.inner_text()
    expect(page.locator("[data-count=sent]")).to_have_text(total)
    assert page.locator(".log tr").count() > 5
