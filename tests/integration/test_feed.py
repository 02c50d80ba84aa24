"""The Atom feed, read as a feed reader does."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from time import struct_time
from typing import Any

import feedparser
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from newsletter.database import db, transaction
from newsletter.issues.models import Section
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


def test_every_address_in_the_feed_of_a_choice_is_absolute(client):
    publish_sample()

    root = tree(client, "/ar/feeds/isis-in-action,western-response.xml")

    addresses = [link.get("href") for link in root.iter(f"{ATOM}link")]
    for content in root.iter(f"{ATOM}content"):
        addresses += re.findall(r'(?:href|src)="([^"]*)"', content.text)
    assert len(addresses) > 10
    assert all(re.match(r"https?://[^/]+/", address) for address in addresses)


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


def test_the_feed_of_a_section_holds_its_articles_alone(client):
    publish_week(86)
    publish_sample()

    feed = read(client, "/sections/western-response/feed.xml")

    assert feed.feed.title == "Libya Weekly Report · Western Response"
    assert feed.feed.link == f"{SITE}/sections/western-response"
    [entry] = feed.entries
    assert entry.title == "Donors turn from equipment to paperwork"
    assert entry.link == f"{SITE}/issues/87/western-response"
    assert "a two-year" in entry.content[0].value
    assert "Nobody was killed" not in entry.content[0].value
    assert [(tag.term, tag.label) for tag in entry.tags] == [
        ("western-response", "Western Response")
    ]


def test_the_feed_of_a_choice_holds_an_entry_per_article_newest_issue_first(client):
    publish_week(86)
    publish_sample()

    feed = read(client, "/feeds/western-response,isis-in-action.xml")

    assert [entry.link for entry in feed.entries] == [
        f"{SITE}/issues/87/isis-in-action",
        f"{SITE}/issues/87/western-response",
        f"{SITE}/issues/86/isis-in-action",
    ]


def test_one_choice_has_one_address_however_it_was_asked_for(client):
    publish_sample()

    first = tree(client, "/feeds/western-response,isis-in-action.xml")
    second = tree(client, "/feeds/isis-in-action,western-response,isis-in-action.xml")

    assert ET.tostring(first) == ET.tostring(second)
    assert first.find(f"{ATOM}link[@rel='self']").get("href") == (
        f"{SITE}/feeds/isis-in-action,western-response.xml"
    )


def test_an_article_has_the_same_id_in_every_feed_that_holds_it(client):
    publish_sample()

    [alone] = read(client, "/sections/western-response/feed.xml").entries
    _first, second = read(client, "/feeds/isis-in-action,western-response.xml").entries

    assert alone.id == second.id


def test_feeds_of_different_sections_and_languages_have_different_ids(client):
    paths = (
        "/feed.xml",
        "/ar/feed.xml",
        "/sections/western-response/feed.xml",
        "/ar/sections/western-response/feed.xml",
        "/feeds/isis-in-action,western-response.xml",
    )

    assert len({read(client, path).feed.id for path in paths}) == len(paths)


def test_the_arabic_feed_of_a_choice_is_in_arabic_where_there_is_arabic(client):
    publish_sample()

    root = tree(client, "/ar/feeds/isis-in-action,western-response.xml")

    assert root.find(f"{ATOM}title").text == "Libya Weekly Report · داعش على الأرض والرد الغربي"
    first, second = root.iter(f"{ATOM}entry")
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    assert (first.get(language), second.get(language)) == ("ar", "en")
    assert "ساحل أهدأ" in first.find(f"{ATOM}title").text
    assert '<div lang="ar" dir="rtl">' in first.find(f"{ATOM}content").text


def test_a_footnote_in_the_feed_of_a_section_leads_to_the_page_of_the_section(client):
    publish_sample()

    [entry] = read(client, "/sections/isis-in-action/feed.xml").entries

    assert f'href="{SITE}/issues/87/isis-in-action#fn-isis-in-action-1"' in entry.content[0].value


def test_a_retired_section_keeps_its_feed(client):
    publish_week(86)
    with transaction():
        db.session.execute(sa.update(Section).values(retired_at=NOON))

    assert len(read(client, "/sections/isis-in-action/feed.xml").entries) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/sections/sport/feed.xml",
        "/feeds/isis-in-action,sport.xml",
        "/feeds/,.xml",
        "/feeds/isis-in-action;western-response.xml",
    ],
)
def test_there_is_no_feed_of_a_section_that_there_is_not(client, path):
    publish_week(87)

    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/sections/isis-in-action/feed.xml", "/feeds/isis-in-action,western-response.xml"]
)
def test_a_feed_that_has_not_changed_is_not_sent_again_until_it_has(client, path):
    publish_week(86)
    first = client.get(path)

    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    later = client.get(path, headers={"If-Modified-Since": first.headers["Last-Modified"]})
    publish_week(87)
    changed = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, later.status_code, changed.status_code) == (304, 304, 200)


@pytest.mark.parametrize(
    "path",
    [
        "/feed.xml",
        "/sections/isis-in-action/feed.xml",
        "/feeds/isis-in-action,western-response.xml",
    ],
)
def test_nothing_of_a_draft_is_in_any_feed(client, path):
    publish_week(86)
    before = client.get(path).data
    draft(issue_file(number=87))

    assert client.get(path).data == before


def test_every_page_leads_feed_readers_to_the_feed_of_its_language(client):
    for path, address in (("/", "/feed.xml"), ("/ar/", "/ar/feed.xml")):
        page = client.get(path).text
        [link] = re.findall(r'<link rel="alternate" type="application/atom\+xml"[^>]*>', page)
        assert f'href="{address}"' in link
