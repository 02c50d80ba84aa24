"""The archive: what anyone may read, from the moment an issue is sent."""

import re
from datetime import date

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from newsletter.database import db, transaction
from newsletter.delivery import steering
from newsletter.issues.models import SectionTitle
from tests.factories import make_subscriber
from tests.issue_files import issue_file, sample
from tests.publishing import NOON, draft, publish, publish_sample, publish_week

SECTIONS = ["isis-in-action", "western-response", "anti-isis-coalition", "other-jihadi-actors"]
SITE = "http://127.0.0.1:8000"
ISSUE_PAGES = [
    "/issues/87",
    "/issues/87/isis-in-action",
    "/ar/issues/87",
    "/ar/issues/87/isis-in-action",
]


def text_of(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ISSUE_PAGES)
def test_nothing_of_a_draft_is_public(client, method, path):
    draft(sample("en"), sample("ar"))

    response = client.open(path, method=method)

    assert response.status_code == 404
    assert "coast" not in response.text


@pytest.mark.parametrize(
    "path", ["/", "/issues/", "/feed.xml", "/ar/", "/ar/issues/", "/ar/feed.xml"]
)
def test_no_list_betrays_that_there_is_a_draft(client, path):
    publish_week(86)
    before = re.sub(r'name="stamp" value="[^"]+"', "", text_of(client, path))
    draft(sample("en"), sample("ar"))

    after = re.sub(r'name="stamp" value="[^"]+"', "", text_of(client, path))

    assert after == before


def test_a_draft_is_no_neighbour_of_a_public_issue(client):
    publish_week(86)
    draft(issue_file(number=85))
    draft(issue_file(number=87))

    page = text_of(client, "/issues/86")

    assert "No. 85" not in page
    assert "No. 87" not in page


@pytest.mark.parametrize("path", ["/", "/issues/", *ISSUE_PAGES, "/feed.xml"])
def test_an_issue_is_public_from_the_moment_it_is_sent(client, path):
    publish_sample()

    assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200


def test_the_front_page_shows_the_four_headlines_of_the_latest_issue_and_the_form(client):
    publish_week(86, subject="The week before")
    publish_sample()

    page = text_of(client, "/")

    for headline in (
        "A quieter coast, a busier south-west",
        "Donors turn from equipment to paperwork",
        "Two rival forces agree to keep one logbook",
        "A small group divides over a local truce",
    ):
        assert headline in page
    for slug in SECTIONS:
        assert f'href="/issues/87/{slug}"' in page
    assert "The week before" in page
    assert 'action="/subscribe"' in page
    assert 'name="address"' in page


def test_before_the_first_issue_the_front_page_still_offers_the_form(client):
    page = text_of(client, "/")

    assert 'name="address"' in page
    assert "The latest issue" not in page
    assert "Nothing has been published yet" in text_of(client, "/issues/")


def test_all_issues_stand_newest_first_under_their_years(client):
    publish_week(52, subject="Old", day=date(2025, 12, 30))
    publish_week(85, subject="Newer", day=date(2026, 11, 3))
    publish_week(86, subject="Newest", day=date(2026, 11, 10))

    page = text_of(client, "/issues/")

    places = [
        page.index(word) for word in ('"year-2026"', "Newest", "Newer", '"year-2025"', "Old<")
    ]
    assert places == sorted(places)


def test_the_full_report_holds_every_section_once_in_its_order(client):
    publish_sample()

    page = text_of(client, "/issues/87")

    found = re.findall(r'<article id="([^"]+)"', page)
    assert found == SECTIONS
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_every_link_within_the_report_leads_somewhere(client):
    publish_sample()

    for path in ("/issues/87", "/ar/issues/87", "/issues/87/isis-in-action"):
        page = text_of(client, path)
        targets = set(re.findall(r'href="#([^"]+)"', page))
        assert targets <= set(re.findall(r'\sid="([^"]+)"', page))
        for address in set(re.findall(r'href="(/[^"]*)"', page)):
            assert client.get(address, buffered=True).status_code == 200, address


def test_a_section_stands_alone_with_links_to_the_others_the_report_and_the_form(client):
    publish_sample()

    page = text_of(client, "/issues/87/western-response")

    assert "Donors turn from equipment to paperwork" in page
    assert "A small group divides over a local truce" not in page
    standing = page[page.index('<aside class="standing"') : page.index("</aside>")]
    assert re.findall(r'href="([^"]+)"', standing) == [
        "/issues/87/isis-in-action",
        "/issues/87/anti-isis-coalition",
        "/issues/87/other-jihadi-actors",
        "/issues/87",
        "/subscribe",
    ]
    assert "to read about other jihadi actors" in standing


@pytest.mark.parametrize(
    "path",
    ["/issues/88", "/issues/0", "/issues/x", "/issues/87/sports", "/issues/87/western-response"],
)
def test_what_an_issue_does_not_hold_is_not_found(client, path):
    publish_week(87)

    assert client.get(path).status_code == 404


def test_an_article_missing_in_a_language_falls_back_alone_and_says_so(client):
    publish_sample()

    page = text_of(client, "/ar/issues/87")

    assert '<html lang="ar" dir="rtl">' in page
    western = page[page.index('<article id="western-response"') :].split("</article>")[0]
    assert '<div class="prose" lang="en" dir="ltr">' in western
    assert "Donors turn from equipment to paperwork" in western
    coalition = page[page.index('<article id="anti-isis-coalition"') :].split("</article>")[0]
    assert '<div class="prose">' in coalition
    assert "قوتان متنافستان" in coalition


def test_arabic_pages_lead_to_arabic_pages(client):
    publish_sample()

    page = text_of(client, "/ar/issues/87")

    assert 'href="/ar/issues/87/isis-in-action"' in page
    assert 'href="/ar/subscribe"' in page
    assert 'hreflang="en" dir="ltr"' in page
    assert '<a href="/issues/87" lang="en"' in page


def test_an_issue_keeps_the_titles_of_its_day(client):
    publish_sample()
    with transaction():
        db.session.execute(sa.update(SectionTitle).values(title="Renamed since"))

    page = text_of(client, "/issues/87")

    report = page[page.index("<main") :]
    assert "Western Response" in report
    assert "Renamed since" not in report


def test_an_issue_stays_public_when_its_sending_is_paused(client):
    # Somebody has to read it, or else it is sent at once.
    with transaction():
        make_subscriber()
    issue = publish_sample()
    with transaction():
        steering.pause(issue.id, who="anna@example.org", now=NOON)

    assert client.get("/issues/87").status_code == 200


def test_pages_name_their_address_in_each_language_the_issue_is_written_in(client):
    publish_sample()

    page = text_of(client, "/ar/issues/87")

    assert f'<link rel="canonical" href="{SITE}/ar/issues/87">' in page
    assert f'hreflang="en" href="{SITE}/issues/87">' in page
    assert f'hreflang="ar" href="{SITE}/ar/issues/87">' in page


def test_a_page_without_a_text_in_its_language_points_to_the_one_that_has_it(client):
    publish_sample()

    page = text_of(client, "/ar/issues/87/western-response")

    assert f'<link rel="canonical" href="{SITE}/issues/87/western-response">' in page
    assert 'rel="alternate" hreflang="ar"' not in page


def test_issues_lead_to_the_ones_before_and_after(client):
    for number in (85, 86, 88):
        publish_week(number)

    page = text_of(client, "/issues/86")

    assert '<a rel="prev" href="/issues/85">' in page
    assert '<a rel="next" href="/issues/88">' in page
    assert 'rel="next"' not in text_of(client, "/issues/88")


@pytest.mark.parametrize(
    ("path", "title", "kind"),
    [
        ("/", "Libya Weekly Report", "website"),
        ("/issues/", "All issues · Libya Weekly Report", "website"),
        ("/sections/isis-in-action", "ISIS in Action · Libya Weekly Report", "website"),
        ("/issues/87", "A quieter coast, a busier south-west · Libya Weekly Report 87", "article"),
        (
            "/issues/87/western-response",
            "Donors turn from equipment to paperwork · Libya Weekly Report 87",
            "article",
        ),
    ],
)
def test_a_page_says_what_it_is_to_whoever_links_to_it(client, path, title, kind):
    publish_sample()

    page = text_of(client, path)

    said = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', page))
    assert f"<title>{title}</title>" in page
    assert (said["og:title"], said["og:type"]) == (title, kind)
    assert said["og:url"] == f"{SITE}{path}"
    assert said["description"] == said["og:description"] != ""
    picture = client.get(said["og:image"].removeprefix(SITE), buffered=True)
    assert picture.content_type == "image/png"


def test_an_arabic_page_says_so_to_whoever_links_to_it(client):
    publish_sample()

    page = text_of(client, "/ar/issues/87")

    assert '<meta property="og:locale" content="ar">' in page
    assert f'<meta property="og:url" content="{SITE}/ar/issues/87">' in page


def test_the_front_page_offers_itself_in_the_other_language_in_its_words(client):
    page = text_of(client, "/")

    there = re.search(r'<p class="hint" lang="ar" dir="rtl"><a href="([^"]+)"', page)
    assert there is not None
    assert there.group(1) == "/ar/"


def test_a_list_over_several_years_leads_to_each(client):
    publish_week(52, day=date(2025, 12, 30))
    one = text_of(client, "/issues/")
    publish_week(85, day=date(2026, 11, 3))
    both = text_of(client, "/issues/")

    assert 'href="#year-' not in one
    assert re.findall(r'href="#year-(\d+)"', both) == ["2026", "2025"]


def test_a_partner_finds_the_way_to_republish(client):
    publish_sample()

    whole = text_of(client, "/issues/87")
    part = text_of(client, "/issues/87/western-response")

    assert 'href="/issues/87/extract"' in whole
    assert 'href="/issues/87/extract?sections=western-response"' in part


@pytest.mark.parametrize("path", ["/", "/issues/", "/issues/87", "/subscribe", "/nowhere"])
def test_every_page_leads_to_search_about_and_the_way_out(client, path):
    publish_sample()

    page = client.get(path).text

    for way in ("/search", "/about", "/manage", "/subscribe", "/issues/", "/feed.xml"):
        assert f'href="{way}"' in page
    assert re.search(r'<form[^>]+role="search" action="/search">', page)


@pytest.mark.parametrize(
    "path", ["/issues/", "/issues/87", "/issues/87/isis-in-action", "/feed.xml"]
)
def test_a_page_that_has_not_changed_is_not_sent_again(client, path):
    publish_sample()
    first = client.get(path)

    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    later = client.get(path, headers={"If-Modified-Since": first.headers["Last-Modified"]})

    assert (again.status_code, again.data) == (304, b"")
    assert later.status_code == 304
    assert "public" in first.headers["Cache-Control"]


def test_a_new_neighbour_changes_the_tag_of_a_page(client):
    publish_week(86)
    first = client.get("/issues/86").headers["ETag"]
    publish_week(87)

    assert client.get("/issues/86", headers={"If-None-Match": first}).status_code == 200


def test_an_editors_words_are_text_wherever_they_stand(client):
    wild = '<script>alert(1)</script> & "quoted"'
    publish(issue_file({"isis-in-action": wild}, subject=wild, headline=wild))

    for path in ("/", "/issues/", "/issues/87", "/issues/87/isis-in-action"):
        assert "<script" not in text_of(client, path)


def test_a_wide_table_scrolls_in_a_region_that_the_keyboard_reaches(client):
    publish_sample()

    page = text_of(client, "/issues/87")

    assert page.count('tabindex="0" aria-label="Table"><table>') == page.count("<table>")
    assert page.count("</table></div>") == page.count("<table>")


def test_reader_pages_set_no_cookie_and_name_no_other_site(client):
    publish_week(87)

    for path in ("/", "/issues/", "/issues/87", "/issues/87/isis-in-action"):
        response = client.get(path)
        assert "Set-Cookie" not in response.headers
        loaded = re.findall(
            r'(?:src|<link[^>]*rel="(?:stylesheet|icon)"[^>]*href)="([^"]+)"', response.text
        )
        assert all(address.startswith("/static/") for address in loaded)


@pytest.mark.parametrize(
    "path", ["/issues/99999999999999999999", "/ar/issues/9223372036854775808/x"]
)
def test_a_number_that_no_issue_can_have_is_not_there(client, path):
    assert client.get(path).status_code == 404
