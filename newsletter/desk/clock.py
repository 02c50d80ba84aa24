"""Times as an editor types and reads them: by their own clock, or else by the publication's."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import request
from flask_babel import gettext

from newsletter.delivery.local_time import BadTime, Flaw, read_time
from newsletter.desk.lookup import now
from newsletter.pages import moment, page_zone, settings

AS_TYPED = "%Y-%m-%dT%H:%M"  # how a browser's field for date and time has it


def zone() -> ZoneInfo:
    """The zone of whoever is at the desk."""
    return ZoneInfo(page_zone())


def as_typed(at: datetime | None) -> str:
    """A time as its field shows it; empty for none."""
    return f"{at.astimezone(zone()):{AS_TYPED}}" if at else ""


def typed_time(text: str, *, known: datetime | None = None) -> datetime:
    """The time to come that was typed, or the `known` one, which may have passed.

    A form names the clock that it showed beside its field. Raises `BadTime`, also if that is not
    the clock of whoever is here any more: the same figures mean another time then.
    """
    if request.form.get("zone", page_zone()) != page_zone():
        raise BadTime(Flaw.OTHER_CLOCK)
    if known and text == as_typed(known):
        return known
    return read_time(text, zone(), now=now())


def publications_time(at: datetime | None, typed: str) -> str | None:
    """What to say beside a field for a time to whom the publication's clock is not their own.

    It is the time `at` by that clock as long as the field shows it, and else what it is there now.
    """
    there = settings().time_zone
    if there == page_zone():
        return None
    if at and typed == as_typed(at):
        sentence = gettext("By the publication's clock: %(time)s.", time=moment(at, there))
    else:
        time = moment(now(), there)
        sentence = gettext("By the publication's clock it is %(time)s now.", time=time)
    return str(sentence)
