"""A reader looks for something in all public issues."""

import html
import logging
import re
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from newsletter.database import db, transaction
from newsletter.issues import search
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from tests.issue_files import issue_file
from tests.publishing import draft, publish, publish_sample

MONDAY = date(2026, 1, 5)
LOGBOOK = issue_file({"Western Response": "Two forces keep one logbook."}, headline="One book")

HOSTILE = [
    "",
    " ",
    '"',
    '""',
    '" "',
    "'",
    "*",
    "a*",
    "a AND",
    "OR",
    "NOT a",
    "NEAR(a b)",
    "headline_words:a",
    "a & b",
    "!a",
    "a <-> b",
    "a:*",
    "(a",
    "\\",
    "a\0b",
    "\0",
    "%",
    "_",
    "-- ; DROP TABLE issue",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "<script>alert(1)</script>",
    "x" * 1_000,
    "a " * 500,
    "ﷺ" * 1_000,
    '"' + "b " * 499 + '"',
    "incidents " * 100,
]


def results(client, query, path="/search", **more):
    """The page of a search, and of each result its headline without markup."""
    response = client.get(path, query_string={"q": query, **more})
    assert response.status_code == 200
    headlines = re.findall(r"<h3[^>]*><a[^>]*>(.*?)</a></h3>", response.text)
    return response.text, [html.unescape(re.sub("<[^>]*>", "", line)) for line in headlines]


def found(client, query, path="/search"):
    return results(client, query, path)[1]


def test_an_article_is_found_by_a_word_of_its_text_and_leads_to_its_page(client):
    publish(LOGBOOK)

    page, headlines = results(client, "logbook")

    assert headlines == ["One book"]
    assert 'href="/issues/87/western-response"' in page
    assert "Two forces keep one <mark>logbook</mark>." in page
    assert "Western Response" in page
    assert "Found in 1 place" in page


def test_an_issue_is_found_by_its_subject(client):
    publish(issue_file(subject="Derna under siege"))

    page, headlines = results(client, "derna")

    assert headlines == ["Derna under siege"]
    assert re.search(r'<h3><a href="/issues/87"><mark>Derna</mark>', page)


def test_arabic_is_found_with_and_without_vowels_and_however_its_letters_are_shaped(client):
    body = "عقد القضاةُ مؤتمرًا في مدرسةٍ بالقرب من مستشفى أحمد، وحضره ٨٧ شخصًا."
    publish(
        issue_file(),
        issue_file({"isis-in-action": body}, language="ar", headline="خبر"),
    )

    spellings = "مدرسة مَدرَسه مستشفي احمد إحمد القضـــاة قضاة 87 موتمرا"
    for query in spellings.split():
        assert found(client, query, "/ar/search") == ["خبر"], query
    assert found(client, "مؤتمر", "/ar/search") == []  # another word: nothing is stemmed


def test_the_page_finds_its_own_language_and_offers_the_other(client):
    publish_sample()

    page, headlines = results(client, "2025")
    english = len(headlines)
    assert english
    other = re.search(r'<a href="(/ar/search\?q=2025)" hreflang="ar">(\d+)', page)
    assert other

    page, headlines = results(client, "2025", "/ar/search")
    assert len(headlines) == int(other[2])
    assert 'href="/search?q=2025"' in page


def test_what_stands_in_the_other_language_alone_is_said_to_be_there(client):
    publish_sample()

    page, headlines = results(client, "السجل")

    assert headlines == []
    assert "Nothing was found in English" in page
    assert 'hreflang="ar"' in page


def test_an_issue_is_found_from_the_moment_its_sending_starts_and_for_ever(client):
    draft(LOGBOOK)
    assert found(client, "logbook") == []

    with transaction():
        search_for = db.session.scalars(sa.select(Issue)).one()
        assert not search_for.is_public
        with pytest.raises(ValueError, match="not public"):
            search.index(search_for.id)


def test_a_cancelled_issue_that_was_public_is_still_found(client):
    issue = publish(LOGBOOK)
    assert issue.state is IssueState.SENT
    with transaction():
        db.session.execute(sa.update(Issue).values(state=IssueState.CANCELLED))

    assert found(client, "logbook") == ["One book"]


def test_an_issue_that_is_indexed_again_is_found_once_and_by_its_new_words(client):
    issue = publish(LOGBOOK)
    with transaction():
        for article in issue.articles:
            article.body = "Two forces keep one diary."
        db.session.flush()
        search.index(issue.id)

    assert found(client, "diary") == ["One book"]
    assert found(client, "logbook") == []


def test_every_word_has_to_be_there(client):
    publish(LOGBOOK)

    assert found(client, "forces logbook") == ["One book"]
    assert found(client, "forces diary") == []


@pytest.mark.parametrize(
    "query", ['"keep one logbook"', "“two forces”", "«one logbook»", '"keep one']
)
def test_a_phrase_is_found_where_its_words_stand_together(client, query):
    publish(LOGBOOK)

    assert found(client, query) == ["One book"]


@pytest.mark.parametrize(
    "query", ['"forces two"', "“forces two”", '"two keep"', '"book two"', "two-keep"]
)
def test_a_phrase_is_not_found_where_its_words_stand_apart(client, query):
    publish(LOGBOOK)

    assert found(client, query) == []
    assert found(client, re.sub('["“”-]', " ", query)) == ["One book"]


def test_words_typed_without_a_blank_between_them_stand_together(client):
    publish(issue_file({"Western Response": "The south, not the west."}, number=86))
    publish(issue_file({"Western Response": "The U.S. looks south-west."}, headline="It looks"))

    assert found(client, "south-west") == ["It looks"]
    assert found(client, "U.S.") == ["It looks"]


def test_headlines_come_first_and_then_the_newest(client):
    for number, headline, text in [
        (81, "Logbook opened", "…"),
        (82, "Other news", "A logbook."),
        (83, "The logbook again", "…"),
        (84, "Later news", "The logbook, and a logbook, and the logbook."),
    ]:
        publish(issue_file({"isis-in-action": text}, number=number, headline=headline))

    assert found(client, "logbook") == [
        "The logbook again",
        "Logbook opened",
        "Later news",
        "Other news",
    ]


def test_what_was_found_is_turned_page_by_page(client):
    total = search.PER_PAGE + 3
    for week in range(total):
        day = MONDAY + timedelta(weeks=week)
        publish(issue_file(number=week + 1, day=day, headline=f"Week {week + 1}"))

    first, newest = results(client, "incidents")
    assert newest == [f"Week {number}" for number in range(total, 3, -1)]
    assert f"Found in {total} places" in first
    assert "Page 1 of 2" in first
    onward = re.search(r'rel="next" href="([^"]+)"', first)
    assert onward

    second = client.get(html.unescape(onward[1])).text
    assert "Week 3<" in second
    assert f'start="{search.PER_PAGE + 1}">' in second
    assert 'rel="next"' not in second
    for beyond in (99, 10**30, 0, -1, "x"):
        results(client, "incidents", page=beyond)


def test_whatever_is_typed_is_answered(client):
    publish(issue_file())

    for query in HOSTILE:
        assert "<script" not in results(client, query)[0]


def test_bytes_that_are_no_text_are_answered(client):
    assert client.get("/search?q=%ff%fe%80&page=%ff").status_code == 200
    assert client.get("/search?q=%ed%a0%80").status_code == 200


def test_a_query_of_signs_alone_is_told_so_and_none_at_all_shows_the_form(client):
    assert "There is no word in this" in results(client, "…?!")[0]
    assert "There is no word in this" not in results(client, "")[0]


def test_a_query_that_is_too_long_is_cut_and_kept_as_it_was_typed(client):
    publish(LOGBOOK)
    query = "logbook " * 40 + "nowhere"

    page, headlines = results(client, query)

    assert headlines == ["One book"]
    assert f"Only the first {search.LONGEST_QUERY} characters" in page
    assert f'value="{query}"' in page


def test_no_word_of_an_editor_or_of_the_reader_becomes_markup(client):
    wild = '<b>bold</b> <script>alert(1)</script> & "quoted" <mark>'
    publish(issue_file({"isis-in-action": f"`{wild}`"}, subject=wild, headline=wild))

    page, headlines = results(client, wild)

    assert len(headlines) == 2
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;<mark>mark</mark>&gt;" in page
    assert "<mark>b&gt;bold&lt;/b</mark>" in results(client, '"b bold b"')[0]


def test_a_page_of_results_is_kept_by_nobody(client, caplog):
    caplog.set_level(logging.DEBUG)
    publish(LOGBOOK)

    response = client.get("/search?q=logbook")

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in response.headers
    assert '<meta name="robots" content="noindex">' in response.text
    assert "logbook" not in caplog.text


def test_a_search_asks_the_database_three_times_at_the_most(client):
    publish_sample()
    db.session.remove()
    statements = []

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    assert found(client, '"the week" two')
    sa.event.remove(db.engine, "before_cursor_execute", note)

    assert len([one for one in statements if one.startswith(("SELECT", "WITH"))]) <= 3


def test_the_other_language_is_asked_the_same(client):
    page = client.get("/search?q=coast&q=%22a+road%22&_external=1&language=x").text
    assert 'href="/ar/search?q=coast&amp;q=%22a+road%22&amp;_external=1&amp;language=x"' in page
