"""My data: everything we hold about one reader and nothing about another, as a file."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from newsletter.database import Base, db, transaction
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.links import Purpose
from newsletter.mail.addresses import parse_address
from newsletter.pages import links
from newsletter.subscribers import address_change
from newsletter.subscribers.erasure import erase
from newsletter.subscribers.lookup import find
from newsletter.subscribers.models import (
    Bounce,
    BounceKind,
    LinksRequest,
    SuppressionReason,
)
from newsletter.subscribers.my_data import INNER
from newsletter.subscribers.suppression import suppress
from newsletter.subscribers.unsubscribe import unsubscribe
from tests.factories import make_subscriber
from tests.integration.readers import (
    answer_signups,
    ask,
    confirm_paths,
    the_subscriber,
)
from tests.publishing import publish_sample

AMAL, BASIM = "amal@reader.example", "basim@reader.example"
ABOUT_READERS = {
    "subscriber": "subscriber",
    "subscription": "subscription",
    "consent_event": "consent",
    "signup": "signups",
    "address_change": "address_changes",
    "links_request": "links_requests",
    "suppression": "suppressions",
    "bounce": "bounces",
    "notice": "notices",
    "delivery": "deliveries",
}


def now():
    return datetime.now(UTC)


@pytest.fixture
def link(browser):
    ask(browser, AMAL, sections=["western-response"])
    answer_signups(now())
    browser.post(confirm_paths(AMAL)[0])
    return f"/preferences/{links().token(Purpose.PREFERENCES, the_subscriber().id, 12)}"


def held(browser, link):
    return json.loads(browser.post(f"{link}/data").data)


def fill_every_place():
    """Let there be something of Amal's, and of Basim's, wherever something can be."""
    publish_sample()
    with transaction():
        for address in (AMAL, BASIM):
            found = find(address) or make_subscriber(address)
            db.session.add(
                Bounce(
                    subscriber_id=found.id,
                    kind=BounceKind.SOFT,
                    status="4.2.2",
                    text=f"452 {address} is over quota",
                    at=now(),
                )
            )
            db.session.add(
                LinksRequest(address=address, address_key=address, language="en", asked_at=now())
            )
            address_change.request_change(found.id, parse_address(f"new-{address}"), now=now())
            suppress(address, SuppressionReason.HARD_BOUNCE, source="bounce", now=now())
        db.session.execute(
            update(Delivery).values(state=DeliveryState.FAILED, answer=f"550 {AMAL}: no such user")
        )


def test_a_press_gives_a_file_whose_name_tells_nobody_whose_it_is(browser, link):
    answer = browser.post(f"{link}/data")

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.data)["subscriber"][0]["address"] == AMAL


def test_looking_shows_a_button_and_no_address(browser, link):
    for page in (browser.get(f"{link}/data"), browser.head(f"{link}/data")):
        assert page.status_code == 200
        assert AMAL not in page.text
        assert page.headers["Cache-Control"] == "no-store"
    assert "Get my data" in browser.get(f"{link}/data").text


def test_the_consent_stands_there_with_the_words_agreed_to(browser, link):
    told = held(browser, link)

    asked, confirmed = told["consent"]
    assert (asked["kind"], confirmed["kind"]) == ("asked", "confirmed")
    assert "By pressing the button" in asked["wording"]
    assert asked["choice"] == ["western-response"]
    assert told["subscription"][0]["choice"] == ["western-response"]
    assert told["subscription"][0]["format"] == "html"
    assert datetime.fromisoformat(confirmed["at"]).tzinfo


def test_every_issue_sent_stands_there_with_what_the_mail_server_said(browser, link):
    fill_every_place()
    (delivery,) = held(browser, link)["deliveries"]

    assert (delivery["issue"], delivery["state"]) == (87, "failed")
    assert delivery["answer"] == f"550 {AMAL}: no such user"


def test_every_place_that_holds_something_is_told(browser, link):
    fill_every_place()
    told = held(browser, link)

    assert {name for name in ABOUT_READERS.values() if not told[name]} == set()
    assert set(told) == {*ABOUT_READERS.values(), "publication", "written_at"}


AT_THE_DESK = {"editor", "invitation"}  # their own addresses, no reader's


def test_no_table_that_names_a_subscriber_or_an_address_is_passed_over():
    named = {"subscriber_id", "address", "address_key", "address_hash", "recipient"}
    tables = {
        table.name
        for table in Base.metadata.sorted_tables
        if named & set(table.columns.keys()) and table.name not in AT_THE_DESK
    }

    assert tables | {"subscriber"} == set(ABOUT_READERS)


def test_every_column_is_told_but_for_the_inner_ones(browser, link):
    fill_every_place()
    told = held(browser, link)
    for table, name in ABOUT_READERS.items():
        if table == "delivery":
            continue  # by the number of its issue, and without our own row numbers
        columns = set(Base.metadata.tables[table].columns.keys()) - INNER
        assert set(told[name][0]) == columns


def test_nothing_of_another_reader_stands_there(browser, link):
    fill_every_place()

    assert "basim" not in browser.post(f"{link}/data").text.lower()


def test_a_mail_that_is_on_its_way_stands_there_and_its_bytes_do_not(browser, link):
    told = held(browser, link)["notices"]

    assert [notice["kind"] for notice in told if notice["recipient"] == AMAL] == [
        "confirmation",
        "welcome",
    ]
    assert not {"message", "nonce"} & {key for notice in told for key in notice}
    assert "nonce" not in held(browser, link)["signups"][0]


def test_who_has_left_may_still_ask(browser, link):
    with transaction():
        unsubscribe(the_subscriber().id, None, source="page", reason="other", now=now())

    told = held(browser, link)
    assert told["subscriber"][0]["state"] == "unsubscribed"
    assert told["consent"][-1]["reason"] == "other"
    assert "/data" in browser.get(link).text


def test_of_an_erased_or_unknown_reader_there_is_nothing_to_tell(browser, link):
    with transaction():
        erase(the_subscriber().id, source="test", now=now())
    unknown = f"/preferences/{links().token(Purpose.PREFERENCES, 4711)}"

    assert browser.post(f"{link}/data").status_code == 410
    assert browser.post(f"{unknown}/data").status_code == 410
