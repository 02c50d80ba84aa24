"""The Atom feed, read as a feed reader does."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from time import struct_time
from typing import Any

import feedparser
import pytest
from flask.testing import FlaskClient

from newsletter.database import db
from tests.issue_files import issue_file
from tests.publishing import NOON, draft, publish, publish_sample, publish_week

ATOM = "{http://www.w3.org/2005/Atom}"
SITE = "http://127.0.0.1:8000"


def read(client: FlaskClient, path: str = "/feed.xml") -> Any:
    response = client.get(path)
    assert response.status_code == 200
    assert response.content_type.startswith("application/atom+xml")
    feed = feedparser.parse(response.data)
    assert not feed.bozo, feed.get("bozo_exception")
    return feed


def tree(client: FlaskClient, path: str = "/feed.xml") -> Any:
    return ET.fromstring(client.get(path).data)  # noqa: S314  # our own feed


def test_the_feed_holds_the_full_text_of_an_issue(client):
    publish_sample()

    [entry] = read(client).entries

    assert entry.title == "A quieter coast, a busier south-west"
    assert entry.link == f"{SITE}/issues/87"
    text = entry.content[0].value
    assert "Nobody was killed" in text
    assert "The next fortnight will show" in text
    assert "<table>" in text


def test_every_address_in_the_feed_is_absolute(client):
    publish_sample()
    root = tree(client)

    addresses = [link.get("href") for link in root.iter(f"{ATOM}link")]
    for content in root.iter(f"{ATOM}content"):
        addresses += re.findall(r'(?:href|src)="([^"]*)"', content.text)

    assert len(addresses) > 10
    assert all(re.match(r"https?://[^/]+/", address) for address in addresses)
    assert f"{SITE}/issues/87#fn-isis-in-action-1" in addresses


def test_the_feed_has_what_rfc_4287_demands(client):
    publish_sample()
    root = tree(client)

    for element in (root, *root.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{name}")) == 1
        assert datetime.fromisoformat(element.find(f"{ATOM}updated").text).tzinfo
        assert element.find(f"{ATOM}id").text.startswith("tag:")
    assert root.find(f"{ATOM}author/{ATOM}name").text
    assert root.find(f"{ATOM}link[@rel='self']").get("href") == f"{SITE}/feed.xml"


def test_ids_stay_the_same_and_differ_between_issues_and_languages(client):
    publish_sample()
    publish_week(88)

    english, arabic = read(client), read(client, "/ar/feed.xml")

    ids = [entry.id for entry in (*english.entries, *arabic.entries)]
    assert len(set(ids)) == 4
    assert [entry.id for entry in read(client).entries] == ids[:2]


def test_the_newest_twenty_issues_come_newest_first(client):
    for number in range(1, 23):
        publish_week(number, subject=f"Week {number}")

    titles = [entry.title for entry in read(client).entries]

    assert titles == [f"Week {number}" for number in range(22, 2, -1)]


def test_the_arabic_feed_is_in_arabic_and_marks_what_is_not(client):
    publish_sample()

    root = tree(client, "/ar/feed.xml")

    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "ar"
    content = root.find(f"{ATOM}entry/{ATOM}content").text
    assert '<div lang="ar" dir="rtl">' in content
    assert '<div lang="en" dir="ltr">' in content
    assert f"{SITE}/ar/issues/87/isis-in-action" in content


def test_an_entry_tells_when_it_appeared(client):
    publish(issue_file(number=87), now=NOON + timedelta(hours=3))

    [entry] = read(client).entries

    assert isinstance(entry.published_parsed, struct_time)
    appeared = datetime(*entry.published_parsed[:6], tzinfo=UTC)
    assert appeared == NOON + timedelta(hours=3)


@pytest.mark.parametrize("subject", ["Markup <b>&amp; entities", "\u200fturned", "]]> & <!--"])
def test_no_words_of_an_editor_break_the_feed(client, subject):
    publish(
        issue_file({"isis-in-action": f"{subject}\n\n    <code> & ]]>"}, subject=f'"{subject}"')
    )

    root = tree(client)

    assert root.find(f"{ATOM}entry/{ATOM}title").text == subject


def test_what_xml_cannot_carry_is_left_out(client):
    issue = publish_week(87)
    issue.subjects[0].subject = "A stray \x0b sign"
    db.session.commit()

    [entry] = read(client).entries

    assert entry.title == "A stray  sign"


def test_before_the_first_issue_the_feed_is_empty_and_valid(client):
    draft(issue_file())

    feed = read(client)

    assert feed.entries == []
    assert feed.feed.updated


def test_every_page_leads_feed_readers_to_the_feed_of_its_language(client):
    for path, address in (("/", "/feed.xml"), ("/ar/", "/ar/feed.xml")):
        page = client.get(path).text
        [link] = re.findall(r'<link rel="alternate" type="application/atom\+xml"[^>]*>', page)
        assert f'href="{address}"' in link
