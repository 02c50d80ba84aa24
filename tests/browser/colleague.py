"""Somebody who works at the desk, with a browser of their own."""

import re
from collections.abc import Callable
from io import BytesIO

import pyotp
from PIL import Image
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Page,
    Request,
    ViewportSize,
    expect,
)

from tests.browser.door import log_in
from tests.browser.reader import look_at
from tests.door import next_code
from tests.running import wait_until

PASSWORD = "a quiet morning at sea"
CONFLICT = "the server responded with a status of 409"  # that is how a script is told


class Colleague:
    """One person; whatever a page of theirs complains of is kept."""

    def __init__(self, chromium: Browser, size: ViewportSize, site: str, name: str) -> None:
        self.name = name
        self.address = f"{name.lower()}@desk.example"
        self.complaints: list[str] = []
        self._site = site
        self._context = chromium.new_context(viewport=size)
        self._context.on("request", self._note_stranger)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        """Open a page of ours, or an address from a mail."""
        self.page.goto(path if path.startswith("http") else f"{self._site}{path}")

    def press(self, name: str) -> None:
        """Press a button, and see what comes."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name).first.click()

    def follow(self, name: str) -> None:
        """Follow a link, and see what comes."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=name).first.click()

    def fill(self, label: str, text: str) -> None:
        """Fill in a field."""
        self.page.get_by_label(label, exact=True).fill(text)

    def log_in(self, password: str, totp: pyotp.TOTP | None = None) -> None:
        """Show the password, and a code if one is asked for."""
        log_in(self.page, self._site, self.address, password)
        if totp:
            self.fill("Code", next_code(totp))
            self.press("Go on")

    def take_place(self, invitation: str) -> None:
        """Come in by an invitation."""
        self.open(invitation)
        self.look("invitation")
        self.fill("New password", PASSWORD)
        self.fill("The same once more", PASSWORD)
        self.press("Come in")

    def set_up_second_factor(self) -> pyotp.TOTP:
        """Let a phone make the codes."""
        self.open("/desk/second-factor/set-up")
        self.look("second-factor")
        totp = pyotp.TOTP("".join(self.page.locator("code.secret").inner_text().split()))
        self.fill("Code", totp.now())
        self.press("Set it up")
        self.look("recovery-codes")
        self.follow("I have kept them")
        return totp

    def write(self, headline: str, body: str) -> None:
        """Type an article; it saves itself."""
        self.fill("Headline", headline)
        self.fill("Text", body)

    def add_picture(self) -> None:
        """Put a picture into the text that is open, and leave its words for later."""
        data = BytesIO()
        Image.new("RGB", (640, 360), "slategrey").save(data, "PNG")
        picture = FilePayload(name="map.png", mimeType="image/png", buffer=data.getvalue())
        self.page.locator("#picture").set_input_files(picture)
        text = self.page.get_by_label("Text", exact=True)
        expect(text).to_have_value(re.compile(r"!\[Describe the picture\]"))

    def is_saved(self) -> None:
        """Wait until the server has what was typed."""
        expect(self.page.locator("#status")).to_have_attribute(
            "data-state", "saved", timeout=30_000
        )

    def reload_until(self, holds: Callable[[Page], bool], what: str) -> None:
        """Look at the page again and again."""

        def look() -> bool:
            self.page.reload()
            return holds(self.page)

        wait_until(look, what)

    def sees(self, text: str) -> None:
        """It stands on the page."""
        expect(self.page.locator("main")).to_contain_text(text)

    def look(self, name: str) -> None:
        """Nothing keeps anybody out, by light and in the dark, and nothing is cut off."""
        look_at(self.page, f"desk-{name}", "en")
        self.page.emulate_media(color_scheme="light")

    def leave(self) -> None:
        """Close the browser; nothing may have gone wrong unseen."""
        self._context.close()
        assert self.complaints == [], f"{self.name}: {self.complaints}"

    def _note_stranger(self, request: Request) -> None:
        if not request.url.startswith((self._site, "data:", "blob:")):
            self.complaints.append(f"asked a stranger: {request.url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and CONFLICT not in message.text:
            self.complaints.append(message.text)
