"""`newsletter issue`: from a file to Send, and how far it has come."""

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import click
from sqlalchemy import select

from newsletter.background import hint
from newsletter.cli.nouns import Interrupted, Noun, Refusal, now
from newsletter.cli.previews import write_previews
from newsletter.cli.standing import in_lines, pace_in_words
from newsletter.database import db, end_read, transaction
from newsletter.delivery.doubts import will_be_resent
from newsletter.delivery.fanout import audience
from newsletter.delivery.progress import FullProgress, full_progress, live_workers
from newsletter.delivery.schedule import is_late
from newsletter.delivery.start import send_now
from newsletter.issues import preflight
from newsletter.issues.editing import export_issue, import_issue
from newsletter.issues.front_matter import HIGHEST_NUMBER
from newsletter.issues.issue_file import LARGEST_FILE
from newsletter.issues.lifecycle import STANDING, IssueState
from newsletter.issues.models import Format, Issue
from newsletter.issues.proofs import owe_proof
from newsletter.locales import LANGUAGES
from newsletter.pages import settings
from newsletter.subscribers.wishes import read_wish

START_ONE = "start one, or all parts in one place with `newsletter run`"
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
@click.argument("language", type=click.Choice(list(LANGUAGES)))
@click.option("--out", type=click.File("wb"), default="-", help="Where to; stdout if not given.")
def export(number: int, language: str, out: BinaryIO) -> None:
    """Write one language of an issue as the file that `newsletter issue import` reads."""
    text = export_issue(find_issue(number), language)
    out.write(text.encode())  # opened by this: a refusal leaves the file as it was


@issue.verb
@number_of_issue
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@sections_of_edition
def preview(number: int, out: Path, sections: str) -> None:
    """Write the mail in each language to a folder, and print where: HTML, text, the whole mail."""
    found = find_issue(number)
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
    found = find_issue(number)
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
    found = find_issue(number)
    warn(found)
    send_now(found.id, now=now())
    counts = full_progress(found.id, now=now())
    click.echo(f"Issue {number} goes to {readers(counts.total)}.")
    if wait:
        try:
            counts = _wait(found.id, counts)
        except KeyboardInterrupt as error:
            raise Interrupted(f"sending goes on; `newsletter issue status {number}`") from error
        _show(find_issue(number), counts)
        if counts.went_wrong:
            raise click.exceptions.Exit(1)


@issue.verb
@number_of_issue
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(number: int, *, as_json: bool) -> None:
    """Count the deliveries of an issue by state; say how fast it goes and what is in the way."""
    found = find_issue(number)
    counts = full_progress(found.id, now=now())
    if as_json:
        click.echo(json.dumps(counts.as_json()))
    else:
        _show(found, counts)


def warn(found: Issue) -> None:
    """Say on stderr what nobody may have thought of, unless it is under way."""
    if found.is_public or found.state is IssueState.CANCELLED:
        return
    for warning in preflight.check(found, now=now()).warnings:
        click.echo(f"Warning: {warning}", err=True)
    if not audience(found, now=now()).total:
        click.echo(f"Warning: {NOBODY}", err=True)


def find_issue(number: int) -> Issue:
    """The issue of this number; refuses if there is none."""
    found = db.session.scalars(select(Issue).where(Issue.number == number)).one_or_none()
    if found is None:
        raise Refusal(f"there is no issue {number}; `newsletter issue import` makes one of a file")
    return found


def _wait(issue_id: int, counts: FullProgress) -> FullProgress:
    """Watch until nothing is queued or sending, nor will be by the policy for doubts.

    Refuses to wait for an issue that somebody paused or cancelled, or without a living worker.
    """
    with click.progressbar(
        length=counts.total,
        label=f"Sending issue {counts.number}",
        show_eta=False,  # ours knows that the pace may change
        item_show_func=lambda item: pace_in_words(item) if item else "",
        file=sys.stderr,
    ) as bar:
        last_change = time.monotonic()
        while counts.state is IssueState.SENDING or will_be_resent(issue_id):
            time.sleep(PAUSE)
            before, counts = counts, full_progress(issue_id, now=now())
            end_read()  # the next look shall see what has changed
            bar.update(before.still_to_come - counts.still_to_come, counts)
            if counts.counts != before.counts:
                last_change = time.monotonic()
            elif time.monotonic() - last_change > PATIENCE:
                if not live_workers():
                    raise Refusal(
                        f"no worker is alive, so issue {counts.number} waits with "
                        f"{readers(counts.still_to_come)} to go; {START_ONE}"
                    )
                last_change = time.monotonic()
    if counts.still_to_come:
        issue = db.session.get_one(Issue, issue_id, populate_existing=True)
        raise Refusal(f"issue {issue.number} {_standing(issue)}")
    return counts


def _show(issue: Issue, counts: FullProgress) -> None:
    click.echo(f"Issue {issue.number} {_standing(issue)}".removesuffix(".") + ".")
    for state, count in counts.counts.items():
        click.echo(f"{state.value.replace('_', ' '):<13}{count:>8}")
    click.echo(f"{'unsubscribed':<13}{counts.unsubscribed:>8}")
    for line in in_lines(counts):
        click.echo(line)
    if counts.state is IssueState.SENDING and not live_workers():
        click.echo(f"But no worker is alive, so nothing more leaves: {START_ONE}.")


def _standing(issue: Issue) -> str:
    """Where it stands, since or until when, and why it does not go on by itself."""
    words = STANDING[issue.state]
    if issue.state is IssueState.SCHEDULED and issue.scheduled_at:
        words += f" for {in_words(issue.scheduled_at)}"
        if is_late(issue, now=now()):
            words += ", which has passed; send it now or set another time"
    return f"{words}: {issue.paused_because}" if issue.paused_because else words


def in_words(time: datetime) -> str:
    """A time in the publication's zone."""
    return f"{time.astimezone(ZoneInfo(settings().time_zone)):%Y-%m-%d %H:%M %Z}"


def readers(count: int) -> str:
    """So many readers, in words."""
    return f"{count} reader" if count == 1 else f"{count} readers"
