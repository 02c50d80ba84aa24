"""Debian's Chromium on the running service; whatever a page complains about fails its test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    sync_playwright,
)

from tests.issue_files import SAMPLES
from tests.running import RunningService, newsletter

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ("--no-sandbox", "--disable-quic", "--disable-background-networking")
PHONE: ViewportSize = {"width": 375, "height": 740}
DESKTOP: ViewportSize = {"width": 1200, "height": 900}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The whole service, with an editor and issue 87 in two languages as a draft."""
    folder = tmp_path_factory.mktemp("browser")
    with RunningService(folder / "instance", cwd=folder) as service:
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
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    if CHROMIUM is None:
        assert os.environ.get("CI") != "true", "CI must bring Chromium"
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


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


@pytest.fixture
def screenshots() -> Path | None:
    """Where to keep pictures, if somebody wants to look: SCREENSHOTS=folder."""
    folder = os.environ.get("SCREENSHOTS")
    return Path(folder) if folder else None
