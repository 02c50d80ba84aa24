"""An invented reader: fills in the real form, reads the caught mail, presses the buttons."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from html.parser import HTMLParser
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import click

from newsletter.mailbox.folder import MailFolder

PATIENCE = 60.0  # seconds that a mail may take
GLANCE = 0.1  # seconds between two looks into the mailbox
TIMEOUT = 30  # seconds for a page

Fields = list[tuple[str, str]]


@dataclass(frozen=True)
class Reader:
    """Somebody who will subscribe; no sections means all of them."""

    address: str
    language: str
    sections: tuple[str, ...] = ()

    def sign_up(self, site: str) -> None:
        """Fill in the form on the page in one's own language, and press as often as it asks."""
        page = f"{site}/subscribe" if self.language == "en" else f"{site}/{self.language}/subscribe"
        sections = [("sections", slug) for slug in self.sections]
        filled = [("address", self.address), *sections, ("language", self.language)]
        hidden = first_post_form(get(page))
        while hidden:  # who presses within two seconds is asked once more
            hidden = first_post_form(post(page, [*hidden, *filled]))

    def confirm(self, site: str, mailbox: MailFolder) -> None:
        """Open the link in the mail and press the one button behind it."""
        press(self._link(site, "confirm", mailbox))

    def leave_by_one_click(self, mailbox: MailFolder) -> None:
        """As a mail program does it when its own button is pressed (RFC 8058)."""
        issue = self._find(mailbox, lambda message: "List-Unsubscribe" in message)
        address = str(issue["List-Unsubscribe"]).strip("<>")
        post(address, [("List-Unsubscribe", "One-Click")])

    def leave_by_page(self, site: str, mailbox: MailFolder) -> None:
        """Follow the link at the foot of the mail, and press the button."""
        press(self._link(site, "unsubscribe", mailbox))

    def _link(self, site: str, purpose: str, mailbox: MailFolder) -> str:
        line = re.compile(rf"^{re.escape(site)}/{purpose}/\S+$", re.MULTILINE)
        message = self._find(mailbox, lambda message: bool(line.search(text_of(message))))
        return str(line.findall(text_of(message))[0])

    def _find(self, mailbox: MailFolder, wanted: Callable[[EmailMessage], bool]) -> EmailMessage:
        """The newest mail of a kind, once it is there."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for summary in mailbox.summaries(self.address):
                message = mailbox.message(summary.key)
                if wanted(message):
                    return message
            time.sleep(GLANCE)
        raise click.ClickException(f"no mail for {self.address} within {PATIENCE:.0f} s")


def press(page: str) -> None:
    """Open a page and press the button of its first form."""
    post(page, first_post_form(get(page)))


def get(address: str) -> str:
    """Open a page."""
    return _request("GET", address)


def post(address: str, fields: Fields) -> str:
    """Send a form."""
    return _request("POST", address, urlencode(fields))


def _request(method: str, address: str, body: str | None = None) -> str:
    parts = urlsplit(address)
    headers = {} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}
    connection = HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request(method, parts.path, body, headers)
        answer = connection.getresponse()
        page = answer.read().decode()
    finally:
        connection.close()
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise click.ClickException(f"{method} {parts.path} answered {answer.status}")
    return page


def text_of(message: EmailMessage) -> str:
    """The plain-text part, with line ends as Python likes them."""
    part = message.get_body(preferencelist=("plain",))
    return "\n".join(part.get_content().splitlines()) if part else ""


def first_post_form(page: str) -> Fields:
    """The hidden fields of the first form that acts."""
    reading = _FirstPostForm()
    reading.feed(page)
    return reading.fields


class _FirstPostForm(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: Fields = []
        self._is_inside = False
        self._is_over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and values.get("method") == "post" and not self._is_over:
            self._is_inside = True
        if tag == "input" and values.get("type") == "hidden" and self._is_inside:
            self.fields.append((values.get("name") or "", values.get("value") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._is_inside:
            self._is_inside, self._is_over = False, True
