"""A page asks the database three times at most, however much there is to show."""

from datetime import date

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from newsletter.database import db, transaction
from newsletter.issues.models import Section
from tests.issue_files import issue_file
from tests.publishing import NOON, publish, publish_sample, publish_week

MOST = 3
PAGES = [
    "/",
    "/issues/",
    "/issues/87",
    "/issues/87/isis-in-action",
    "/issues/87/extract",
    "/issues/87/extract?sections=isis-in-action,western-response",
    "/sections/isis-in-action",
    "/sections/isis-in-action?before=84",
    "/feed.xml",
    "/sections/isis-in-action/feed.xml",
    "/search?q=coast",
    "/about",
    "/sitemap.xml",
    "/robots.txt",
    "/subscribe",
    "/subscribe/embed",
    "/manage",
]


@pytest.fixture
def statements(app: Flask) -> list[str]:
    """What the application asks from now on."""
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        if statement.startswith(("SELECT", "WITH")):
            asked.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    return asked


@pytest.mark.parametrize("prefix", ["", "/ar"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_little_however_many_issues_there_are(
    client: FlaskClient, statements: list[str], path, prefix
):
    for number in range(80, 87):
        publish_week(number, day=date(2026, 11, number - 70))
    publish_sample()
    _forget(statements)

    response = client.get(prefix + path)

    assert response.status_code == 200
    assert len(statements) <= MOST, statements


def test_a_retired_section_costs_no_statement_more(client: FlaskClient, statements: list[str]):
    publish(issue_file({"ISIS in Action": "Words.", "Western Response": "Words."}))
    with transaction():
        db.session.execute(
            sa.update(Section).where(Section.slug == "western-response").values(retired_at=NOON)
        )
    for path in ("/", "/issues/87", "/issues/87/western-response", "/feed.xml"):
        _forget(statements)

        client.get(path)

        assert 0 < len(statements) <= MOST, (path, statements)


def _forget(statements: list[str]) -> None:
    """As in a new request of another process: nothing is known of what was loaded before."""
    db.session.remove()
    statements.clear()
