"""A no on the web: a page in the reader's language, with what to do next."""

import re

import pytest

from newsletter import create_app
from newsletter.links import Purpose
from newsletter.pages import links
from tests.publishing import publish_sample


@pytest.mark.parametrize(
    ("path", "opening"),
    [
        ("/nowhere", '<html lang="en" dir="ltr">'),
        ("/issues/99", '<html lang="en" dir="ltr">'),
        ("/ar/nowhere", '<html lang="ar" dir="rtl">'),
        ("/ar/issues/99", '<html lang="ar" dir="rtl">'),
        ("/arabesque", '<html lang="en" dir="ltr">'),
    ],
)
def test_a_missing_page_is_missing_in_the_language_of_its_address(client, path, opening):
    response = client.get(path)

    assert response.status_code == 404
    assert opening in response.text
    assert response.headers["Cache-Control"] == "no-store"


def test_a_missing_page_leads_on_to_what_there_is(client):
    page = client.get("/ar/nowhere").text

    main = page[page.index("<main") : page.index("</main>")]
    assert re.findall(r'href="([^"]+)"', main) == ["/ar/issues/", "/ar/"]


def test_a_language_asked_for_once_does_not_stick(client):
    client.get("/ar/nowhere")

    assert '<html lang="en"' in client.get("/nowhere").text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_archive_takes_nothing_and_says_so(client, method):
    publish_sample()

    response = client.open("/issues/87", method=method)

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert "<h1" in response.text


def test_a_cut_link_is_explained(client, app):
    token = links().token(Purpose.UNSUBSCRIBE, 7)

    response = client.get(f"/unsubscribe/{token[:-3]}")

    assert response.status_code == 404
    assert "incomplete" in response.text
    assert token[:-3] not in response.text.replace(f'/unsubscribe/{token[:-3]}"', "")


def test_programs_get_a_problem_document(client):
    response = client.get("/api/v1/nowhere")

    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert response.json["status"] == 404


def test_when_the_database_is_gone_readers_get_an_apology_and_no_details(settings, tmp_path):
    gone = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/no/where.db"})
    client = create_app(gone).test_client()

    response = client.get("/issues/")

    assert response.status_code == 500
    assert "our fault" in response.text
    assert '<html lang="ar" dir="rtl">' in client.get("/ar/issues/").text
    for detail in ("Traceback", "sqlite", "where.db", "OperationalError"):
        assert detail not in response.text


def test_a_page_that_trips_is_reported_without_its_details(app):
    @app.get("/trip")
    def trip():
        raise ZeroDivisionError("the secret cause")

    response = app.test_client().get("/trip")

    assert response.status_code == 500
    assert "our fault" in response.text
    assert "secret cause" not in response.text
