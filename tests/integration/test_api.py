"""Programs sign readers up by JSON, at the same entrance as people."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.subscribers.models import Signup, SubscriberState, SuppressionReason
from newsletter.subscribers.suppression import suppress
from tests.factories import choice_of, make_subscriber
from tests.integration.readers import Browser, answer_signups, ask, confirm_paths, look_again

AMAL = "amal@reader.example"
PATH = "/api/v1/subscriptions"


def signups():
    look_again()
    return list(db.session.scalars(select(Signup)))


def problem(page):
    assert page.content_type == "application/problem+json"
    assert page.json["status"] == page.status_code
    return page.json["detail"]


def test_a_program_asks_and_the_reader_confirms(browser):
    sent = {"address": AMAL, "sections": ["western-response"], "language": "ar"}
    page = browser.post(PATH, json=sent)

    assert page.status_code == 202
    (signup,) = signups()
    assert (signup.address_key, signup.choice, signup.language, signup.source) == (
        AMAL,
        choice_of("western-response"),
        "ar",
        "api",
    )
    answer_signups(datetime.now(UTC))
    assert browser.post(confirm_paths(AMAL)[0]).status_code == 200


def test_only_the_address_must_be_given(browser):
    assert browser.post(PATH, json={"address": AMAL}).status_code == 202
    (signup,) = signups()
    assert (signup.choice, signup.language) == (0, "en")


def test_the_answer_is_the_same_for_everybody(browser):
    now = datetime.now(UTC)
    with transaction():
        make_subscriber("confirmed@reader.example")
        make_subscriber("gone@reader.example", state=SubscriberState.UNSUBSCRIBED)
        for reason in SuppressionReason:
            suppress(f"{reason}@reader.example", reason, source="test", now=now)
    browser.post(PATH, json={"address": "waiting@reader.example"})
    answer_signups(now)

    names = ["new", "confirmed", "gone", "waiting", *SuppressionReason]
    pages = [browser.post(PATH, json={"address": f"{n}@reader.example"}) for n in names]

    assert {page.status_code for page in pages} == {202}
    assert len({page.data for page in pages}) == 1
    assert len({tuple(sorted(page.headers.items())) for page in pages}) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"address=amal@reader.example", "JSON"),
        (b"\xff\xfe{}", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "object"),
        (b"{}", "address"),
        (b'{"address": null}', "address"),
        (b'{"address": 7}', "address"),
        (b'{"address": ["amal@reader.example"]}', "address"),
        (b'{"address": "amal@reader.example", "sections": "western-response"}', "sections"),
        (b'{"address": "amal@reader.example", "sections": [1]}', "sections"),
        (b'{"address": "amal@reader.example", "language": 1}', "language"),
        (b'{"address": "amal@reader.example", "adress": "x"}', "adress"),
        (b'{"address": "amal@reader.example", "sections": ["gossip"]}', "western-response"),
        (b'{"address": "amal@reader.example", "language": "tlh"}', "en, ar"),
        (b'{"address": "amal"}', "There is no @"),
        (b'{"address": "amal\\u0000@reader.example"}', "invisible"),
        (b'{"address": "amal\\nBcc: x@reader.example"}', "invisible"),
        (json.dumps({"address": "x" * 3000}).encode(), "address"),
        (json.dumps({"address": AMAL, "sections": ["x"] * 100}).encode(), "sections"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_problem_document(browser, body, words):
    page = browser.post(PATH, data=body, content_type="application/json")

    assert page.status_code == 400
    assert words in problem(page)
    assert signups() == []


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_no_page_of_another_site_can_make_its_visitors_browsers_sign_anybody_up(
    browser, content_type
):
    """Only what is not called JSON may a browser send unasked (Fetch, CORS-safelisted)."""
    body = json.dumps({"address": AMAL})
    page = browser.post(PATH, data=body, content_type=content_type)

    assert page.status_code == 400
    assert "application/json" in problem(page)
    asked = browser.options(PATH, headers={"Origin": "https://other.example"})
    assert not [name for name, _value in asked.headers if name.startswith("Access-Control")]
    assert signups() == []


def test_too_large_a_document_and_another_method_are_problems_too(browser):
    large = browser.post(PATH, data=b" " * 3_000_000, content_type="application/json")
    assert large.status_code == 413
    problem(large)

    other = browser.get(PATH)
    assert other.status_code == 405
    assert "POST" in other.headers["Allow"]
    problem(other)


def test_a_network_that_asks_too_often_is_told_when_to_come_back(app, settings):
    look_again()
    busy = create_app(settings.model_copy(update={"signups_per_network_per_hour": 2}))
    browser = Browser(busy, busy.response_class)

    assert browser.post(PATH, json={"address": "one@reader.example"}).status_code == 202
    assert ask(browser, "two@reader.example").status_code == 200  # the same gate for the form
    for page in (
        browser.post(PATH, json={"address": "three@reader.example"}),
        ask(browser, "three@reader.example"),
    ):
        assert page.status_code == 429
        assert 0 < int(page.headers["Retry-After"]) <= 3600
    assert len(signups()) == 2

    elsewhere = {"environ_base": {"REMOTE_ADDR": "192.0.2.77"}}
    assert browser.post(PATH, json={"address": "x@reader.example"}, **elsewhere).status_code == 202


def test_a_refusal_for_being_busy_says_nothing_about_the_address(app, settings):
    with transaction():
        make_subscriber("confirmed@reader.example")
    look_again()
    busy = create_app(settings.model_copy(update={"signups_per_domain_per_hour": 1}))
    browser = Browser(busy, busy.response_class)
    ask(browser, "first@reader.example")

    known = browser.post(PATH, json={"address": "confirmed@reader.example"})
    unknown = browser.post(PATH, json={"address": "stranger@reader.example"})
    assert known.status_code == unknown.status_code == 429
    said = [problem(page).partition("try again")[0] for page in (known, unknown)]
    assert said[0] == said[1]
    assert browser.post(PATH, json={"address": "amal@other.example"}).status_code == 202


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["address", "sections", "language", "x"]), inner)
        ),
        max_leaves=8,
    )
)
@hypothesis_settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_a_program_sends_gets_an_answer(browser, body):
    page = browser.post(PATH, json=body)

    assert page.status_code in {202, 400, 429}
