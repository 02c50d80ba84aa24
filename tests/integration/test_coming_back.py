"""Coming back works, through a confirmation that proves the mailbox; but not after a promise."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.delivery.fanout import audience
from newsletter.issues.models import Issue
from newsletter.links import Purpose
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import NoticeKind
from newsletter.pages import links
from newsletter.subscribers.erasure import erase
from newsletter.subscribers.models import SubscriberState, SuppressionReason
from newsletter.subscribers.signup import answer_signup, confirm_signup, request_signup
from newsletter.subscribers.suppression import reason_of, suppress
from newsletter.subscribers.unsubscribe import unsubscribe
from newsletter.subscribers.wishes import Wish
from tests.factories import make_issue, make_subscriber
from tests.integration.readers import (
    answer_signups,
    ask,
    confirm_paths,
    events,
    look_again,
    notices,
    the_subscriber,
)

AMAL = "amal@reader.example"
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture
def amal(app):
    with transaction():
        return make_subscriber(AMAL)


def asks(at):
    """Ask to subscribe, and see how many confirmations have come by then."""
    with transaction():
        found = request_signup(
            parse_address(AMAL), Wish(0, "en"), source="form", wording="Yes, please.", now=at
        )
    with transaction():
        answer_signup(found.id, now=at)
    return len(notices(NoticeKind.CONFIRMATION))


def confirms(at):
    with transaction():
        confirm_signup(confirm_paths()[-1].rpartition("/")[2], now=at)
    look_again()


def reads(at):
    """Whether an issue that is sent now would go to somebody."""
    issue = db.session.scalars(select(Issue)).one_or_none()
    if issue is None:
        with transaction():
            issue = make_issue()
    return audience(issue, now=at).total == 1


def test_who_left_comes_back_by_a_new_confirmation(amal):
    with transaction():
        unsubscribe(amal.id, None, source="page", now=NOON)
    assert not reads(NOON)

    assert asks(NOON + timedelta(hours=1)) == 1
    assert not reads(NOON + timedelta(hours=1))
    confirms(NOON + timedelta(hours=2))
    assert the_subscriber().id == amal.id
    assert reads(NOON + timedelta(hours=2))


def test_a_dead_mailbox_comes_back_by_a_fresh_confirmation_once_a_month_at_most(amal):
    with transaction():
        suppress(AMAL, SuppressionReason.HARD_BOUNCE, source="bounce", now=NOON)
    assert not reads(NOON)

    assert asks(NOON) == 1
    assert asks(NOON + timedelta(days=2)) == 1
    assert asks(NOON + MONTH) == 2
    assert not reads(NOON + MONTH)
    confirms(NOON + MONTH)
    assert reason_of(AMAL) is None
    assert reads(NOON + MONTH)


def test_who_was_erased_comes_back_as_somebody_new_once_a_month_at_most(amal):
    with transaction():
        erase(amal.id, source="page", now=NOON)

    assert asks(NOON) == 1
    assert asks(NOON + timedelta(days=2)) == 1
    assert asks(NOON + MONTH) == 2
    confirms(NOON + MONTH)
    assert the_subscriber().id != amal.id
    assert reason_of(AMAL) is None
    assert reads(NOON + MONTH)
    assert [event.kind for event in events()] == ["asked", "asked", "confirmed"]


def test_the_old_links_of_who_was_erased_reach_nothing_of_who_came_back(browser, amal):
    token = links().token(Purpose.PREFERENCES, amal.id)
    leave = links().token(Purpose.UNSUBSCRIBE, amal.id)
    with transaction():
        erase(amal.id, source="page", now=NOON)
    asks(NOON)
    confirms(NOON)

    assert browser.post(f"/preferences/{token}/data").status_code == 410
    assert browser.post(f"/unsubscribe/{leave}").status_code == 200
    assert the_subscriber().state is SubscriberState.CONFIRMED


@pytest.mark.parametrize("reason", ["complaint", "manual", "never_again"])
@pytest.mark.parametrize("erased", [True, False])
def test_nobody_is_written_to_again_after_a_promise(amal, reason, erased):
    with transaction():
        suppress(AMAL, SuppressionReason(reason), source="test", now=NOON)
        if erased:
            erase(amal.id, source="page", now=NOON)

    assert asks(NOON + timedelta(days=400)) == 0
    assert not reads(NOON + timedelta(days=400))


def test_a_promise_made_while_a_confirmation_was_on_its_way_holds(browser, amal):
    with transaction():
        unsubscribe(amal.id, None, source="page", now=datetime.now(UTC))
    ask(browser, AMAL)
    look_again()
    answer_signups(datetime.now(UTC))
    with transaction():
        suppress(AMAL, SuppressionReason.NEVER_AGAIN, source="page", now=datetime.now(UTC))

    page = browser.post(confirm_paths()[-1])
    assert page.status_code == 410
    assert "promised not to write" in page.text
    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED


@pytest.mark.parametrize("reason", ["hard_bounce", "complaint"])
def test_the_preference_page_says_why_nothing_comes_and_what_helps(browser, amal, reason):
    link = f"/preferences/{links().token(Purpose.PREFERENCES, amal.id)}"
    assert "Nothing is sent to you" not in browser.get(link).text
    with transaction():
        suppress(AMAL, SuppressionReason(reason), source="test", now=NOON)

    page = browser.get(link)
    assert page.status_code == 200
    assert "subscribe once more with the same address" in page.text
    assert "we keep to that: give another address below" in page.text


def test_every_way_out_says_how_to_come_back(browser, amal):
    leave = f"/unsubscribe/{links().token(Purpose.UNSUBSCRIBE, amal.id)}"
    erasure = f"/preferences/{links().token(Purpose.PREFERENCES, amal.id)}/erase"

    assert "you can subscribe again at any time" in browser.post(leave).text
    assert "subscribe as if for the first time" in browser.post(erasure).text
