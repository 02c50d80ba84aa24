"""A reader with a web browser that knows forms and a mail program that knows links."""

import re
import time
from dataclasses import dataclass
from email.message import EmailMessage
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import Request, urlopen

from tests.mail_server import PATIENCE, MailServer, parse
from tests.running import RunningService


@dataclass
class Page:
    """What came back."""

    status: int
    url: str
    text: str


@dataclass
class Form:
    """The first form of a page that is sent by POST."""

    action: str
    fields: list[tuple[str, str]]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open = False

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "form":
            self._open = values.get("method", "get").lower() == "post"
            if self._open:
                self.forms.append(Form(values.get("action", ""), []))
        elif tag == "input" and self._open and values.get("type") == "hidden":
            self.forms[-1].fields.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = False


class Mailbox:
    """The mails of everybody, from the caught maildir or from a relay."""

    def __init__(self, service: RunningService, mail_server: MailServer | None) -> None:
        self._service = service
        self._mail_server = mail_server

    def all(self) -> list[tuple[str, EmailMessage]]:
        """Who got what, the raw bytes parsed by today's rules."""
        return [(recipient, parse(content)) for recipient, content in self.raw()]

    def raw(self) -> list[tuple[str, bytes]]:
        """Who got what, byte by byte."""
        if self._mail_server:
            envelopes = list(self._mail_server.envelopes)
            return [(envelope.rcpt_tos[0], envelope.content) for envelope in envelopes]
        folder = self._service.instance / "mail" / "new"
        found = []
        for path in sorted(folder.glob("*")) if folder.exists() else []:
            envelope = re.match(
                rb"Return-Path: <[^>]*>\r\nDelivered-To: ([^\r]+)\r\n", content := path.read_bytes()
            )
            assert envelope
            found.append((envelope[1].decode(), content[envelope.end() :]))
        return found

    def wait_for(self, address: str, count: int = 1) -> list[EmailMessage]:
        """The mails of one address, once there are as many as expected."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [mail for recipient, mail in self.all() if recipient == address]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{address} got {len(found)} of {count} mails"
            time.sleep(0.1)


def get(url: str, method: str = "GET") -> Page:
    """Open an address; whatever the status, the page comes back."""
    return _open(Request(url, method=method))


def submit(page: Page, **values: str | list[str]) -> Page:
    """Fill in the first form of a page and press its button."""
    forms = _Forms()
    forms.feed(page.text)
    form = forms.forms[0]
    return post(urljoin(page.url, form.action or page.url), [*form.fields, *values.items()])


def post(url: str, fields: list[tuple[str, str | list[str]]]) -> Page:
    """Send a form."""
    return _open(Request(url, data=urlencode(fields, doseq=True).encode(), method="POST"))


def link(mail: EmailMessage, kind: str) -> str:
    """The reader's own link of a kind, alone on its line of the text part."""
    own = re.compile(rf"https?://\S+/{kind}/\S+")
    found = [line for line in text_of(mail).splitlines() if own.fullmatch(line)]
    assert found, text_of(mail)
    return found[0]


def html_of(mail: EmailMessage) -> str:
    """The HTML part, or nothing."""
    part = mail.get_body(("html",))
    return part.get_content() if part else ""


def text_of(mail: EmailMessage) -> str:
    """The plain-text part."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def _open(request: Request) -> Page:
    try:
        with urlopen(request, timeout=20) as answer:
            return Page(answer.status, answer.url, answer.read().decode())
    except HTTPError as error:
        return Page(error.code, request.full_url, error.read().decode())
