"""`newsletter subscriber`: who reads us, in and out by file, and one by one."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Event

import click

from newsletter.background import hint
from newsletter.cli.nouns import Interrupted, Noun, Refusal, now
from newsletter.database import transaction
from newsletter.mail.addresses import parse_address
from newsletter.subscribers.erasure import erase as erase_subscriber
from newsletter.subscribers.import_file import read_lines
from newsletter.subscribers.lookup import find
from newsletter.subscribers.models import Subscriber
from newsletter.subscribers.pausing import pauses_until
from newsletter.subscribers.record import describe
from newsletter.subscribers.transfer import Import, ImportReport, export_subscribers, in_chunks
from newsletter.subscribers.unsubscribe import unsubscribe as unsubscribe_subscriber

SOURCE = "command line"
TIME = "%Y-%m-%d %H:%M UTC"


@click.group(cls=Noun)
def subscriber() -> None:
    """Who reads us: in and out by file, and one by one."""


@subscriber.verb
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Take the subscribers of a CSV FILE in.

    Columns: address,language,sections,consented_at,source; only the first is required. With a
    recorded consent nobody is mailed; without one a confirmation goes out first. A line that
    cannot be taken is named on stderr, the others are kept.
    """
    report = _import(file)
    if report.invited:
        hint("subscribers.answer_signups")
    for problem in report.refused:
        click.echo(f"{file}:{problem.line}: {problem.sentence}", err=True)
    click.echo(
        f"{report.imported} imported, {report.invited} asked to confirm, "
        f"{report.known} known already, {len(report.refused)} refused."
    )
    if report.refused:
        raise click.exceptions.Exit(1)


@subscriber.verb
def export() -> None:
    """Print all subscribers as CSV, with the columns of an import and their state."""
    for line in export_subscribers():
        click.echo(line)


@subscriber.verb
@click.argument("address")
def show(address: str) -> None:
    """Say what we know of an address: state, choice, and every step of its consent."""
    record = describe(address)
    if record is None:
        raise _stranger(address)
    if found := record.subscriber:
        click.echo(f"{found.address}  {found.state}")
        if day := pauses_until(found, now=now()):
            click.echo(f"paused until {day}")
    if record.suppressed:
        click.echo(f"{address}  suppressed: {record.suppressed}")
    if chosen := record.subscription:
        sections = ", ".join(record.sections) or "all sections"
        click.echo(f"{chosen.language}, {chosen.format}, {sections}")
    for event in record.events:
        words = [event.at.strftime(TIME), event.kind, event.source, event.reason or ""]
        click.echo("  ".join(words).rstrip())
        if event.wording:
            click.echo(f"    {event.wording}")


@subscriber.verb
@click.argument("address")
def unsubscribe(address: str) -> None:
    """Let somebody leave who asked you to see to it."""
    found = _find(address)
    with transaction():
        unsubscribe_subscriber(found.id, None, source=SOURCE, now=now())
    hint("delivery.send_notices")
    click.echo(f"{found.address} has left.")


@subscriber.verb
@click.argument("address")
def erase(address: str) -> None:
    """Erase all that we hold about somebody who asked for it; it can't be undone.

    Only a keyed hash of the address stays, which keeps it off any list brought in later.
    """
    found = _find(address)
    with transaction():
        erase_subscriber(found.id, source=SOURCE, now=now())
    click.echo("Erased; a keyed hash of the address is all that stays.")


def _import(path: Path) -> ImportReport:
    data = path.read_bytes()
    incoming = Import(path.name, now=now())
    label = f"Reading {path.name}"
    with (
        _interruptions() as interrupted,
        click.progressbar(length=data.count(b"\n"), label=label, file=sys.stderr) as bar,
    ):
        for chunk in in_chunks(read_lines(BytesIO(data))):
            with transaction():
                incoming.take(chunk)
            bar.update(len(chunk))
            if interrupted.is_set():
                break
        else:
            bar.update(data.count(b"\n") - bar.pos)  # lines that are no subscriber's
    if interrupted.is_set():
        kept = incoming.report.imported + incoming.report.invited
        raise Interrupted(
            f"interrupted; {kept} were kept, and are passed over if the file is imported again"
        )
    return incoming.report


@contextmanager
def _interruptions() -> Iterator[Event]:
    """Let Ctrl-C be noticed between two chunks, so that what it says of them is true."""
    noticed = Event()
    before = signal.signal(signal.SIGINT, lambda *_: noticed.set())
    try:
        yield noticed
    finally:
        signal.signal(signal.SIGINT, before)


def _find(address: str) -> Subscriber:
    found = find(parse_address(address).key)
    if found is None:
        raise _stranger(address)
    return found


def _stranger(address: str) -> Refusal:
    return Refusal(f"nobody with the address {address} has ever asked to subscribe")
