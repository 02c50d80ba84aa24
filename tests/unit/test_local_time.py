"""The time at which an issue is to go out, as people write it."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.local_time import BadTime, Flaw, read_time

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")  # forward on 29 March 2026 at 2, back on 25 October at 3


def flaw_of(text, zone=BERLIN, now=NOW):
    with pytest.raises(BadTime) as refusal:
        read_time(text, zone, now=now)
    return refusal.value.flaw


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-17 06:30", datetime(2026, 3, 17, 5, 30, tzinfo=UTC)),
        ("2026-03-17T06:30", datetime(2026, 3, 17, 5, 30, tzinfo=UTC)),
        (" 2026-07-17T06:30:15 ", datetime(2026, 7, 17, 4, 30, 15, tzinfo=UTC)),
        ("2026-03-17T06:30Z", datetime(2026, 3, 17, 6, 30, tzinfo=UTC)),
        ("2026-03-17T06:30-05:00", datetime(2026, 3, 17, 11, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_meant_in_the_zone_of_the_publication_unless_it_says_another(text, at):
    assert read_time(text, BERLIN, now=NOW) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "06:30",
        "2026-03-17",
        "2026-13-01 06:30",
        "2026-03-17 25:00",
        "9999-12-31 23:59-12:00",
    ],
)
def test_what_is_no_date_with_a_time_is_refused(text):
    assert flaw_of(text) is Flaw.UNREADABLE


def test_the_past_is_refused_and_so_is_this_very_moment():
    assert flaw_of("2026-03-01 12:59") is Flaw.PAST
    assert flaw_of("2026-03-01 13:00") is Flaw.PAST
    assert read_time("2026-03-01 13:01", BERLIN, now=NOW) == NOW + timedelta(minutes=1)


def test_a_time_too_far_away_is_refused():
    assert flaw_of("9999-12-31 23:59") is Flaw.FAR
    assert flaw_of("2036-03-02 13:00") is Flaw.FAR
    assert read_time("2036-03-01 06:30", BERLIN, now=NOW).year == 2036


def test_an_hour_that_clocks_leave_out_is_refused():
    assert flaw_of("2026-03-29 02:00") is Flaw.MISSING
    assert flaw_of("2026-03-29 02:30") is Flaw.MISSING
    assert read_time("2026-03-29 01:59", BERLIN, now=NOW).hour == 0
    assert read_time("2026-03-29 03:00", BERLIN, now=NOW).hour == 1


def test_an_hour_that_comes_twice_is_refused_unless_it_is_said_which():
    assert flaw_of("2026-10-25 02:00") is Flaw.TWICE
    assert flaw_of("2026-10-25 02:59") is Flaw.TWICE
    assert read_time("2026-10-25 02:30+02:00", BERLIN, now=NOW).hour == 0
    assert read_time("2026-10-25 02:30+01:00", BERLIN, now=NOW).hour == 1
    assert read_time("2026-10-25 03:00", BERLIN, now=NOW).hour == 2


@given(
    at=st.datetimes(datetime(2026, 3, 2), datetime(2036, 2, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # the zone comes beside it
    zone=st.sampled_from(["Africa/Tripoli", "Europe/Berlin", "America/St_Johns", "Africa/Cairo"]),
)
def test_a_time_that_a_clock_shows_once_is_read_back_as_it_was(at, zone):
    at = at.replace(microsecond=0)
    shown = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    try:
        read: datetime | Flaw = read_time(shown.isoformat(), ZoneInfo(zone), now=NOW)
    except BadTime as refusal:
        read = refusal.flaw
    assert read in {at, Flaw.TWICE}


@given(text=st.text())
def test_whatever_is_typed_is_a_time_to_come_or_is_refused(text):
    with suppress(BadTime):
        assert read_time(text, BERLIN, now=NOW) > NOW
