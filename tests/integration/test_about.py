"""The page that says who we are and what becomes of what readers tell us."""

import html
from datetime import UTC, datetime, timedelta

import pytest

from newsletter.archive.stored import holdings
from newsletter.database import transaction
from newsletter.delivery.notices import KEPT
from newsletter.subscribers.signup import COUNTED_FOR, VALID_DAYS
from tests.emails.pages import Page
from tests.factories import section_called

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)


@pytest.mark.parametrize("prefix", ["", "/ar"])
def test_everything_that_is_stored_is_said_and_how_long(app, client, prefix):
    page = Page(client.get(f"{prefix}/about").text)

    with app.test_request_context(f"{prefix}/about"):
        told = holdings()
    for holding in told:
        for words in (holding.title, holding.kept, *holding.sentences):
            assert html.unescape(words) in page.text


def test_the_days_and_hours_are_those_that_the_service_keeps_to(client):
    page = Page(client.get("/about").text)

    assert f"Without a confirmation: {VALID_DAYS} days." in page.text
    assert f"until it is sent. The rest: {KEPT.days} days more." in page.text
    assert "the domain of the address alone is kept, for an hour." in page.text
    assert timedelta(hours=1) == COUNTED_FOR


def test_it_leads_to_the_sections_the_links_and_whoever_answers(client, settings):
    page = Page(client.get("/about").text)

    assert "/sections/western-response" in page.links
    assert "/manage" in page.links
    assert settings.postal_address in page.text
    assert any(link.startswith("mailto:") for link in page.links)


def test_a_section_that_is_retired_is_no_longer_named(client):
    with transaction():
        section_called("western-response").retired_at = NOW

    assert "/sections/western-response" not in Page(client.get("/about").text).links


def test_it_sets_no_cookie_and_may_be_kept(client):
    page = client.get("/about")

    again = client.get("/about", headers={"If-None-Match": page.headers["ETag"]})

    assert "Set-Cookie" not in page.headers
    assert "public" in page.headers["Cache-Control"]
    assert again.status_code == 304
