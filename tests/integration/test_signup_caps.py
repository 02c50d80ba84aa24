"""Nobody can fill a stranger's mailbox through our form, and honest people can come back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import NoticeKind
from newsletter.subscribers.models import Signup, SuppressionReason
from newsletter.subscribers.signup import (
    answer_signup,
    confirm_signup,
    forget_unconfirmed,
    request_signup,
)
from newsletter.subscribers.suppression import suppress
from newsletter.subscribers.wishes import Wish
from tests.integration.readers import (
    answer_signups,
    confirm_paths,
    look_again,
    notices,
    the_subscriber,
)

AMAL = "amal@reader.example"
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def ask_at(now, address=AMAL):
    with transaction():
        request_signup(
            parse_address(address), Wish(0, "en"), source="form", wording="Yes, please.", now=now
        )


def asked_and_answered(now, address=AMAL):
    ask_at(now, address)
    answer_signups(now)
    return len(notices(NoticeKind.CONFIRMATION))


def confirm_newest(now):
    with transaction():
        confirm_signup(confirm_paths()[-1].rpartition("/")[2], now=now)


def forget(now):
    with transaction():
        forget_unconfirmed(now=now)


def signups():
    look_again()
    return list(db.session.scalars(select(Signup)))


def test_one_unanswered_confirmation_a_day(app):
    assert asked_and_answered(NOON) == 1
    assert asked_and_answered(NOON + timedelta(hours=23)) == 1
    assert asked_and_answered(NOON + DAY) == 2


def test_three_unanswered_confirmations_a_month(app):
    for day in range(4):
        asked_and_answered(NOON + day * DAY)
    assert len(notices(NoticeKind.CONFIRMATION)) == 3

    assert asked_and_answered(NOON + 29 * DAY) == 3
    assert asked_and_answered(NOON + 30 * DAY) == 4


def test_silence_leaves_no_trace_of_who_asked(app):
    asked_and_answered(NOON)
    asked_and_answered(NOON)

    known, silent = signups()
    assert known.address == AMAL
    assert (silent.address, silent.address_key, silent.nonce) == ("", "@reader.example", 0)
    forget(NOON + timedelta(hours=1))
    assert [signup.id for signup in signups()] == [known.id]


def test_a_confirmed_one_resets_the_count(app):
    for day in range(3):
        asked_and_answered(NOON + day * DAY)
    confirm_newest(NOON + 2 * DAY)

    assert asked_and_answered(NOON + 2 * DAY) == 4
    assert asked_and_answered(NOON + 2 * DAY) == 4


@pytest.mark.parametrize(
    "disguises",
    [
        [
            "amal@reader.example",
            "AMAL@reader.example",
            "amal+1@reader.example",
            "amal+@reader.example",
        ],
        ["a.mal@gmail.com", "amal@gmail.com", "am.al+x@googlemail.com"],
    ],
)
def test_a_disguise_makes_no_new_mailbox(app, disguises):
    for address in disguises:
        ask_at(NOON, address)
    answer_signups(NOON)

    assert len(notices(NoticeKind.CONFIRMATION)) == 1


def test_neighbours_are_counted_apart(app):
    for address in (AMAL, "basim@reader.example", "amal@other.example"):
        ask_at(NOON, address)
    answer_signups(NOON)

    assert len(notices(NoticeKind.CONFIRMATION)) == 3


def test_the_count_and_the_no_outlive_a_change_of_keys(app, settings):
    asked_and_answered(NOON)
    with transaction():
        suppress("no@reader.example", SuppressionReason.COMPLAINT, source="test", now=NOON)
    look_again()

    keys = f"a new key that is put in front of it,{settings.secret_keys[0]}"
    with create_app(settings.model_copy(update={"secret_key": SecretStr(keys)})).app_context():
        assert asked_and_answered(NOON) == 1
        assert asked_and_answered(NOON, "no@reader.example") == 1
        look_again()


@pytest.mark.parametrize("reason", ["complaint", "manual", "never_again"])
def test_a_no_for_good_stops_confirmations_too(app, reason):
    with transaction():
        suppress(AMAL, SuppressionReason(reason), source="test", now=NOON)

    assert asked_and_answered(NOON) == 0
    assert [signup.address for signup in signups()] == [""]
    assert the_subscriber() is None


def test_after_a_hard_bounce_one_confirmation_a_month_may_go_out(app):
    with transaction():
        suppress(AMAL, SuppressionReason.HARD_BOUNCE, source="test", now=NOON)

    assert asked_and_answered(NOON) == 1
    assert asked_and_answered(NOON + 2 * DAY) == 1
    assert asked_and_answered(NOON + 30 * DAY) == 2


def test_many_workers_at_once_answer_one_mailbox_once(app):
    for tag in range(8):
        ask_at(NOON, f"amal+{tag}@reader.example")
    ids = [signup.id for signup in signups()]

    def work(signup_id):
        with app.app_context(), transaction():
            answer_signup(signup_id, now=NOON)

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(work, ids))

    assert len(notices(NoticeKind.CONFIRMATION)) == 1
    assert len([signup for signup in signups() if signup.address]) == 1


def test_many_workers_at_once_answer_each_request_once(app):
    for number in range(6):
        ask_at(NOON, f"reader{number}@reader.example")
    ids = [signup.id for signup in signups()]

    def work(_worker):
        for signup_id in ids:
            with app.app_context(), transaction():
                answer_signup(signup_id, now=NOON)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))

    assert sorted(notice.recipient for notice in notices()) == [
        f"reader{number}@reader.example" for number in range(6)
    ]
    assert len(signups()) == 6


def test_a_request_that_was_answered_is_left_alone(app):
    ask_at(NOON)
    (signup,) = signups()
    for _ in range(2):
        with transaction():
            answer_signup(signup.id, now=NOON)

    assert len(notices(NoticeKind.CONFIRMATION)) == 1
    confirm_newest(NOON)
