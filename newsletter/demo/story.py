"""The story that `make demo` tells: each step is one of a reader, an editor or an operator.

It runs in `instance/demo`, made anew each time, with settings of its own: whatever `.env` says,
no mail leaves the machine.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from newsletter.demo.reader import Reader
from newsletter.mailbox.folder import MailFolder
from newsletter.run.service import alone_in, is_healthy
from newsletter.run.supervisor import die_with
from newsletter.settings import ENV_FILE, PREFIX, PROJECT

INSTANCE = PROJECT / "instance" / "demo"
SAMPLES = Path("docs") / "samples"
EDITOR = "editor@newsletter.example"
USUAL_PORT = 8000
START_SECONDS = 120
END_SECONDS = 25
GLANCE = 0.1  # seconds

ISIS, WEST, COALITION, OTHERS = (
    "isis-in-action",
    "western-response",
    "anti-isis-coalition",
    "other-jihadi-actors",
)
READERS = (
    Reader("aisha@post.example", "ar"),
    Reader("bram@post.example", "en"),
    Reader("carmen@post.example", "en", (WEST,)),
    Reader("driss@post.example", "ar", (ISIS, OTHERS)),
    Reader("elena@post.example", "en", (ISIS,)),
    Reader("fathi@post.example", "ar", (COALITION,)),
    Reader("greta@post.example", "en", (WEST, COALITION)),
    Reader("huda@post.example", "ar"),
    Reader("ivan@post.example", "en"),
    Reader("jamila@post.example", "ar", (ISIS, WEST, COALITION)),
    Reader("karl@post.example", "en", (OTHERS,)),
    Reader("layla+weekly@post.example", "en"),
)


def tell(port: int | None, *, ends: bool) -> None:
    """Run the story, then stay until Ctrl-C, or end with it when `ends`.

    Raises `click.ClickException` when a step fails.
    """
    port = port or _free_port()
    site = f"http://127.0.0.1:{port}"
    with alone_in(INSTANCE):
        shutil.rmtree(INSTANCE)
    began = time.monotonic()
    with _service(site, port) as service:
        _say(f"The service runs: web, workers, clock, Valkey, a mail catcher ({_since(began)}).")
        password = _open_the_desk(site)
        _readers_subscribe(site)
        _send(site)
        _two_readers_leave(site)
        _say(f"That was the main job, in {_since(began)}. Now look around:")
        _show_around(site, password)
        if not ends:
            click.echo("\nCtrl-C ends it.")
            service.wait()


def _open_the_desk(site: str) -> str:
    """Let an editor in and import what was written; gives the password."""
    _say("An editor gets in, and the week's issue comes in two languages.")
    said = _newsletter(site, "editor", "add", EDITOR, "--role", "admin")
    for name in ("issue-87.en.md", "issue-87.ar.md", "issue-88.en.md"):
        _newsletter(site, "issue", "import", str(SAMPLES / name))
    return str(re.findall(r"^Password: (\S+)$", said, re.MULTILINE)[0])


def _readers_subscribe(site: str) -> None:
    mailbox = MailFolder(INSTANCE / "mail")
    began = time.monotonic()
    for reader in READERS:
        reader.sign_up(site)
    _say(f"{len(READERS)} readers filled in the form ({_since(began)}).")
    began = time.monotonic()
    for reader in READERS:
        reader.confirm(site, mailbox)
    _say(f"All {len(READERS)} found the mail and pressed the button in it ({_since(began)}).")
    _say("Thirty more come from a list, each with a recorded consent, so nobody is mailed.")
    _newsletter(site, "subscriber", "import", str(SAMPLES / "readers.csv"))


def _send(site: str) -> None:
    _say("Send: one mail each, in the language and with the sections chosen.")
    began = time.monotonic()
    _newsletter(site, "issue", "send", "87", "--wait")
    sizes = sorted(path.stat().st_size for path in _issue_mails())
    _say(
        f"{len(sizes)} mails are in the mailboxes, of {sizes[0] // 1000} to "
        f"{sizes[-1] // 1000} KB ({_since(began)})."
    )


def _two_readers_leave(site: str) -> None:
    mailbox = MailFolder(INSTANCE / "mail")
    READERS[1].leave_by_one_click(mailbox)
    READERS[2].leave_by_page(site, mailbox)
    _say("One reader left with a mail program's own button, one by the page.")
    _newsletter(site, "issue", "status", "87")


def _show_around(site: str, password: str) -> None:
    settings = f"{PREFIX}INSTANCE_PATH=instance/demo {PREFIX}PUBLIC_URL={site}"
    for name, place in {
        "Site": f"{site}/",
        "Archive": f"{site}/issues/87  and in Arabic {site}/ar/issues/87",
        "Feed": f"{site}/feed.xml",
        "Desk": f"{site}/desk/  {EDITOR}  {password}",
        "Mailbox": f"{site}/mailbox",
        "Commands": f"{settings} .venv/bin/newsletter --help",
    }.items():
        click.echo(f"  {name:<10}{place}")
    click.echo("  Issue 88 is a draft: preview it at the desk, and press Send.")


@contextmanager
def _service(site: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`newsletter run` in a process of its own, which ends when we do."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    us = os.getpid()
    service = subprocess.Popen(
        [*_command(), "run", "--port", str(port)],
        env=_environment(site),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C reaches us alone
        preexec_fn=lambda: die_with(us, signal.SIGTERM),  # noqa: PLW1509  # we have one thread
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_healthy(site):
            if service.poll() is not None or time.monotonic() > deadline:
                raise click.ClickException(f"the service did not start; see {INSTANCE / 'log'}")
            time.sleep(GLANCE)
        yield service
    except KeyboardInterrupt:
        click.echo()
    finally:
        service.terminate()
        try:
            service.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            service.kill()


def _newsletter(site: str, *arguments: str) -> str:
    """Run a command before the audience's eyes; gives what it said on stdout."""
    click.secho(f"  $ newsletter {' '.join(arguments)}", dim=True)
    done = subprocess.run(
        [*_command(), *arguments],
        env=_environment(site),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        click.echo(f"    {line}")
    if done.returncode:
        raise click.ClickException(f"`newsletter {' '.join(arguments)}` failed")
    return done.stdout


def _command() -> tuple[str, ...]:
    return (sys.executable, "-c", "from newsletter.cli import main; main()")


def _environment(site: str) -> dict[str, str]:
    """A trial of its own, whatever the environment and `.env` say."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | {
        ENV_FILE: os.devnull,
        f"{PREFIX}INSTANCE_PATH": str(INSTANCE),
        f"{PREFIX}PUBLIC_URL": site,
        "PYTHONPATH": str(PROJECT),
    }


def _issue_mails() -> Iterator[Path]:
    mailbox = MailFolder(INSTANCE / "mail")
    for key in mailbox.all_keys():
        if "List-Unsubscribe" in mailbox.message(key):
            yield mailbox.path / "new" / key


def _free_port() -> int:
    for port in (USUAL_PORT, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as probe:
                found: int = probe.getsockname()[1]
        except OSError:
            continue
        if not port:
            click.echo(f"Port {USUAL_PORT} is taken, so this is on port {found}.")
        return found
    raise click.ClickException("there is no free port")


def _say(sentence: str) -> None:
    click.secho(sentence, bold=True)


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
