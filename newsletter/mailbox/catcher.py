"""The mail catcher: a real SMTP server on a unix socket that keeps what it is given.

`newsletter run` starts it in a trial without a relay, so that the whole path is walked, the last
step included, and nothing leaves the machine.
"""

import asyncio
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session

from newsletter.mailbox.folder import MailFolder
from newsletter.settings import load_settings

LARGEST_MESSAGE = 10 * 1024 * 1024  # octets
IDLE_SECONDS = 300


class Catcher:
    """Puts every accepted message into the folder (aiosmtpd calls it by the name of its method)."""

    def __init__(self, folder: MailFolder) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Keep a message; it is on disk before the answer leaves."""
        if not isinstance(envelope.content, bytes):
            raise TypeError("aiosmtpd was told not to decode")
        self._folder.keep(
            envelope.content, sender=envelope.mail_from or "", recipients=envelope.rcpt_tos
        )
        return "250 2.0.0 Kept"


async def catch(socket_path: Path, folder: MailFolder) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    folder.create()
    catcher = Catcher(folder)
    server = await loop.create_unix_server(
        lambda: SMTP(
            catcher,
            data_size_limit=LARGEST_MESSAGE,
            enable_SMTPUTF8=True,
            hostname="localhost",
            timeout=IDLE_SECONDS,
            loop=loop,
        ),
        path=socket_path,
    )
    async with server:
        await stop.wait()


def main() -> None:
    """Catch mail as the settings say."""
    os.umask(0o077)
    settings = load_settings()
    asyncio.run(catch(Path(urlsplit(settings.relay_url).path), MailFolder(settings.mailbox_path)))


if __name__ == "__main__":
    main()
