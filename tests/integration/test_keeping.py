"""A public page is made once, and never shown when it is no longer true."""

from datetime import date

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from newsletter.archive.keeping import LONGEST_KEY, Page, Shelf
from newsletter.database import db, transaction
from newsletter.issues.models import SectionTitle
from tests.publishing import publish_sample, publish_week

PAGES = ["/issues/", "/issues/87", "/issues/87/isis-in-action", "/sections/isis-in-action"]


@pytest.fixture
def statements(app: Flask) -> list[str]:
    """What the application asks from now on."""
    asked: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *event: asked.append(event[2]))
    return asked


@pytest.mark.parametrize("path", [*PAGES, "/feed.xml", "/ar/issues/87", "/sitemap.xml"])
def test_a_page_asked_for_again_is_the_same_and_costs_one_statement(
    client: FlaskClient, statements: list[str], path
):
    publish_sample()
    first = client.get(path)
    statements.clear()

    second = client.get(path)

    assert (second.status_code, second.data) == (200, first.data)
    for answer in (first, second):
        del answer.headers["Date"]
    assert dict(second.headers) == dict(first.headers)
    assert len([one for one in statements if one.startswith("SELECT")]) == 1


@pytest.mark.parametrize("path", PAGES)
def test_who_has_the_page_already_gets_nothing_of_it(client: FlaskClient, path):
    publish_sample()
    tag = client.get(path).headers["ETag"]

    again = client.get(path, headers={"If-None-Match": tag})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag


@pytest.mark.parametrize("path", PAGES)
def test_a_new_issue_shows_at_once(client: FlaskClient, path):
    publish_sample()
    before = client.get(path).text
    publish_week(88, day=date(2026, 11, 24))

    after = client.get(path).text

    assert "/issues/88" not in before
    assert "/issues/88" in after or path == "/issues/87/isis-in-action"


def test_a_section_that_is_called_otherwise_is_so_on_every_page_at_once(client: FlaskClient):
    publish_sample()
    before = client.get("/about").text
    with transaction():
        db.session.execute(
            sa.update(SectionTitle)
            .where(SectionTitle.language == "en", SectionTitle.title == "ISIS in Action")
            .values(title="What ISIS does")
        )

    after = client.get("/about").text

    assert "What ISIS does" not in before
    assert "What ISIS does" in after


def test_the_longest_unused_page_makes_room():
    shelf = Shelf(room=30)
    stamp = (1,)
    shelf.find("/", stamp)
    for path in ("/a", "/b", "/c"):
        shelf.put(path, stamp, Page(b"0123456789", Headers()))
    shelf.find("/a", stamp)

    shelf.put("/d", stamp, Page(b"0123456789", Headers()))

    found = [path for path in ("/a", "/b", "/c", "/d") if shelf.find(path, stamp)]
    assert found == ["/a", "/c", "/d"]


def test_what_is_too_large_or_has_an_endless_address_is_not_kept():
    shelf = Shelf(room=30)
    shelf.find("/", (1,))
    shelf.put("/large", (1,), Page(b"0" * 31, Headers()))
    shelf.put("/" * (LONGEST_KEY + 1), (1,), Page(b"0", Headers()))

    assert shelf.find("/large", (1,)) is None
    assert shelf.find("/" * (LONGEST_KEY + 1), (1,)) is None


def test_a_page_made_of_the_archive_as_it_was_is_not_kept_for_the_archive_as_it_is():
    shelf = Shelf()
    shelf.find("/", (2,))

    shelf.put("/", (1,), Page(b"old", Headers()))

    assert shelf.find("/", (2,)) is None
