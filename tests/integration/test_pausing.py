"""A reader may pause: nothing comes before the day they chose, and then all is as before."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.database import transaction
from newsletter.delivery.fanout import audience
from newsletter.issues.models import Format
from newsletter.links import Purpose
from newsletter.pages import links
from newsletter.subscribers.models import ConsentKind, SubscriberState
from newsletter.subscribers.pausing import BadPause, end_pause, local_day, pause, read_pause
from newsletter.subscribers.unsubscribe import unsubscribe
from tests.factories import make_issue, make_subscriber
from tests.integration.readers import answer_signups, ask, confirm_paths, events
from tests.integration.readers import the_subscriber as reader

AMAL = "amal@reader.example"
TODAY = date(2026, 11, 17)


def now():
    return datetime.now(UTC)


def today():
    return local_day(now())


@pytest.fixture
def link(app):
    with transaction():
        found = make_subscriber(AMAL, language="en")
    return f"/preferences/{links().token(Purpose.PREFERENCES, found.id, 12)}"


def test_one_press_pauses_for_some_weeks(browser, link):
    page = browser.post(f"{link}/pause", data={"weeks": "4"})

    assert page.status_code == 200
    assert 'role="status"' in page.text
    assert "End the pause now" in page.text
    assert local_day(reader().paused_until) == today() + timedelta(weeks=4)


def test_a_reader_may_choose_the_day(browser, link):
    day = today() + timedelta(days=10)
    page = browser.post(f"{link}/pause", data={"until": day.isoformat()})

    assert page.status_code == 200
    assert local_day(reader().paused_until) == day
    (event,) = events()
    assert (event.kind, event.reason) == (ConsentKind.PAUSED, f"until {day}")


def test_a_pause_ends_as_the_day_begins_where_the_publication_is(app):
    app.extensions["settings"] = app.extensions["settings"].model_copy(
        update={"time_zone": "Africa/Tripoli"}
    )
    with transaction():
        found = make_subscriber(AMAL)
        pause(found.id, date(2026, 12, 1), source="test", now=now())

    assert reader().paused_until == datetime(2026, 11, 30, 22, 0, tzinfo=UTC)


def test_an_issue_passes_by_who_pauses_and_comes_again_from_the_day_on(app, link):
    with transaction():
        issue = make_issue()
        pause(reader().id, TODAY, source="test", now=now())
    begins = reader().paused_until

    assert audience(issue, now=begins - timedelta(seconds=1)).total == 0
    assert audience(issue, now=begins).total == 1


def test_a_pause_can_be_ended_early(browser, link):
    browser.post(f"{link}/pause", data={"weeks": "12"})
    page = browser.post(f"{link}/pause")

    assert "The pause is over" in page.text
    assert "End the pause now" not in page.text
    assert reader().paused_until is None
    assert [e.kind for e in events()] == [ConsentKind.PAUSED] * 2


def test_ending_what_has_not_begun_changes_nothing(browser, link):
    assert browser.post(f"{link}/pause").status_code == 200
    assert events() == []


def test_a_pause_that_is_over_is_not_shown(browser, link):
    with transaction():
        reader().paused_until = now() - timedelta(minutes=1)

    assert "End the pause now" not in browser.get(link).text


@pytest.mark.parametrize(
    "sent",
    [
        {"until": ""},
        {"until": "tomorrow"},
        {"until": "2026-02-30"},
        {"until": "1999-01-01"},
        {"until": "9999-12-31"},
        {"weeks": "3"},
        {"weeks": "4\x00"},
    ],
)
def test_a_day_that_cannot_be_is_refused_beside_its_field(browser, link, sent):
    page = browser.post(f"{link}/pause", data=sent)

    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert 'aria-invalid="true"' in page.text
    if sent.get("until"):
        assert f'value="{sent["until"]}"' in page.text
    assert reader().paused_until is None


def test_today_is_too_early_and_a_year_is_long_enough(app):
    year = timedelta(days=366)
    with pytest.raises(BadPause):
        read_pause("", TODAY.isoformat(), today=TODAY)
    with pytest.raises(BadPause):
        read_pause("", (TODAY + year + timedelta(days=1)).isoformat(), today=TODAY)
    assert read_pause("", (TODAY + year).isoformat(), today=TODAY) == TODAY + year


@given(weeks=st.text(max_size=5) | st.just(""), until=st.text(max_size=20))
def test_whatever_is_sent_as_a_day_is_a_day_ahead_or_refused(weeks, until):
    try:
        day = read_pause(weeks, until, today=TODAY)
    except BadPause:
        return
    assert TODAY < day <= TODAY + timedelta(days=366)


def test_looking_changes_nothing(browser, link):
    for path in (link, f"{link}/pause"):
        for page in (browser.get(path), browser.head(path)):
            assert page.status_code == 200
            assert page.headers["Cache-Control"] == "no-store"
    assert reader().paused_until is None


def test_the_page_says_until_when_in_the_readers_language(browser, link):
    sent = {"language": "ar", "format": "html"}
    browser.post(link, data=sent)
    page = browser.post(f"{link}/pause", data={"until": (today() + timedelta(days=3)).isoformat()})

    assert '<html lang="ar" dir="rtl">' in page.text
    assert reader().subscription.format is Format.HTML


def test_who_has_left_has_nothing_to_pause(browser, link):
    with transaction():
        unsubscribe(reader().id, None, source="page", now=now())

    assert browser.post(f"{link}/pause", data={"weeks": "2"}).status_code == 410
    assert reader().paused_until is None


def test_leaving_ends_a_pause_and_so_does_coming_back(browser, link):
    browser.post(f"{link}/pause", data={"weeks": "12"})
    with transaction():
        unsubscribe(reader().id, None, source="page", now=now())
    assert reader().paused_until is None

    with transaction():
        found = make_subscriber("basim@reader.example")
        pause(found.id, today() + timedelta(days=30), source="test", now=now())
    ask(browser, "basim@reader.example")
    answer_signups(now())
    browser.post(confirm_paths("basim@reader.example")[-1])
    assert reader("basim@reader.example").paused_until is None


def test_a_pause_is_only_for_who_reads_us(app):
    with transaction():
        pending = make_subscriber(AMAL, state=SubscriberState.PENDING)
    with pytest.raises(Exception, match="not subscribed"), transaction():
        end_pause(pending.id, source="test", now=now())
