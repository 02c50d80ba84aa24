"""Extracts: some sections of an issue, for a partner to republish."""

import html
import re

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from newsletter.archive.choosing import slugs_in
from tests.issue_files import issue_file
from tests.publishing import draft, publish, publish_sample, publish_week

SITE = "http://127.0.0.1:8000"
TWO = "/issues/87/extract?sections=isis-in-action,western-response"


def page(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.text


def copied(client: FlaskClient, path: str, name: str = "html") -> str:
    """What a partner copies out of a field of the page."""
    found = re.search(
        rf'<textarea id="{name}"[^>]*>(.*?)</textarea>', page(client, path), re.DOTALL
    )
    assert found
    return html.unescape(found[1])


def links(piece: str) -> list[str]:
    return re.findall(r'href="([^"]*)"', piece)


def test_without_a_choice_there_is_a_page_to_choose_on(client):
    publish_sample()

    text = page(client, "/issues/87/extract")

    assert re.findall(r'name="sections" value="([^"]+)"', text) == [
        "isis-in-action",
        "western-response",
        "anti-isis-coalition",
        "other-jihadi-actors",
    ]
    assert "checked" not in text
    assert "<textarea" not in text


@pytest.mark.parametrize(
    "query",
    [
        "sections=western-response,isis-in-action",
        "sections=isis-in-action&sections=western-response",
        "sections=isis-in-action,&sections=&sections=%20western-response,western-response",
    ],
)
def test_chosen_sections_come_once_and_in_their_order_however_they_were_asked_for(client, query):
    publish_sample()

    piece = copied(client, f"/issues/87/extract?{query}")

    assert re.findall(r"<h2>([^<]+)</h2>", piece) == [
        "A quieter coast, a busier south-west",
        "Donors turn from equipment to paperwork",
    ]
    assert "Nobody was killed" in piece
    assert "A small group divides" not in piece


def test_the_boxes_of_what_was_chosen_stay_ticked(client):
    publish_sample()

    text = page(client, TWO)

    assert re.findall(r'value="([^"]+)" checked', text) == ["isis-in-action", "western-response"]


def test_the_standing_footer_leads_to_the_form_the_other_sections_and_the_full_report(client):
    publish_sample()

    footer = copied(client, TWO).rpartition("<hr>")[2]

    assert links(footer) == [
        f"{SITE}/issues/87",
        f"{SITE}/subscribe",
        f"{SITE}/issues/87/anti-isis-coalition",
        f"{SITE}/issues/87/other-jihadi-actors",
        f"{SITE}/issues/87",
    ]
    assert "First published in" in footer
    assert "<bdi>Libya Weekly Report</bdi> · No. 87 · 17 November 2026</a>." in footer
    assert "A weekly update is available by subscribing here." in footer
    assert "Other Jihadi Actors</a>: to read about other jihadi actors" in footer
    assert "The full report, with all 4 sections, is available here." in footer


def test_an_extract_of_everything_names_no_other_sections(client):
    publish_week(87)

    footer = copied(client, "/issues/87/extract?sections=isis-in-action").rpartition("<hr>")[2]

    assert "<ul>" not in footer
    assert "The full report is available here." in footer


def test_what_is_copied_brings_no_script_no_style_and_only_full_addresses(client):
    publish_sample()

    piece = copied(client, TWO)

    assert not re.search(r"<(script|style|iframe|img|form|link|meta)|\s(style|class|on\w+)=", piece)
    assert len(links(piece)) > 10
    assert all(re.match(r"https?://[^/]+/", address) for address in links(piece))
    assert "align=" not in piece


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("isis-in-action", "/issues/87/isis-in-action"),
        ("isis-in-action,western-response", "/issues/87"),
    ],
)
def test_the_head_of_the_partners_page_can_name_ours_as_the_first(client, query, canonical):
    publish_sample()

    line = copied(client, f"/issues/87/extract?sections={query}", "canonical")

    assert line == f'<link rel="canonical" href="{SITE}{canonical}">'


def test_what_is_copied_is_what_is_shown(client):
    publish_sample()

    text = page(client, TWO)

    assert copied(client, TWO) in text.rpartition("</textarea>")[2]


def test_an_arabic_extract_says_its_language_and_that_of_what_is_not_in_arabic(client):
    publish_sample()

    piece = copied(client, "/ar" + TWO)

    assert piece.startswith('<div lang="ar" dir="rtl">')
    western = piece[piece.index("/ar/issues/87/western-response") :]
    assert '<div lang="en" dir="ltr">\n<h2>Donors turn' in western
    assert f"{SITE}/ar/issues/87/isis-in-action" in piece
    assert f"{SITE}/ar/subscribe" in piece


def test_a_section_that_the_issue_does_not_have_is_refused_with_a_way_to_choose(client):
    publish_sample()

    response = client.get("/issues/87/extract?sections=isis-in-action,<b>sport")

    assert response.status_code == 404
    assert "This issue has no such section" in response.text
    assert "&lt;b&gt;sport" in response.text
    assert '<a href="/issues/87/extract">' in response.text


def test_there_is_no_extract_of_a_draft(client):
    draft(issue_file(number=87))

    assert client.get("/issues/87/extract?sections=isis-in-action").status_code == 404


def test_no_words_of_an_editor_break_out_of_the_copy(client):
    wild = "</textarea><script>alert(1)</script>"
    publish(issue_file({"isis-in-action": wild}, subject="A week", headline=wild))

    text = page(client, "/issues/87/extract?sections=isis-in-action")
    piece = copied(client, "/issues/87/extract?sections=isis-in-action")

    assert "<script" not in text
    assert "<script" not in piece
    assert "&lt;script&gt;alert(1)" in piece


def test_programs_find_the_feed_of_the_same_sections(client):
    publish_sample()

    [address] = re.findall(r'href="(/feeds/[^"]+)"', page(client, TWO))

    assert client.get(address).content_type.startswith("application/atom+xml")


def test_search_engines_are_asked_to_look_at_the_issue_instead(client):
    publish_sample()

    assert '<meta name="robots" content="noindex">' in page(client, TWO)


def test_an_extract_that_has_not_changed_is_not_sent_again(client):
    publish_sample()
    first = client.get(TWO)

    again = client.get(TWO, headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304
    assert "public" in first.headers["Cache-Control"]
    assert "Set-Cookie" not in first.headers


@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_text_reads_as_some_slugs_each_once_and_never_blank(values):
    slugs = slugs_in(values)

    assert len(set(slugs)) == len(slugs)
    assert all(slug == slug.strip() != "" for slug in slugs)
    assert set("".join(slugs)) <= set("".join(values))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whatever_is_asked_for_is_chosen_or_refused(client):
    publish_week(87)

    @hypothesis(max_examples=40)
    @given(st.text(max_size=200))
    def ask(text: str) -> None:
        answer = client.get("/issues/87/extract", query_string={"sections": text})
        assert answer.status_code == (404 if slugs_in([text]) else 200)

    ask()
