"""What search engines are told: where everything public stands, and where they should not look."""

import re
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from typing import Any
from urllib.robotparser import RobotFileParser

import pytest
from flask.testing import FlaskClient

from newsletter.links import Purpose
from newsletter.pages import links
from tests.issue_files import issue_file
from tests.publishing import NOON, draft, publish, publish_sample, publish_week

SITE = "http://127.0.0.1:8000"
AT_THE_DESK = {Purpose.INVITATION, Purpose.PASSWORD_RESET}
NAMES = {
    "map": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
}


def urls(client: FlaskClient) -> dict[str, Any]:
    """Every entry by its address, as a search engine reads them."""
    response = client.get("/sitemap.xml")
    assert response.status_code == 200
    assert response.content_type.startswith("application/xml")
    root = ET.fromstring(response.data)  # noqa: S314  # our own sitemap
    entries = root.findall("map:url", NAMES)
    found = {entry.findtext("map:loc", "", NAMES): entry for entry in entries}
    assert len(found) == len(entries)
    return found


def alternates(entry: Any) -> dict[str, str]:
    return {link.get("hreflang"): link.get("href") for link in entry.findall("xhtml:link", NAMES)}


def robots(client: FlaskClient) -> RobotFileParser:
    parser = RobotFileParser()
    parser.parse(client.get("/robots.txt").text.splitlines())
    return parser


def test_every_address_in_the_sitemap_leads_to_a_page(client):
    publish_sample()

    for address in urls(client):
        path = address.removeprefix(SITE)
        assert path.startswith("/"), address
        assert client.get(path).status_code == 200, address


def test_the_sitemap_holds_every_issue_and_every_section_of_it_in_every_language(client):
    publish_sample()
    publish_week(86)

    found = {address.removeprefix(SITE) for address in urls(client)}

    assert {
        "/",
        "/ar/",
        "/issues/",
        "/about",
        "/subscribe",
        "/sections/isis-in-action",
        "/issues/87",
        "/ar/issues/87",
        "/issues/87/western-response",
        "/ar/issues/87/isis-in-action",
        "/issues/86",
        "/issues/86/isis-in-action",
    } <= found
    assert "/ar/issues/87/western-response" not in found  # there is no Arabic of it
    assert "/ar/issues/86" not in found


def test_pages_in_two_languages_name_each_other(client):
    publish_sample()
    both = {"en": f"{SITE}/issues/87", "ar": f"{SITE}/ar/issues/87"}

    found = urls(client)

    assert alternates(found[both["en"]]) == both
    assert alternates(found[both["ar"]]) == both
    assert alternates(found[f"{SITE}/issues/87/western-response"]) == {}


def test_the_languages_in_the_sitemap_are_those_that_the_pages_name(client):
    publish_sample()

    for address, entry in urls(client).items():
        page = client.get(address.removeprefix(SITE)).text
        named = dict(re.findall(r'<link rel="alternate" hreflang="(\w\w)" href="([^"]+)"', page))
        if len(named) > 1:
            assert alternates(entry) == named, address


def test_an_issue_says_when_it_changed_last(client):
    publish(issue_file(number=87), now=NOON + timedelta(hours=3))

    entry = urls(client)[f"{SITE}/issues/87"]

    changed = datetime.fromisoformat(entry.findtext("map:lastmod", namespaces=NAMES))
    assert changed == NOON + timedelta(hours=3)


def test_nothing_of_a_draft_is_in_the_sitemap(client):
    publish_week(86)
    before = client.get("/sitemap.xml").data
    draft(issue_file(number=87))

    assert client.get("/sitemap.xml").data == before


def test_there_is_a_sitemap_before_the_first_issue(client):
    assert f"{SITE}/" in urls(client)


def test_the_newest_issues_come_first_so_that_a_full_sitemap_lacks_the_oldest(client):
    for number in (2, 1, 3):
        publish_week(number)

    issues = [address for address in urls(client) if re.search(r"/issues/\d+$", address)]

    assert issues == [f"{SITE}/issues/{number}" for number in (3, 2, 1)]


def test_a_sitemap_that_has_not_changed_is_not_sent_again(client):
    publish_week(86)
    first = client.get("/sitemap.xml")

    again = client.get("/sitemap.xml", headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304


def test_robots_are_led_to_the_sitemap(client):
    assert robots(client).site_maps() == [f"{SITE}/sitemap.xml"]


@pytest.mark.parametrize("purpose", Purpose)
def test_robots_are_asked_to_leave_every_link_with_a_token_alone(client, purpose):
    token = links().token(purpose, 1, 1)

    where = f"{SITE}/desk" if purpose in AT_THE_DESK else SITE
    assert not robots(client).can_fetch("anybot", f"{where}/{purpose.value}/{token}")


@pytest.mark.parametrize("path", ["/desk/", "/desk/issues/87", "/api/v1/subscriptions"])
def test_robots_are_asked_to_leave_the_desk_and_the_programs_alone(client, path):
    assert not robots(client).can_fetch("anybot", f"{SITE}{path}")


def test_robots_may_read_what_is_in_the_sitemap(client):
    publish_sample()
    rules = robots(client)

    assert all(rules.can_fetch("anybot", address) for address in urls(client))
