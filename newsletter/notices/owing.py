"""Owe somebody a mail: write down the finished message, to be sent when mail can be sent.

It is written in the transaction of whatever it is about, so that neither a relay nor a queue
that is down can lose it. Its bytes, Message-ID and Date among them, are the same on every
attempt: a second copy of a doubtful one is recognised as such.
"""

import secrets
from datetime import datetime
from typing import Protocol

from newsletter.database import db
from newsletter.mail.message import Hole, Letter, compose, date_header
from newsletter.mail.publication import sender
from newsletter.notices.models import Notice, NoticeKind
from newsletter.pages import settings

RANDOM_BYTES = 16


class Rendered(Protocol):
    """What is to be said: a subject and the words, as HTML too unless it is plain text alone."""

    @property
    def subject(self) -> str:
        """One line."""

    @property
    def text(self) -> str:
        """The plain-text part."""

    @property
    def html(self) -> str | None:
        """The HTML part, if there is one."""


def owe(  # noqa: PLR0913  # they all are facts of one row
    kind: NoticeKind,
    recipient: str,
    mail: Rendered,
    *,
    language: str,
    now: datetime,
    counting_key: str | None = None,
) -> Notice:
    """Owe one mail to one address (as a mail server is told it), from now on due.

    `language` is the tag of the language it is written in; `counting_key` is what the caps count
    by. Raises ValueError for what cannot travel.
    """
    notice = Notice(
        kind=kind,
        recipient=recipient,
        message=_finish(recipient, mail, language, now),
        counting_key=counting_key,
        created_at=now,
        due_at=now,
    )
    db.session.add(notice)
    db.session.flush()
    return notice


def _finish(recipient: str, mail: Rendered, language: str, now: datetime) -> bytes:
    author = sender()
    letter = Letter(
        subject=mail.subject,
        sender=author,
        text=mail.text,
        html=mail.html,
        public_url=settings().public_url,
    )
    domain = author.address.rpartition("@")[2]
    values = {
        Hole.RECIPIENT: recipient.encode(),
        Hole.DATE: date_header(now),
        Hole.MESSAGE_ID: f"<{secrets.token_hex(RANDOM_BYTES)}@{domain}>".encode(),
    }
    content_language = f"Content-Language: {language}\r\n".encode("ascii")  # RFC 3282
    return content_language + b"".join(compose(letter).fill(values))
