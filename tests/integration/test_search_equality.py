"""Both databases find the same in the same order: what a plain look at the texts would find."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.issues.folding import words
from newsletter.issues.markdown import tidy
from newsletter.issues.models import Issue
from newsletter.issues.search import SearchEntry, read_query, search, spaced
from newsletter.issues.sections import create_standard_sections
from newsletter.settings import load_settings
from tests.conftest import SECRET_KEY, _empty_database
from tests.factories import NOON, make_issue

ISSUES = 3
COMMON = ("a", "B", "كِتاب", "व", "वि", "a-b")
ODD = (
    *("Coast's", "3.14", "1e5", "x@y.example", "/a/b", "http://a.b/c", "é", "e", "ß", "ss", "½"),
    *("مدرسة", "مدرسه", "ﷺ", "الله", "が", "か", "\U0001d400", "and", "or", "not", "near", "null"),
    *("'", '"', "\\", "%", "_", "*", ":", "&", "-", "\0"),
)

typed = st.sampled_from(COMMON) | st.sampled_from(ODD) | st.text(max_size=4)
texts = st.lists(st.sampled_from(COMMON) | typed, max_size=8).map(" ".join).map(tidy)
phrases = st.lists(st.sampled_from(COMMON), min_size=2, max_size=3).map(" ".join)
terms = st.sampled_from(COMMON) | typed | phrases.map('"{}"'.format)
queries = st.lists(terms, max_size=3).map(" ".join) | st.text()


@dataclass(frozen=True)
class Entry:
    """One of the texts to be searched."""

    language: str
    headline: str
    text: str


entries = st.lists(st.builds(Entry, st.sampled_from(["en", "ar"]), texts, texts), max_size=6)


@pytest.fixture
def both(tmp_path, migrated_sqlite, migrated_postgres) -> Iterator[list[Flask]]:
    """The application on either database, with public issues that nothing is found of."""
    shutil.copy(migrated_sqlite, tmp_path / "newsletter.db")
    apps = []
    for url in (f"sqlite:///{tmp_path / 'newsletter.db'}", migrated_postgres):
        app = create_app(
            load_settings(
                _env_file=None, instance_path=tmp_path, secret_key=SECRET_KEY, database_url=url
            )
        )
        apps.append(app)
        with app.app_context():
            _empty_database()
            with transaction():
                create_standard_sections()
                for number in range(1, ISSUES + 1):
                    make_issue(number, sections=["isis-in-action"]).sending_started_at = NOON
            db.session.remove()
    yield apps
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries, st.lists(queries, min_size=1, max_size=8))
def test_both_databases_find_what_a_plain_look_finds_in_the_same_order(both, entries, queries):
    answers = []
    for app in both:
        with app.app_context():
            write(entries)
            answers.append([search(read_query(query), "en") for query in queries])
            db.session.remove()

    assert answers[0] == answers[1]
    for query, answer in zip(queries, answers[0], strict=True):
        expected = plain_look(read_query(query), entries)
        assert sum(answer.by_language.values()) == len(expected)
        assert [whole(hit.headline) for hit in answer.hits] == [
            entry.headline for entry in expected if entry.language == "en"
        ]


def write(entries):
    """Put these in the place of all that could be found, in one issue after the other."""
    with transaction():
        db.session.execute(sa.delete(SearchEntry))
        for issue_id, entry in zip(cycle(issue_ids()), entries):  # for ever
            db.session.add(
                SearchEntry(
                    issue_id=issue_id,
                    language=entry.language,
                    headline=entry.headline,
                    text=entry.text,
                    headline_words=spaced(entry.headline),
                    text_words=spaced(entry.text),
                )
            )
            db.session.flush()


def issue_ids():
    return db.session.scalars(sa.select(Issue.id).order_by(Issue.number.desc())).all()


def plain_look(terms, entries):
    """The entries that hold every term, in the order in which they are to be shown."""
    found = [
        (not all(stands_in(term, entry.headline) for term in terms), place % ISSUES, place, entry)
        for place, entry in enumerate(entries)
        if terms
        and all(stands_in(term, entry.headline) or stands_in(term, entry.text) for term in terms)
    ]
    return [entry for *_, entry in sorted(found, key=lambda one: one[:3])]


def stands_in(term, text):
    there = words(text)
    return any(tuple(there[at : at + len(term)]) == term for at in range(len(there)))


def whole(pieces):
    return "".join(piece.text for piece in pieces)
