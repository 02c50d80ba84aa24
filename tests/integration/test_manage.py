"""Readers without an old mail at hand get their links by mail; nobody learns who reads us."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from newsletter.background import NOTICES, waiting
from newsletter.database import db, transaction
from newsletter.notices.models import NoticeKind
from newsletter.subscribers.models import LinksRequest, SubscriberState, SuppressionReason
from newsletter.subscribers.suppression import suppress
from newsletter.subscribers.tasks import answer_links_requests
from tests.factories import make_subscriber
from tests.integration.readers import (
    answer_signups,
    ask,
    confirm_paths,
    hidden_fields,
    look_again,
    mails,
    notices,
    path_in,
)

AMAL = "amal@reader.example"


def requests():
    look_again()
    return list(db.session.scalars(select(LinksRequest)))


def ask_for_links(browser, address, path="/manage"):
    return ask(browser, address, path=path)


def test_a_reader_gets_the_links_in_their_own_language_and_they_work(browser):
    with transaction():
        make_subscriber(AMAL, language="ar")

    assert ask_for_links(browser, " Amal@Reader.example ").status_code == 200
    answer_links_requests()

    (mail,) = mails(NoticeKind.LINKS)
    assert mail["To"] == AMAL
    assert mail["Content-Language"] == "ar"
    assert browser.get(path_in(mail, "preferences")).status_code == 200
    assert browser.post(path_in(mail, "unsubscribe")).status_code == 200


def test_who_asked_is_forgotten_as_soon_as_it_is_answered(browser):
    with transaction():
        make_subscriber(AMAL)
    ask_for_links(browser, AMAL)
    ask_for_links(browser, "stranger@reader.example")
    assert len(requests()) == 2

    answer_links_requests()
    assert requests() == []


def test_the_answer_is_the_same_for_everybody(browser):
    now = datetime.now(UTC)
    with transaction():
        make_subscriber("confirmed@reader.example")
        make_subscriber("gone@reader.example", state=SubscriberState.UNSUBSCRIBED)
        for reason in SuppressionReason:
            make_subscriber(f"{reason}@reader.example")
            suppress(f"{reason}@reader.example", reason, source="test", now=now)
    ask_for_links(browser, "confirmed@reader.example")
    answer_links_requests()

    names = ["new", "confirmed", "gone", *SuppressionReason]
    pages = [ask_for_links(browser, f"{name}@reader.example") for name in names]

    assert {page.status_code for page in pages} == {200}
    assert len({page.data for page in pages}) == 1
    assert len({tuple(sorted(page.headers.items())) for page in pages}) == 1


@pytest.mark.parametrize("state", [SubscriberState.PENDING, SubscriberState.UNSUBSCRIBED])
def test_who_does_not_read_us_gets_nothing(browser, state):
    with transaction():
        make_subscriber(AMAL, state=state)
    ask_for_links(browser, AMAL)
    ask_for_links(browser, "stranger@reader.example")
    answer_links_requests()

    assert notices() == []


def test_who_must_never_be_written_to_is_not(browser):
    with transaction():
        make_subscriber(AMAL)
        suppress(AMAL, SuppressionReason.COMPLAINT, source="test", now=datetime.now(UTC))
    ask_for_links(browser, AMAL)
    answer_links_requests()

    assert notices() == []


def test_there_is_one_such_mail_a_day(browser):
    with transaction():
        make_subscriber(AMAL)
    for address in (AMAL, "amal+again@reader.example", AMAL):
        ask_for_links(browser, address)
        answer_links_requests()

    assert len(notices()) == 1


def test_no_stranger_keeps_a_reader_from_their_links_by_the_form(browser):
    with transaction():
        make_subscriber("basim@reader.example")
    ask(browser, "basim@reader.example")
    answer_signups(datetime.now(UTC))
    ask_for_links(browser, "basim@reader.example")
    answer_links_requests()

    assert len(notices(NoticeKind.LINKS)) == 1


def test_who_has_just_confirmed_may_ask(browser):
    ask(browser, AMAL)
    answer_signups(datetime.now(UTC))
    assert browser.post(confirm_paths(AMAL)[0]).status_code == 200
    ask_for_links(browser, AMAL)
    answer_links_requests()

    assert len(notices(NoticeKind.LINKS)) == 1


def test_what_is_no_address_comes_back_with_the_reason(browser):
    page = ask_for_links(browser, "amal@reader", path="/ar/manage")

    assert page.status_code == 400
    assert 'aria-describedby="address-error"' in page.text
    assert 'value="amal@reader"' in page.text
    assert requests() == []


def test_a_page_of_unknown_age_asks_for_one_press_more(browser):
    page = browser.post("/manage", data={"address": AMAL})
    assert "once more" in page.text
    assert requests() == []

    browser.post("/manage", data=hidden_fields(page) | {"address": AMAL})
    assert len(requests()) == 1


def test_a_request_calls_a_worker(browser):
    before = waiting(NOTICES)
    ask_for_links(browser, AMAL)

    assert waiting(NOTICES) == before + 1


def test_the_same_gate_holds(browser, app):
    pages = [ask_for_links(browser, f"reader{n}@reader.example") for n in range(61)]

    assert pages[-1].status_code == 429
    assert int(pages[-1].headers["Retry-After"]) > 0
    assert 'value="reader60@reader.example"' in pages[-1].text
