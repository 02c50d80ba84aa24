"""A second SMTP server that is not in Python: Postfix's smtp-sink."""

import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from newsletter.mail.smtp import Message, Outcome, Relay, RelayAddress
from tests.mail_server import free_port
from tests.running import wait_until

UNPACKED = Path(__file__).parents[2] / ".cache" / "postfix" / "usr"  # see the Makefile
MESSAGES = 200


@pytest.fixture
def smtp_sink():
    """Its port and the folder it writes messages to, a file each."""
    place = os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(UNPACKED / "sbin")])
    program = shutil.which("smtp-sink", path=place)
    if program is None:
        assert os.environ.get("CI") != "true", "CI must bring smtp-sink: make smtp-sink"
        pytest.skip("smtp-sink is not installed")
    port = free_port()
    as_somebody = ["-u", "nobody"] if os.getuid() == 0 else []  # it refuses to run as root
    with TemporaryDirectory(prefix="sink-") as folder:
        Path(folder).chmod(0o777)
        sink = subprocess.Popen(
            [program, *as_somebody, "-d", f"{folder}/mail.", f"127.0.0.1:{port}", "100"],
            env={**os.environ, "LD_LIBRARY_PATH": str(UNPACKED / "lib" / "postfix")},
        )
        try:
            wait_until(lambda: answers(port), "smtp-sink listens", 20)
            yield port, Path(folder)
        finally:
            sink.terminate()
            sink.wait(timeout=10)


def answers(port):
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_postfix_takes_every_message_once_and_whole(smtp_sink):
    port, folder = smtp_sink
    body = [b"Subject: Derna\r\n\r\n", b"The blockade tightens.\r\n" * 200, b"=2E the end\r\n"]
    address = RelayAddress.parse(f"smtp://127.0.0.1:{port}")
    outcomes = []
    with Relay(address, helo="news.example.org", connections=8) as relay:
        for first in range(0, MESSAGES, 8):
            group = [
                Message(n, "b@news.example.org", f"reader{n}@reader.example", body)
                for n in range(first, first + 8)
            ]
            outcomes += [answer.outcome for _, answer in relay.hand_over(group)]

    assert outcomes == [Outcome.ACCEPTED] * MESSAGES
    files = [path.read_bytes().replace(b"\r\n", b"\n") for path in folder.iterdir()]
    recipients = sorted(b"reader%d@reader.example" % n for n in range(MESSAGES))
    assert sorted(r for f in files for r in recipients if b"<" + r + b">" in f) == recipients
    assert all(b"".join(body).replace(b"\r\n", b"\n") in file for file in files)
