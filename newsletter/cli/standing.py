"""How fast an issue goes and what is in the way, in lines for people."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_timedelta

from newsletter.delivery.progress import FullProgress
from newsletter.pages import settings

WITH_A_FRACTION = 10  # messages a second, below which a tenth matters
KINDS = 5  # of trouble that are shown; programs get more


def in_lines(counts: FullProgress) -> Iterator[str]:
    """All that there is to say beside the counts; nothing of an issue that met no trouble."""
    if counts.rate is not None:
        yield f"{pace_in_words(counts)}."
    for relay in counts.failing_relays:
        yield f"The mail server {relay.name} fails since {_time_of_day(relay.since)}: {relay.said}"
    for trouble in counts.troubles[:KINDS]:
        outcome = trouble.outcome.replace("_", " ")
        since = _time_of_day(trouble.first_at)
        yield f"{trouble.count} x {outcome} since {since}: {trouble.text}"


def pace_in_words(counts: FullProgress) -> str:
    """How many messages a second, and how long it takes at that; nothing if nothing is sent."""
    if counts.rate is None:
        return ""
    digits = 1 if counts.rate < WITH_A_FRACTION else 0
    words = f"{counts.rate:,.{digits}f} messages a second"
    if counts.time_left is None:
        return words
    return f"{words}, about {format_timedelta(counts.time_left, threshold=1.5, locale='en')} left"


def _time_of_day(time: datetime) -> str:
    return f"{time.astimezone(ZoneInfo(settings().time_zone)):%H:%M:%S %Z}"
