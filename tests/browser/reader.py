"""A reader at a real browser, in any language: pages are known by their parts, not their words."""

import os
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.service.reader import Mailbox, link

SCHEMES = ("light", "dark")
OWN_PAGES = ("/confirm/", "/preferences/", "/unsubscribe/", "/new-address/")
ENOUGH = 3  # presses; a form wants one more from whoever is too fast to have read it


class Reader:
    """One person with one tab, who speaks a language; everything a page complains of is kept."""

    def __init__(
        self, context: BrowserContext, site: str, language: str, mailbox: Mailbox, *, scripts: bool
    ) -> None:
        self.language = language
        self.complaints: list[str] = []
        self._site = site
        self._mailbox = mailbox
        self._scripts = scripts
        self._context = context
        context.on("request", self._note_stranger)
        self.page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        """Open a page of ours in the reader's language, or an address from a mail."""
        self.page.goto(self.address(path))

    def address(self, path: str) -> str:
        """Where that is; pages behind a reader's token have no language in their address."""
        if path.startswith("http"):
            return path
        prefix = "" if self.language == "en" or path.startswith(OWN_PAGES) else f"/{self.language}"
        return self._site + prefix + path

    def fill_in(self, address: str, *sections: str, where: str = "main") -> None:
        """Give an address in a form, and press until nothing more is asked."""
        form = self.page.locator(f"{where} form:has([name=address])")
        form.locator("[name=address]").fill(address)
        for section in sections:
            form.locator(f"[name=sections][value={section}]").check()
        for _ in range(ENOUGH):
            if not form.count():
                return
            with self.page.expect_navigation():
                form.locator("button").click()
        assert not form.count(), f"the form came back {ENOUGH} times: {self.said}"

    def press(self, button: str = "main form button") -> None:
        """Press the only button there is, or the first of those meant, and see what comes."""
        with self.page.expect_navigation():
            self.page.locator(button).first.click()

    def follow(self, part_of_address: str) -> None:
        """Follow a link to such an address, and see what comes."""
        with self.page.expect_navigation():
            self.page.locator(f"main a[href*='{part_of_address}']").first.click()

    @property
    def said(self) -> str:
        """What stands on the page."""
        return self.page.locator("main").inner_text()

    @property
    def heading(self) -> str:
        """Its first line; there is exactly one."""
        return self.page.locator("h1").inner_text()

    def mail(self, address: str, number: int = 1) -> EmailMessage:
        """The first, second … mail to an address; it may still be on its way."""
        return self._mailbox.wait_for(address, number)[number - 1]

    def mails(self, address: str) -> list[EmailMessage]:
        """All mails to an address so far."""
        return self._mailbox.wait_for(address, 0)

    def link(self, kind: str, address: str, number: int = 1) -> str:
        """The link of a kind in that mail."""
        return link(self.mail(address, number), kind)

    def look(self, name: str, language: str | None = None) -> None:
        """Nothing keeps anybody out, by light and in the dark, and nothing is cut off."""
        language = language or self.language
        direction = "rtl" if language == "ar" else "ltr"
        expect(self.page.locator(f"html[lang={language}][dir={direction}]")).to_have_count(1)
        if not self._scripts:
            return  # what looks for faults is a script
        look_at(self.page, name, self.language)

    def assert_nobody_watched(self) -> None:
        """No cookie, no request to strangers, no complaint such as of a forbidden script."""
        assert self._context.cookies() == [], "a reader got a cookie"
        assert self.complaints == [], self.complaints

    def _note_stranger(self, request: object) -> None:
        url = str(getattr(request, "url", ""))
        if not url.startswith((self._site, "data:")):
            self.complaints.append(f"asked a stranger: {url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            self.complaints.append(message.text)


def look_at(page: Page, name: str, language: str) -> None:
    """No fault by light and in the dark, nothing cut off; pictures where SCREENSHOTS says."""
    size = page.viewport_size
    assert size
    page.wait_for_load_state("networkidle")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal
        assert faults(page) == [], f"{name}, {scheme}"
        if folder := os.environ.get("SCREENSHOTS"):
            path = Path(folder) / f"{name}-{scheme}-{language}-{size['width']}.png"
            page.screenshot(path=path, full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"], f"{name} scrolls sideways"


def faults(page: Page) -> list[str]:
    """What axe finds on a page, each with the first place."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {rule['nodes'][0]['html']}" for rule in found]


def tab_to(page: Page, where: Locator, most: int = 60) -> None:
    """Press the tabulator until something has the focus, which has to be seen."""
    is_there: Callable[[], bool] = lambda: where.evaluate(  # noqa: E731  # a word for it
        "element => element === document.activeElement"
    )
    for _ in range(most):
        if is_there():
            break
        page.keyboard.press("Tab")
    assert is_there(), f"the keyboard does not reach {where}"
    outline = where.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline != "none", f"nothing shows that the focus is on {where}"
