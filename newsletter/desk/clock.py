"""Times as an editor types and reads them: by their own clock, or else by the publication's."""

from datetime import datetime
from zoneinfo import ZoneInfo

from newsletter.delivery.local_time import read_time
from newsletter.desk.lookup import now
from newsletter.pages import page_zone

AS_TYPED = "%Y-%m-%dT%H:%M"  # how a browser's field for date and time has it


def zone() -> ZoneInfo:
    """The zone of whoever is at the desk."""
    return ZoneInfo(page_zone())


def as_typed(at: datetime | None) -> str:
    """A time as its field shows it; empty for none."""
    return f"{at.astimezone(zone()):{AS_TYPED}}" if at else ""


def typed_time(text: str) -> datetime:
    """The time to come that was typed; raises `BadTime`."""
    return read_time(text, zone(), now=now())
