"""`newsletter demo`: the story that a stranger sees first."""

import re
import subprocess

import click
import pytest

from newsletter.demo.story import INSTANCE
from newsletter.run.service import alone_in
from tests.mail_server import free_port
from tests.running import COMMAND, alive, environment

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nobody_else_looks_at_it():
    """The demonstration is made anew each time, so one that somebody is looking at stays."""
    try:
        with alone_in(INSTANCE):
            pass
    except click.ClickException:
        pytest.fail("a demonstration is running; end it first, since its data is made anew")


def test_the_story_comes_to_its_end_with_everybody_accounted_for(tmp_path):
    port = free_port()
    told = subprocess.run(
        [*COMMAND, "demo", "--exit", "--port", str(port)],
        # settings that would send real mail, were they heeded
        env=environment(
            tmp_path, SMTP_URL="smtp://127.0.0.1:9", PUBLIC_URL="https://news.example.org"
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert "12 readers filled in the form" in told.stdout
    assert "Issue 87 goes to 42 readers." in told.stdout
    counts = dict(re.findall(r"^ +([a-z ]+?) +(\d+)$", told.stdout, re.MULTILINE))
    assert counts == {
        "queued": "0",
        "sending": "0",
        "sent": "42",
        "failed": "0",
        "skipped": "0",
        "in doubt": "0",
        "unsubscribed": "2",
    }
    for page in ("/", "/issues/87", "/ar/issues/87", "/feed.xml", "/desk/", "/mailbox"):
        assert f"http://127.0.0.1:{port}{page}" in told.stdout
    assert not [line for _, line in alive().values() if str(INSTANCE) in line]
