"""The relay's URL is read once, refuses what would be unsafe, and never shows its password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.smtp import RelayAddress
from newsletter.mail.smtp_address import Tls


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("smtp://mail.example.org", "mail.example.org", 25, Tls.IF_OFFERED),
        ("smtp://mail.example.org:2525", "mail.example.org", 2525, Tls.IF_OFFERED),
        ("smtp://mail.example.org/", "mail.example.org", 25, Tls.IF_OFFERED),
        ("smtp://mail.example.org?starttls=true", "mail.example.org", 25, Tls.DEMANDED),
        ("smtp://mail.example.org?starttls=false", "mail.example.org", 25, Tls.NEVER),
        ("smtp://u:p@mail.example.org", "mail.example.org", 587, Tls.DEMANDED),
        ("smtp://u:p@mail.example.org:25?starttls=true", "mail.example.org", 25, Tls.DEMANDED),
        ("smtp://u:p@127.0.0.1:1025", "127.0.0.1", 1025, Tls.NEVER),
        ("smtp://localhost", "localhost", 25, Tls.NEVER),
        ("smtp://[::1]:1025", "::1", 1025, Tls.NEVER),
        ("smtp://localhost?starttls=true", "localhost", 25, Tls.DEMANDED),
        ("smtps://mail.example.org", "mail.example.org", 465, Tls.FROM_THE_START),
        ("smtps://u:p@127.0.0.1:1465", "127.0.0.1", 1465, Tls.FROM_THE_START),
    ],
)
def test_a_url_says_where_and_how(url, host, port, tls):
    address = RelayAddress.parse(url)

    assert (address.host, address.port, address.tls) == (host, port, tls)


def test_a_unix_socket_is_local_and_needs_no_encryption():
    address = RelayAddress.parse("smtp+unix:///srv/news%20letter/smtp.sock")

    assert address.path == "/srv/news letter/smtp.sock"
    assert address.is_local
    assert address.tls is Tls.NEVER


def test_credentials_are_percent_decoded_and_hidden():
    address = RelayAddress.parse("smtps://user%40example.org:s%2F%23%3Acret@mail.example.org")

    assert (address.user, address.password) == ("user@example.org", "s/#:cret")
    assert "cret" not in repr(address)
    assert "cret" not in str(address)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_url_says_what_the_relay_can_bear(scheme):
    url = f"{scheme}://u:p@mail.example.org?connections=20&messages_per_second=12.5"

    address = RelayAddress.parse(url)

    assert address.shared_connections == 20
    assert address.messages_per_second == 12.5
    assert address.tls is not Tls.NEVER


def test_a_relay_that_names_no_limit_has_none():
    address = RelayAddress.parse("smtp://mail.example.org?starttls=true")

    assert address.shared_connections is None
    assert address.messages_per_second is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("smtp://u:hush@mail.example.org", "mail.example.org:587"),
        ("smtp://u:hush@mail.example.org:2525?connections=3", "mail.example.org:2525"),
        ("smtp://[::1]:1025", "[::1]:1025"),
        ("smtp+unix:///srv/mail.sock", "/srv/mail.sock"),
    ],
)
def test_a_relay_has_a_name_that_tells_no_secret(url, name):
    assert RelayAddress.parse(url).name == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "smtp://",
        "http://user:hunter2@mail.example.org",
        "smtp://user:hunter2@",
        "smtp://user:hunter2@mail.example.org:port",
        "smtp://user:hunter2@mail.example.org:99999",
        "smtp://user:hun/ter2@mail.example.org",
        "smtp://user:hun#ter2@mail.example.org",
        "smtp://user:hunter2\u2100@mail.example.org",
        "smtp://user:hunter2@mail.example.org/path",
        "smtp://user:hunter2@mail.example.org?starttls=false",
        "smtp://user:hunter2@mail.example.org?starttls=hunter2",
        "smtp://user:hunter2@mail.example.org?starttls",
        "smtp://user:hunter2@mail.example.org?hunter2=1",
        "smtp://user:hunter2@mail.example.org?starttls=true&starttls=true",
        "smtp://user:hunter2@mail.example.org?connections=hunter2",
        "smtp://user:hunter2@mail.example.org?connections=0",
        "smtp://user:hunter2@mail.example.org?connections=-1",
        "smtp://user:hunter2@mail.example.org?connections=2.5",
        "smtp://user:hunter2@mail.example.org?connections=99999",
        "smtp://user:hunter2@mail.example.org?connections=\u0663",
        "smtp://user:hunter2@mail.example.org?connections=",
        "smtp://user:hunter2@mail.example.org?connections=2&connections=3",
        "smtp://user:hunter2@mail.example.org?messages_per_second=hunter2",
        "smtp://user:hunter2@mail.example.org?messages_per_second=0",
        "smtp://user:hunter2@mail.example.org?messages_per_second=0.0",
        "smtp://user:hunter2@mail.example.org?messages_per_second=-5",
        "smtp://user:hunter2@mail.example.org?messages_per_second=inf",
        "smtp://user:hunter2@mail.example.org?messages_per_second=1e3",
        "smtp://user:hunter2@mail.example.org#connections=2",
        "smtps://user:hunter2@mail.example.org?starttls=true",
        "smtp://hunter2@mail.example.org",
        "smtp://:hunter2@mail.example.org",
        "smtp://user:hunter2%00@mail.example.org",
        "smtp://user:hunter2@mail..example.org",
        "smtp://user:hunter2@b\u00fccher.example",
        "smtp://user:hunter2@" + "a" * 64 + ".example",
        "smtp+unix://hunter2/path",
        "smtp+unix:///",
        "smtp+unix:///path?hunter2",
        "smtp+unix:///path?connections=2",
    ],
)
def test_a_wrong_url_is_refused_in_words_that_show_nothing_of_it(url):
    with pytest.raises(ValueError, match="relay") as refused:
        RelayAddress.parse(url)

    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


STARTS = [
    "",
    "smtp://",
    "smtps://",
    "smtp+unix://",
    "smtp://u:p@",
    "smtp://host?connections=",
    "smtp://host?messages_per_second=",
]


@given(st.text(), st.sampled_from(STARTS))
def test_any_text_is_a_safe_address_or_a_clear_refusal(text, start):
    address, refusal = parsed(start + text)

    assert "relay" in refusal or (address and (address.path or address.host))
    if address:
        assert address.shared_connections is None or address.shared_connections > 0
        assert address.messages_per_second is None or address.messages_per_second > 0
    if address and address.user:
        assert address.is_local or address.tls is not Tls.NEVER


def parsed(url: str) -> tuple[RelayAddress | None, str]:
    try:
        return RelayAddress.parse(url), ""
    except ValueError as refused:
        return None, str(refused)
