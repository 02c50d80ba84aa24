"""A page asks the database a few times at most, however much there is to show."""

from datetime import date

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from newsletter.database import db, transaction
from newsletter.delivery.report import count_lines, keep_lines
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue, Section
from newsletter.links import Purpose
from newsletter.pages import links
from tests.desk import at_the_desk
from tests.factories import make_subscriber
from tests.issue_files import SAMPLES, issue_file
from tests.publishing import NOON, draft, publish, publish_sample, publish_week

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
    "/feeds/isis-in-action,western-response.xml",
    "/search?q=coast",
    "/about",
    "/subscribe",
    "/subscribe/embed",
    "/subscribe/embed/code",
    "/manage",
]
FOR_PROGRAMS = ["/sitemap.xml", "/robots.txt"]
AT_THE_DESK = {  # who it is, is one of them
    "/desk/": 8,
    "/desk/issues": 6,
    "/desk/issues/87": 14,
    "/desk/issues/88": 14,
    "/desk/issues/88/checks": 15,
    "/desk/issues/88/send": 14,
    "/desk/issues/88/plan": 7,
    "/desk/issues/87/progress": 8,
    "/desk/issues/87/report": 9,
    "/desk/reports": 4,
}


@pytest.fixture
def statements(app: Flask) -> list[str]:
    """What the application asks from now on."""
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        if statement.startswith(("SELECT", "WITH")):
            asked.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    return asked


@pytest.mark.parametrize("path", [*PAGES, *(f"/ar{path}" for path in PAGES), *FOR_PROGRAMS])
def test_a_page_asks_little_however_many_issues_there_are(
    client: FlaskClient, statements: list[str], path
):
    for number in range(80, 87):
        publish_week(number, day=date(2026, 11, number - 70))
    publish_sample()
    _forget(statements)

    response = client.get(path)

    assert response.status_code == 200
    assert len(statements) <= MOST, statements


@pytest.mark.parametrize("path", AT_THE_DESK)
def test_a_page_of_the_desk_asks_no_more_however_much_there_is(
    app: Flask, statements: list[str], path
):
    _some_weeks()
    anna = at_the_desk(app)
    _forget(statements)

    response = anna.get(path)

    assert response.status_code == 200
    assert 0 < len(statements) <= AT_THE_DESK[path], statements


def _some_weeks() -> None:
    """Issues that are done and counted, and one in work in every section."""
    with transaction():
        for name in ("reader", "member"):
            make_subscriber(f"{name}@reader.example")
        make_subscriber("one@reader.example", sections=["western-response"])
    for number in range(80, 87):
        publish_week(number, day=date(2026, 11, number - 70))
    publish_sample()
    with transaction():
        done = {"state": IssueState.SENT, "completed_at": NOON}
        db.session.execute(sa.update(Issue).values(done))
    for issue_id in db.session.scalars(sa.select(Issue.id)).all():
        lines = count_lines(issue_id)
        with transaction():
            keep_lines(issue_id, lines, now=NOON)
    draft((SAMPLES / "issue-88.en.md").read_bytes())


@pytest.mark.parametrize("purpose", [Purpose.PREFERENCES, Purpose.UNSUBSCRIBE])
def test_a_page_of_a_readers_own_asks_little_too(
    client: FlaskClient, statements: list[str], purpose
):
    with transaction():
        reader = make_subscriber(sections=("isis-in-action",))
    path = f"/{purpose.value}/{links().token(purpose, reader.id)}"
    _forget(statements)

    response = client.get(path)

    assert response.status_code == 200
    assert 0 < len(statements) <= MOST, statements


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
