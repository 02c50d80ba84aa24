"""Debian's Chromium on the running service; whatever a page complains about fails its test."""

from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
)

from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.door import log_in
from tests.desk import piece
from tests.issue_files import SAMPLES, issue_file
from tests.running import RunningService, newsletter

MANY_READERS = {"SIGNUPS_PER_NETWORK_PER_HOUR": "1000", "SIGNUPS_PER_DOMAIN_PER_HOUR": "100000"}
numbers = count(500)  # of issues that a test has for itself


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The whole service, with an editor and issue 87 in two languages as a draft."""
    folder = tmp_path_factory.mktemp("browser")
    with RunningService(folder / "instance", cwd=folder, **MANY_READERS) as service:
        for arguments in (
            ("issue", "import", str(SAMPLES / "issue-87.en.md")),
            ("issue", "import", str(SAMPLES / "issue-87.ar.md")),
            ("subscriber", "import", str(SAMPLES / "readers.csv")),
        ):
            done = newsletter(service.instance, *arguments)
            assert done.returncode == 0, done.stderr
        yield service


@pytest.fixture(scope="session")
def site(service: RunningService) -> str:
    """Where the front page stands."""
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="session")
def published(service: RunningService, site: str) -> None:
    """Issue 87 has been sent."""
    sent = newsletter(service.instance, "issue", "send", "87", "--wait", PUBLIC_URL=site)
    assert sent.returncode == 0, sent.stderr


@dataclass
class Partner:
    """Somebody else's site, with one page."""

    url: str
    page: str = ""


@pytest.fixture
def partner() -> Iterator[Partner]:
    """A site on another port."""
    site = Partner("")

    class Page(BaseHTTPRequestHandler):
        """Whatever the page is now."""

        def do_GET(self) -> None:  # the library's name
            """Answer."""
            html = f"<!doctype html><title>A partner</title><main>{site.page}</main>".encode()
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(html)))
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture(params=["phone", "desktop"])
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A reader who was never here."""
    size = PHONE if request.param == "phone" else DESKTOP
    context = chromium.new_context(viewport=size)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, site: str) -> Iterator[Page]:
    """A tab. Every request must stay with us, and the console silent."""
    strangers: list[str] = []
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    context.on("request", lambda r: None if r.url.startswith(site) else strangers.append(r.url))
    page = context.new_page()
    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert strangers == [], "something was asked of a third party"
    assert complaints == []


def add_editor(service: RunningService, address: str) -> tuple[str, str]:
    """Let somebody work at the desk: address and password."""
    done = newsletter(service.instance, "editor", "add", address, "--role", "editor")
    assert done.returncode == 0, done.stderr
    return address, piece(r"^Password: (\S+)$", done.stdout)


@pytest.fixture(scope="session")
def anna(service: RunningService) -> tuple[str, str]:
    """An editor: address and password."""
    return add_editor(service, "anna@writing.example")


@pytest.fixture(scope="session")
def bilal(service: RunningService) -> tuple[str, str]:
    """Another editor: address and password."""
    return add_editor(service, "bilal@writing.example")


@pytest.fixture
def article(service: RunningService, tmp_path: Path) -> str:
    """The address of an article of an issue that nobody else writes."""
    number = next(numbers)
    file = tmp_path / "week.md"
    file.write_bytes(issue_file({"ISIS in Action": "It begins."}, number=number))
    done = newsletter(service.instance, "issue", "import", str(file))
    assert done.returncode == 0, done.stderr
    return f"/desk/issues/{number}/write/isis-in-action/en"


@pytest.fixture
def writer(page: Page, site: str, anna: tuple[str, str], article: str) -> Page:
    """A tab in which nothing may go wrong unseen."""
    log_in(page, site, *anna)
    page.goto(site + article)
    return page


@pytest.fixture
def tab(context: BrowserContext, site: str, anna: tuple[str, str], article: str) -> Page:
    """A tab in which something will go wrong, so that its console may say so."""
    page = context.new_page()
    log_in(page, site, *anna)
    page.goto(site + article)
    return page


@pytest.fixture
def somewhere_else(
    chromium: Browser, site: str, bilal: tuple[str, str], article: str
) -> Iterator[Page]:
    """Bilal, at the same article in a browser of his own."""
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, site, *bilal)
    page.goto(site + article)
    yield page
    context.close()
