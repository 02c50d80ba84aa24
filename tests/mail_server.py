"""A real SMTP server on loopback that keeps every message it is given."""

import socket
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller

PATIENCE = 20.0  # seconds until a mail that does not come fails a test


class MailServer:
    """aiosmtpd in a thread; `messages` are parsed, `envelopes` as they came."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        """Keep a message."""
        self.envelopes.append(envelope)
        return "250 2.0.0 kept"

    def __enter__(self) -> "MailServer":
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def url(self) -> str:
        """As `SMTP_URL` wants it."""
        return f"smtp://127.0.0.1:{self._controller.port}"

    @property
    def messages(self) -> list[EmailMessage]:
        """All messages so far, parsed."""
        return [parse(envelope.content) for envelope in self.envelopes]

    def to(self, address: str) -> list[EmailMessage]:
        """The messages one address got."""
        return [parse(e.content) for e in self.envelopes if e.rcpt_tos == [address]]

    def wait_for(
        self, address: str, count: int = 1, *, seconds: float = PATIENCE
    ) -> list[EmailMessage]:
        """The messages one address got, once there are as many as expected."""
        deadline = time.monotonic() + seconds
        while len(found := self.to(address)) < count:
            assert time.monotonic() < deadline, f"{address} got {len(found)} of {count} mails"
            time.sleep(0.05)
        return found


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return cast("int", probe.getsockname()[1])


def parse(content: bytes) -> EmailMessage:
    """Read a message by today's rules."""
    return message_from_bytes(content, policy=policy.default)
