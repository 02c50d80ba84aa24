"""Read the time at which an issue is to go out, as a person writes it.

A time without an offset is meant in the zone of whoever wrote it. When clocks go forward an hour is
missing there, and when they go back an hour comes twice: neither is guessed at.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from newsletter.errors import NewsletterError
from newsletter.locales import translatable

DAY_ALONE = 10  # characters of 2026-11-24
FURTHEST = timedelta(days=3653)  # a later year is a slip of the pen


class Flaw(StrEnum):
    """What is wrong with a time, in the words we say it in."""

    UNREADABLE = translatable("Please give date and time like this: 2026-11-24 06:30.")
    PAST = translatable("This time has passed already. Please choose a later one.")
    OTHER_CLOCK = translatable(
        "Your clock is another one since this page was opened. Please look at the time again."
    )
    FAR = translatable("This is more than ten years away. Please look at the year again.")
    MISSING = translatable(
        "Clocks go forward at this time, so there is no such time that day."
        " Please choose one before or after."
    )
    TWICE = translatable(
        "Clocks go back at this time, so it comes twice that day. Please choose one before or"
        " after."
    )


class BadTime(NewsletterError):
    """No issue can go out at such a time; `flaw` says why."""

    page = "bad_time"

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


def read_time(text: str, zone: ZoneInfo, *, now: datetime) -> datetime:
    """The time in UTC that somebody wrote in ISO 8601; raises `BadTime`."""
    text = text.strip()
    if len(text) <= DAY_ALONE:
        raise BadTime(Flaw.UNREADABLE)
    try:
        written = datetime.fromisoformat(text)
        at = (written if written.tzinfo else _in_zone(written, zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadTime(Flaw.UNREADABLE) from error
    if at <= now:
        raise BadTime(Flaw.PAST)
    if at > now + FURTHEST:
        raise BadTime(Flaw.FAR)
    return at


def _in_zone(written: datetime, zone: ZoneInfo) -> datetime:
    """The one moment that clocks in the zone show this time; raises `BadTime`."""
    before, after = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if before.utcoffset() != after.utcoffset():
        # RFC 5545 and PEP 495: a missing time, read back from UTC, shows another
        is_shown = before.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == written
        raise BadTime(Flaw.TWICE if is_shown else Flaw.MISSING)
    return before
