"""What all pages share: languages, headers, files that browsers may keep."""

import re

import pytest

from newsletter import create_app
from newsletter.pages import HEADERS
from newsletter.settings import load_settings
from tests.publishing import publish_sample


def test_the_style_sheet_may_be_kept_for_ever_because_its_address_names_its_content(client):
    page = client.get("/").text
    [address] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)

    sheet = client.get(address, buffered=True)

    assert re.fullmatch(r"/static/site\.css\?v=[0-9a-f]{12}", address)
    assert sheet.status_code == 200
    assert "immutable" in sheet.headers["Cache-Control"]
    unnamed = client.get("/static/site.css", buffered=True)
    assert "immutable" not in unnamed.headers.get("Cache-Control", "")
    assert "immutable" not in client.get("/static/none.css?v=1").headers["Cache-Control"]


def test_the_style_sheet_loads_nothing(client):
    sheet = client.get("/static/site.css", buffered=True).text

    assert "url(" not in sheet
    assert "@import" not in sheet


@pytest.mark.parametrize("path", ["/", "/issues/87", "/nowhere", "/feed.xml", "/static/site.css"])
def test_every_answer_carries_the_security_headers(client, path):
    publish_sample()

    headers = client.get(path, buffered=True).headers

    assert all(headers[name] == value for name, value in HEADERS.items())


@pytest.mark.parametrize("path", ["/", "/issues/", "/issues/87", "/nowhere", "/ar/issues/87"])
def test_no_page_needs_what_the_policy_forbids(client, path):
    publish_sample()

    page = client.get(path).text

    assert "<script" not in page
    assert "<style" not in page
    assert not re.search(r"\s(style|on\w+)=", page)


@pytest.mark.parametrize(
    ("path", "opening"),
    [("/", '<html lang="en" dir="ltr">'), ("/ar/", '<html lang="ar" dir="rtl">')],
)
def test_a_page_says_which_language_it_is_in_and_which_way_it_runs(client, path, opening):
    assert opening in client.get(path).text


def test_each_page_has_one_main_part_and_a_way_to_skip_to_it(client):
    publish_sample()

    for path in ("/", "/issues/", "/issues/87", "/issues/87/isis-in-action", "/nowhere"):
        page = client.get(path).text
        assert page.count("<main") == page.count("<h1") == 1
        assert page.index('<a class="skip" href="#main">') < page.index("<header")
        assert '<main id="main"' in page


def test_the_language_switch_stays_on_the_page(client):
    publish_sample()

    assert (
        '<a href="/ar/issues/87/isis-in-action" lang="ar"'
        in client.get("/issues/87/isis-in-action").text
    )
    assert '<a href="/issues/" lang="en"' in client.get("/ar/issues/").text
    assert '<a href="/ar/" lang="ar"' in client.get("/nowhere").text


def test_in_production_we_answer_for_our_own_host_alone(tmp_path):
    settings = load_settings(
        _env_file=None,
        instance_path=tmp_path,
        public_url="https://news.example.org",
        secret_key="the key of the tests is long enough to be taken",
        mail_from="news@example.org",
        smtp_url="smtp://relay.example.org",
    )
    client = create_app(settings).test_client()

    assert client.get("/issues", base_url="https://evil.example").status_code == 400
    ours = client.get("/issues", base_url="https://news.example.org")
    assert ours.headers["Location"] == "https://news.example.org/issues/"
    assert client.get("/issues", base_url="http://127.0.0.1:8000").status_code == 308


def test_what_breaks_is_logged_without_the_readers_token(app, client, caplog):
    def breaks(token):
        raise ZeroDivisionError

    app.add_url_rule("/breaks/<token>", "breaks", breaks)

    assert client.get("/breaks/hush").status_code == 500
    assert "breaks broke" in caplog.text
    assert "hush" not in caplog.text
