"""An issue's mails as files: the very bytes that would be sent, and their two parts to look at."""

from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes, policy
from email.utils import parseaddr
from pathlib import Path

from newsletter.issues.editions import render_edition
from newsletter.issues.models import Format, Issue
from newsletter.issues.proofs import nobodys_tokens
from newsletter.mail.message import Hole, date_header
from newsletter.pages import settings

PARTS = {"html": "html", "plain": "txt"}


def write_previews(issue: Issue, choice: int, folder: Path, *, now: datetime) -> Iterator[Path]:
    """Write three files for each language of an issue; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in issue.languages:
        mail = _mail(issue, language, choice, now)
        whole = folder / f"issue-{issue.number}.{language}.eml"
        whole.write_bytes(mail)
        yield whole
        parsed = message_from_bytes(mail, policy=policy.default)
        for subtype, extension in PARTS.items():
            part = parsed.get_body(preferencelist=(subtype,))
            if part is None:
                raise ValueError(f"an edition in HTML without a part text/{subtype}")
            path = whole.with_suffix(f".{extension}")
            lines = part.get_content().splitlines()
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            yield path


def _mail(issue: Issue, language: str, choice: int, now: datetime) -> bytes:
    address = parseaddr(settings().mail_from)[1]
    values = {
        Hole.RECIPIENT: address.encode("ascii"),
        Hole.DATE: date_header(now),
        Hole.MESSAGE_ID: f"<preview@{address.rpartition('@')[2]}>".encode("ascii"),
    } | {hole: token.encode("ascii") for hole, token in nobodys_tokens().items()}
    return b"".join(render_edition(issue, language, choice, Format.HTML).template.fill(values))
