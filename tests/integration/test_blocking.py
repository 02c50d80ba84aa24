"""Addresses that are not taken, by their looks alone, at every door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import NoticeKind
from newsletter.settings import SettingsError, load_settings
from newsletter.subscribers.blocking import BlockedAddress, refuse_blocked
from newsletter.subscribers.models import Signup
from newsletter.subscribers.tasks import answer_links_requests
from tests.factories import make_subscriber
from tests.integration.readers import Browser, ask, look_again, notices

PATTERNS = "*@throwaway.example *.spam.example bot*@mail.example Bought.Example"


@pytest.fixture
def browser(app, settings):
    look_again()
    strict = create_app(settings.model_copy(update={"blocked_addresses": PATTERNS}))
    return Browser(strict, strict.response_class)


def is_blocked(address, patterns=PATTERNS):
    try:
        refuse_blocked(parse_address(address), patterns)
    except BlockedAddress:
        return True
    return False


@pytest.mark.parametrize(
    "address",
    [
        "amal@throwaway.example",
        "AMAL@Throwaway.Example",
        "amal@one.spam.example",
        "amal@two.one.spam.example",
        "bot17@mail.example",
        "amal@bought.example",
        "abuse@reader.example",
        "no-reply@reader.example",
        "Postmaster@reader.example",
    ],
)
def test_what_a_pattern_matches_is_blocked(address):
    assert is_blocked(address)


@pytest.mark.parametrize(
    "address",
    [
        "amal@reader.example",
        "amal@spam.example",
        "amal@spam.example.org",
        "amal@notthrowaway.example",
        "robot@mail.example",
        "throwaway.example@reader.example",
        "abuse.amal@reader.example",
    ],
)
def test_what_only_looks_a_little_like_it_is_not(address):
    assert not is_blocked(address)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30))
def test_no_pattern_trips_whoever_signs_up(pattern):
    is_blocked("amal@reader.example", pattern)


def test_the_form_says_so_beside_what_was_typed_and_writes_nothing_down(browser):
    page = ask(browser, "amal@throwaway.example", sections=["western-response"])

    assert page.status_code == 400
    assert "this kind of address" in page.text
    assert 'role="alert"' in page.text
    assert 'value="amal@throwaway.example"' in page.text
    assert 'value="western-response" checked' in page.text
    look_again()
    assert db.session.scalars(select(Signup)).all() == []


def test_programs_and_frames_are_told_so_too(browser):
    page = browser.post("/api/v1/subscriptions", json={"address": "amal@one.spam.example"})
    assert page.status_code == 400
    assert page.json["type"] == "urn:newsletter:blocked_address"
    assert "another one" in page.json["detail"]

    framed = ask(browser, "amal@one.spam.example", path="/subscribe/embed")
    assert framed.status_code == 400


def test_who_reads_us_from_such_an_address_still_gets_the_links_to_leave(browser):
    with transaction():
        make_subscriber("amal@throwaway.example")

    assert ask(browser, "amal@throwaway.example", path="/manage").status_code == 200
    answer_links_requests()
    assert [n.recipient for n in notices(NoticeKind.LINKS)] == ["amal@throwaway.example"]


@pytest.mark.parametrize("patterns", ["*", "*@*", "a@b@c", "*@spam.exämple", "*.com *."])
def test_an_impossible_pattern_stops_the_start_and_names_the_setting(tmp_path, patterns):
    with pytest.raises(SettingsError, match="NEWSLETTER_BLOCKED_ADDRESSES") as refusal:
        load_settings(_env_file=None, instance_path=tmp_path, blocked_addresses=patterns)
    assert patterns not in str(refusal.value)
