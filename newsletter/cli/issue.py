"""`newsletter issue`: from a file to Send, and how far it has come."""

import json
import sys
import time
from pathlib import Path
from typing import BinaryIO

import click
from sqlalchemy import select

from newsletter.background import hint
from newsletter.cli.nouns import Interrupted, Noun, Refusal, now
from newsletter.cli.previews import write_previews
from newsletter.database import db, transaction
from newsletter.delivery.fanout import audience
from newsletter.delivery.progress import Progress, live_workers, progress
from newsletter.delivery.start import send_now
from newsletter.issues import preflight
from newsletter.issues.editing import import_issue
from newsletter.issues.front_matter import HIGHEST_NUMBER
from newsletter.issues.issue_file import LARGEST_FILE
from newsletter.issues.lifecycle import STANDING, IssueState
from newsletter.issues.models import Format, Issue
from newsletter.issues.proofs import owe_proof
from newsletter.locales import LANGUAGES
from newsletter.pages import settings
from newsletter.subscribers.wishes import read_wish

PAUSE = 0.25  # seconds between two looks at the counts
PATIENCE = 10.0  # seconds without any change before we ask whether a worker lives

NOBODY = (
    "No confirmed reader takes any of its sections. It goes to the website only, and who confirms"
    " later does not get it."
)

number_of_issue = click.argument("number", type=click.IntRange(1, HIGHEST_NUMBER))
language_of_edition = click.option("--language", type=click.Choice(list(LANGUAGES)))
sections_of_edition = click.option(
    "--sections", default="", help="Slugs, separated by spaces; all of them if not given."
)


@click.group(cls=Noun)
def issue() -> None:
    """From a file to Send, and how far it has come."""


@issue.verb
@click.argument("file", type=click.File("rb"))
@click.option("--replace", is_flag=True, help="Put it in the place of a text in the same language.")
def import_(file: BinaryIO, *, replace: bool) -> None:
    """Read one language of an issue from FILE (- for stdin)."""
    data = file.read(LARGEST_FILE + 1)  # more is refused, and need not be read for that
    with transaction():
        imported = import_issue(data, replace=replace, now=now())
        languages = imported.languages
    click.echo(f"Issue {imported.number} is a draft in {' and '.join(languages)}.")


@issue.verb
@number_of_issue
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@sections_of_edition
def preview(number: int, out: Path, sections: str) -> None:
    """Write the mail in each language to a folder, and print where: HTML, text, the whole mail."""
    found = _issue(number)
    choice = read_wish(sections.split(), settings().default_language).choice
    for path in write_previews(found, choice, out, now=now()):
        click.echo(path)


@issue.verb
@number_of_issue
@click.option("--to", "address", required=True, help="Whose mailbox.")
@language_of_edition
@sections_of_edition
@click.option(
    "--format", "format_", type=click.Choice([one.value for one in Format]), default="html"
)
def test(number: int, address: str, language: str | None, sections: str, format_: str) -> None:
    """Send the issue to one address, marked as a test."""
    found = _issue(number)
    wish = read_wish(sections.split(), language or settings().default_language)
    with transaction():
        owe_proof(
            found,
            address,
            language=wish.language,
            choice=wish.choice,
            format=Format(format_),
            now=now(),
        )
    hint("delivery.send_notices")
    click.echo(f"A test of issue {number} is on its way to {address}.")


@issue.verb
@number_of_issue
@click.option("--wait", is_flag=True, help="Show how far it has come, until everything has gone.")
def send(number: int, *, wait: bool) -> None:
    """Send a draft to its readers, without asking again.

    With --wait the exit status is 1 if a delivery failed or is in doubt.
    """
    found = _issue(number)
    if found.state is IssueState.DRAFT:
        for warning in preflight.check(found, now=now()).warnings:
            click.echo(f"Warning: {warning}", err=True)
        if not audience(found).total:
            click.echo(f"Warning: {NOBODY}", err=True)
    send_now(found.id, now=now())
    counts = progress(found.id)
    click.echo(f"Issue {number} goes to {_readers(counts.total)}.")
    if wait:
        try:
            counts = _wait(found.id, counts)
        except KeyboardInterrupt as error:
            raise Interrupted(f"sending goes on; `newsletter issue status {number}`") from error
        _show(counts)
        if counts.went_wrong:
            raise click.exceptions.Exit(1)


@issue.verb
@number_of_issue
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(number: int, *, as_json: bool) -> None:
    """Count the deliveries of an issue by state."""
    counts = progress(_issue(number).id)
    if as_json:
        click.echo(json.dumps(counts.as_json()))
    else:
        _show(counts)


def _issue(number: int) -> Issue:
    found = db.session.scalars(select(Issue).where(Issue.number == number)).one_or_none()
    if found is None:
        raise Refusal(f"there is no issue {number}; `newsletter issue import` makes one of a file")
    return found


def _wait(issue_id: int, counts: Progress) -> Progress:
    """Watch until nothing is queued or sending.

    Refuses to wait for an issue that somebody paused or cancelled, or without a living worker.
    """
    with click.progressbar(
        length=counts.total,
        label=f"Sending issue {counts.number}",
        file=sys.stderr,
    ) as bar:
        last_change = time.monotonic()
        while counts.state is IssueState.SENDING:
            time.sleep(PAUSE)
            before, counts = counts, progress(issue_id)
            db.session.commit()  # the next look shall see what has changed
            bar.update(before.still_to_come - counts.still_to_come)
            if counts != before:
                last_change = time.monotonic()
            elif time.monotonic() - last_change > PATIENCE:
                if not live_workers():
                    raise Refusal(
                        f"no worker is alive, so issue {counts.number} waits with "
                        f"{_readers(counts.still_to_come)} to go; start one with `newsletter run`"
                    )
                last_change = time.monotonic()
    if counts.still_to_come:
        raise Refusal(f"issue {counts.number} {STANDING[counts.state]}")
    return counts


def _show(counts: Progress) -> None:
    click.echo(f"Issue {counts.number} {STANDING[counts.state]}.")
    for state, count in counts.counts.items():
        click.echo(f"{state.value.replace('_', ' '):<13}{count:>8}")
    click.echo(f"{'unsubscribed':<13}{counts.unsubscribed:>8}")


def _readers(count: int) -> str:
    return f"{count} reader" if count == 1 else f"{count} readers"
