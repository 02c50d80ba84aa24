"""A pause: no issue goes out to a reader before the day they chose."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.locales import translatable
from newsletter.pages import settings
from newsletter.subscribers.models import ConsentEvent, ConsentKind, Subscriber
from newsletter.subscribers.readers import hold_reader

WEEKS = (2, 4, 12)  # offered by a button each
LONGEST = timedelta(days=366)


class Flaw(StrEnum):
    """What is wrong with a day, in the words we say it in."""

    UNREADABLE = translatable("Please give the day like this: 2027-01-31.")
    PAST = translatable("This day has come already. Please choose a later one.")
    TOO_LATE = translatable("A pause may last a year at most. Please choose an earlier day.")


class BadPause(NewsletterError):
    """Nobody can pause until such a day; `flaw` says why."""

    page = "bad_pause"

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


def read_pause(weeks: str, until: str, *, today: date) -> date:
    """The day on which issues come again: after some `weeks`, or as written in ISO 8601.

    Raises `BadPause` for anything that is not offered.
    """
    if weeks:
        offered = {str(number): today + timedelta(weeks=number) for number in WEEKS}
        if weeks not in offered:
            raise BadPause(Flaw.UNREADABLE)
        return offered[weeks]
    try:
        day = date.fromisoformat(until.strip())
    except ValueError:
        raise BadPause(Flaw.UNREADABLE) from None
    if day <= today:
        raise BadPause(Flaw.PAST)
    if day > today + LONGEST:
        raise BadPause(Flaw.TOO_LATE)
    return day


def pause(subscriber_id: int, until: date, *, source: str, now: datetime) -> Subscriber:
    """Send nothing before this day begins in the publication's zone; a later pause replaces it.

    Raises `NotSubscribed` and `Erased`.
    """
    begins = datetime.combine(until, time(), ZoneInfo(settings().time_zone)).astimezone(UTC)
    return _set(subscriber_id, begins, f"until {until}", source=source, now=now)


def end_pause(subscriber_id: int, *, source: str, now: datetime) -> Subscriber:
    """Send again from the next issue on; raises `NotSubscribed` and `Erased`."""
    return _set(subscriber_id, None, "ended", source=source, now=now)


def pauses_until(subscriber: Subscriber, *, now: datetime) -> date | None:
    """The day on which issues come again, or None for a reader who does not pause."""
    if subscriber.paused_until is None or subscriber.paused_until <= now:
        return None
    return local_day(subscriber.paused_until)


def local_day(now: datetime) -> date:
    """The day that it is in the publication's zone."""
    return now.astimezone(ZoneInfo(settings().time_zone)).date()


def _set(
    subscriber_id: int, until: datetime | None, words: str, *, source: str, now: datetime
) -> Subscriber:
    subscriber = hold_reader(subscriber_id)
    if subscriber.paused_until == until:
        return subscriber
    subscriber.paused_until = until
    db.session.add(
        ConsentEvent(
            subscriber_id=subscriber_id,
            kind=ConsentKind.PAUSED,
            at=now,
            source=source,
            reason=words,
        )
    )
    return subscriber
