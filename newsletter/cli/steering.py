"""`newsletter issue`, the second half: pause, resume, cancel, a set time, and who did not get it.

Every act leaves a line in the audit log, as done on the command line.
"""

import json
from zoneinfo import ZoneInfo

import click

from newsletter.audit import COMMAND_LINE
from newsletter.background import hint
from newsletter.cli.issue import find_issue, in_words, issue, number_of_issue, readers, warn
from newsletter.cli.nouns import Refusal, now
from newsletter.database import transaction
from newsletter.delivery import schedule as schedules
from newsletter.delivery import steering
from newsletter.delivery.doubts import Decision, Doubt, list_doubts, settle
from newsletter.delivery.local_time import read_time
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.resending import resend_failed
from newsletter.pages import settings

DELIVERY = click.IntRange(1, 2**63 - 1)  # what a database can number


@issue.verb
@number_of_issue
def pause(number: int) -> None:
    """Let nothing more of an issue leave until it is resumed."""
    found = find_issue(number)
    with transaction():
        steering.pause(found.id, who=COMMAND_LINE, now=now())
    click.echo(f"Issue {number} is paused; `newsletter issue resume {number}` goes on with it.")


@issue.verb
@number_of_issue
def resume(number: int) -> None:
    """Go on with an issue that is paused."""
    found = find_issue(number)
    with transaction():
        steering.resume(found.id, who=COMMAND_LINE, now=now())
    hint("delivery.sweep_issues")
    click.echo(f"Issue {number} is being sent.")


@issue.verb
@number_of_issue
def cancel(number: int) -> None:
    """Let nothing more of an issue leave, ever. What has left cannot be called back."""
    found = find_issue(number)
    with transaction():
        before = steering.counted(found.id, DeliveryState.SKIPPED)
        steering.cancel(found.id, who=COMMAND_LINE, now=now())
    # what a sender was writing down is left to the clock; by now it is marked, or will be skipped
    unsent = steering.counted(found.id, DeliveryState.SKIPPED, DeliveryState.QUEUED) - before
    gone = steering.counted(found.id, DeliveryState.SENDING)
    click.echo(f"Issue {number} was cancelled, with {readers(unsent)} to go.")
    if gone:
        click.echo(
            f"The message to {readers(gone)} had left; `newsletter issue status {number}` shows"
            " what becomes of it."
        )


@issue.verb
@number_of_issue
@click.option(
    "--at",
    "time",
    required=True,
    help="Such as 2026-11-24T06:30, in the publication's time zone, or with an offset.",
)
def schedule(number: int, time: str) -> None:
    """Send a draft at a set time, or give it another."""
    at = read_time(time, ZoneInfo(settings().time_zone), now=now())
    found = find_issue(number)
    warn(found)
    with transaction():
        schedules.schedule(found.id, at, who=COMMAND_LINE, now=now())
    click.echo(f"Issue {number} goes out at {in_words(at)}.")


@issue.verb
@number_of_issue
def unschedule(number: int) -> None:
    """Make a scheduled issue a draft again."""
    found = find_issue(number)
    with transaction():
        schedules.unschedule(found.id, who=COMMAND_LINE, now=now())
    click.echo(f"Issue {number} is a draft.")


@issue.verb
@number_of_issue
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--delivered", is_flag=True, help="Take them as delivered.")
@click.option("--again", is_flag=True, help="Send them again, with the same Message-ID.")
@click.option("--id", "ids", type=DELIVERY, multiple=True, help="Only this one; may be repeated.")
def doubts(
    number: int, *, as_json: bool, delivered: bool, again: bool, ids: tuple[int, ...]
) -> None:
    """List the deliveries of an issue that are in doubt, or settle them.

    Their answer was lost, so nobody knows whether they arrived; most did.
    """
    found = find_issue(number)
    if delivered and again:
        raise click.UsageError("--delivered or --again, not both")
    if not delivered and not again:
        if ids:
            raise click.UsageError("--id needs --delivered or --again")
        _print_doubts(list_doubts(found.id), as_json=as_json)
        return
    decision = Decision.AGAIN if again else Decision.DELIVERED
    with transaction():
        settled = settle(found.id, ids or None, decision, who=COMMAND_LINE, now=now())
    if again:
        hint("delivery.sweep_issues")
    click.echo(f"{settled} settled: {'sent again' if again else 'taken as delivered'}.")
    if left := len(set(ids)) - settled if ids else 0:
        raise Refusal(f"{left} of those named are not in doubt, and were left as they are")


@issue.verb
@number_of_issue
def resend(number: int) -> None:
    """Send an issue again to those who failed, and to nobody else."""
    found = find_issue(number)
    with transaction():
        queued = resend_failed(found.id, who=COMMAND_LINE, now=now())
    if not queued:
        click.echo(f"Nobody failed of issue {number}.")
        return
    hint("delivery.sweep_issues")
    click.echo(f"Issue {number} goes again to {readers(queued)} who had failed.")


def _print_doubts(found: list[Doubt], *, as_json: bool) -> None:
    if as_json:
        rows = [doubt._asdict() | {"since": doubt.since.isoformat()} for doubt in found]
        click.echo(json.dumps(rows))
        return
    for doubt in found:
        click.echo(
            f"{doubt.id}\t{doubt.address}\t{doubt.since:%Y-%m-%d %H:%M:%S} UTC\t{doubt.answer}"
        )
