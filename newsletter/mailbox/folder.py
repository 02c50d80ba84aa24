"""The folder of caught mail: a maildir whose names sort by the time a message came.

Any mail program can read it. What only the envelope said stands in front of the message:
`Return-Path` and `Delivered-To`.
"""

import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from functools import lru_cache
from pathlib import Path

KEY = re.compile(r"\d{19}\.[0-9_]+\.newsletter")
SUBFOLDERS = ("tmp", "new", "cur")
NANOSECONDS = 10**9
ENOUGH_FOR_HEADERS = 16 * 1024  # octets

_counter = itertools.count()


@dataclass(frozen=True)
class Summary:
    """One line in the list of caught mail."""

    key: str
    recipients: tuple[str, ...]
    sender: str
    subject: str
    received_at: datetime


class MailFolder:
    """A maildir; messages are only ever added."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make it, readable by its owner alone."""
        for name in SUBFOLDERS:
            (self.path / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, content: bytes, *, sender: str, recipients: Sequence[str]) -> str:
        """Store a message, whole or not at all, and give its key."""
        key = f"{time.time_ns():019}.{os.getpid()}_{next(_counter)}.newsletter"
        envelope = f"Return-Path: <{sender}>\r\n"
        envelope += "".join(f"Delivered-To: {recipient}\r\n" for recipient in recipients)
        unfinished = self.path / "tmp" / key
        unfinished.write_bytes(envelope.encode() + content)
        unfinished.rename(self.path / "new" / key)
        return key

    def all_keys(self) -> list[str]:
        """All messages, the newest first."""
        if not (self.path / "new").is_dir():
            return []
        names = (entry.name for entry in os.scandir(self.path / "new"))
        return sorted((name for name in names if KEY.fullmatch(name)), reverse=True)

    def summaries(self, address: str = "") -> Iterator[Summary]:
        """One after the other, the newest first, of those whose recipient contains `address`."""
        wanted = address.strip().lower()
        for key in self.all_keys():
            summary = _summary(self.path / "new" / key)
            if any(wanted in recipient.lower() for recipient in summary.recipients):
                yield summary

    def source(self, key: str) -> bytes:
        """A message as it came; raises `KeyError` for a key that is none of ours."""
        if not KEY.fullmatch(key):
            raise KeyError(key)
        try:
            return (self.path / "new" / key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def message(self, key: str) -> EmailMessage:
        """A message, parsed; raises `KeyError` like `source`."""
        return message_from_bytes(self.source(key), policy=policy.default)


@lru_cache(maxsize=20_000)
def _summary(path: Path) -> Summary:
    """Read the headers alone; a message never changes."""
    with path.open("rb") as file:
        headers = BytesHeaderParser(policy=policy.default).parsebytes(file.read(ENOUGH_FOR_HEADERS))
    return Summary(
        key=path.name,
        recipients=tuple(str(value) for value in headers.get_all("Delivered-To", [])),
        sender=str(headers.get("From", "")),
        subject=str(headers.get("Subject", "")),
        received_at=datetime.fromtimestamp(int(path.name.partition(".")[0]) / NANOSECONDS, UTC),
    )
