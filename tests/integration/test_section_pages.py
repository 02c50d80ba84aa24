"""A page for each section: everything that was ever said in it, newest first."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from newsletter.archive.sections import PER_PAGE
from newsletter.database import db, transaction
from newsletter.issues.models import Section
from tests.issue_files import TUESDAY, issue_file, sample
from tests.publishing import NOON, draft, publish, publish_sample, publish_week

SITE = "http://127.0.0.1:8000"


def text_of(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.text


def issues_on(page: str) -> list[int]:
    """The numbers of the issues whose articles a page lists, from top to bottom."""
    listed = re.findall(r'<h2[^>]*><a href="(?:/ar)?/issues/(\d+)/[a-z-]+">', page)
    return [int(number) for number in listed]


def test_a_section_lists_its_articles_newest_first_with_the_words_they_begin_with(client):
    long = f"An *older* text.[^1]\n\n{'And more. ' * 200}\n\n[^1]: A note far below."
    publish(issue_file({"ISIS in Action": long}, number=86))
    publish_sample()

    page = text_of(client, "/sections/isis-in-action")

    assert issues_on(page) == [87, 86]
    assert "<h1>ISIS in Action</h1>" in page
    assert "A quieter coast, a busier south-west" in page
    assert "ISIS cells in Libya were linked to eleven incidents in the week" in page
    assert "<p>An older text.</p>" in page
    assert "Donors turn from equipment to paperwork" not in page


def test_every_page_of_the_archive_leads_to_the_page_of_each_section(client):
    publish_sample()

    for path in ("/", "/issues/", "/issues/87", "/issues/87/isis-in-action"):
        page = text_of(client, path)
        for slug in ("isis-in-action", "western-response", "other-jihadi-actors"):
            assert f'href="/sections/{slug}"' in page, path


def test_the_page_of_a_section_is_marked_in_the_navigation(client):
    page = text_of(client, "/sections/western-response")

    assert '<a href="/sections/western-response" aria-current="page">' in page
    assert page.count("aria-current") == 1


def test_nothing_of_a_draft_is_listed(client):
    publish_week(86)
    draft(sample("en"), sample("ar"))

    assert issues_on(text_of(client, "/sections/isis-in-action")) == [86]
    assert issues_on(text_of(client, "/ar/sections/isis-in-action")) == [86]


def test_an_article_is_listed_once_in_the_language_of_the_page_or_else_in_the_one_it_has(client):
    publish_sample()

    spoken = text_of(client, "/ar/sections/isis-in-action")
    unspoken = text_of(client, "/ar/sections/western-response")

    assert issues_on(spoken) == issues_on(unspoken) == [87]
    assert "A quieter coast" not in spoken
    assert '<h2 lang="en" dir="ltr"><a href="/ar/issues/87/western-response">' in unspoken
    assert "Donors turn from equipment to paperwork" in unspoken


def test_a_long_section_goes_on_page_after_page_and_names_every_article_once(client):
    numbers = list(range(1, PER_PAGE * 2 + 2))
    for number in numbers:
        publish_week(number, day=TUESDAY - timedelta(weeks=100 - number))

    found: list[int] = []
    path: str | None = "/sections/isis-in-action"
    while path:
        page = text_of(client, path)
        found += issues_on(page)
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        path = onward.group(1) if onward else None

    assert found == numbers[::-1]
    assert ">The newest articles</a>" in page


def test_a_page_further_back_is_a_page_of_its_own_for_search_engines(client):
    publish_week(86)

    page = text_of(client, "/ar/sections/isis-in-action?before=87")

    there = f"{SITE}/ar/sections/isis-in-action?before=87"
    assert f'<link rel="canonical" href="{there}">' in page
    assert f'hreflang="en" href="{SITE}/sections/isis-in-action?before=87">' in page


@pytest.mark.parametrize("before", ["", "x", "0", "-5", "9" * 30, "1;--"])
def test_a_place_that_was_typed_wrongly_is_no_error(client, before):
    publish_week(86)

    assert client.get(f"/sections/isis-in-action?before={before}").status_code == 200


def test_a_section_without_any_article_says_so(client):
    page = text_of(client, "/sections/isis-in-action")

    assert "Nothing has been published here yet." in page


def test_a_retired_section_keeps_its_page_and_leaves_the_navigation(client):
    publish_week(86)
    with transaction():
        db.session.execute(
            sa.update(Section).where(Section.slug == "isis-in-action").values(retired_at=NOON)
        )

    page = text_of(client, "/sections/isis-in-action")

    assert issues_on(page) == [86]
    assert "This section is not continued." in page
    assert 'href="/sections/isis-in-action"' not in text_of(client, "/issues/86")


@pytest.mark.parametrize("path", ["/sections/sports", "/sections/", "/ar/sections/sports"])
def test_a_section_that_never_was_is_not_found(client, path):
    assert client.get(path).status_code == 404


def test_the_page_of_a_section_is_not_sent_again_until_something_is_new(client):
    publish_week(86)
    first = client.get("/sections/isis-in-action")
    tag = {"If-None-Match": first.headers["ETag"]}

    assert client.get("/sections/isis-in-action", headers=tag).status_code == 304
    publish_week(87)
    assert client.get("/sections/isis-in-action", headers=tag).status_code == 200


def test_an_editors_words_are_text_on_the_page_of_a_section(client):
    wild = '<script>alert(1)</script> & "quoted"'
    publish(issue_file({"isis-in-action": wild}, headline=wild))

    page = text_of(client, "/sections/isis-in-action")

    assert "<script" not in page
    assert "&lt;script&gt;" in page
