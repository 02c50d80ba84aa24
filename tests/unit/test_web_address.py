"""Which addresses are on the public web: what is not plainly there is refused."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.issues.web_address import (
    Fault,
    Unopenable,
    is_public,
    read_address,
)

PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254
168.63.129.16 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.7
192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::a00:1 100::1 2001::1 2001:0:7f00:1:: 2001:10::1
2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: 3ffe::1 3fff::1 5f00::1 fc00::1
fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%eth0 2606:4700::1%1 fec0::1 ff02::1 ff0e::1 4000::1
2606:4700::5efe:a00:1 2606:4700::200:5efe:7f00:1
""".split()  # noqa: SIM905 - a table is easier to read
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.1.1.1 128.0.0.1
169.253.1.1 169.255.1.1 172.15.255.255 172.32.0.0 192.167.1.1 192.169.1.1 198.17.1.1 198.20.0.1
223.255.255.255 2606:4700:4700::1111 2a00:1450:4001:80b::200e 2400:cb00::1
""".split()  # noqa: SIM905 - the same


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_near_or_disguised_is_not_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_out_there_is_public(address):
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_in_a_disguise_of_ipv6(address):
    number = int(address)

    for disguise in (
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
        0x20010000 << 96 | number ^ 0xFFFFFFFF,
        0x26064700 << 96 | 0x5EFE << 32 | number,
    ):
        assert not is_public(ip_address(disguise.to_bytes(16, "big")))


@given(st.ip_addresses())
def test_we_are_never_more_trusting_than_the_registries(address):
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    "url",
    [
        "http://user@example.org/",
        "http://user:secret@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org\t.evil/",
        "http://exa mple.org/",
        "http://example.org/a b",
        "http://example.org/\r\nHost: 127.0.0.1",
        "http://example.org:80a/",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://127.0.0.01/",
        "http://0177.0.0.1/",
        "http://1.2.3.4.5/",
        "http://[::1/",
        "http://[v1.x]/",
        "http://[localhost]/",
        "http:///path",
        "http://",
        "http:example.org",
        "http://.example.org/",
        "http://example..org/",
        "http://exam%70le.org/",
        "http://" + "a" * 64 + ".org/",
        "http://" + "a." * 150 + "org/",
        "https://example.org/" + "x" * 9000,
        "",
    ],
)
def test_what_programs_read_in_two_ways_is_no_address(url):
    with pytest.raises(Unopenable) as refused:
        read_address(url)

    assert refused.value.fault in {Fault.MISREAD, Fault.SCHEME}


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/", "gopher://x.org/", "//example.org/", "x"]
)
def test_only_http_and_https_are_opened(url):
    with pytest.raises(Unopenable) as refused:
        read_address(url)

    assert refused.value.fault is Fault.SCHEME


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "db",
        "printer.local",
        "metadata.google.internal",
        "a.b.localhost",
        "nas.home.arpa",
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "１２７.0.0.1",
        "127。0。0。1",
        "ⓛocalhost",
    ],
)
def test_a_host_that_is_near_shows_without_asking_anybody(host):
    assert read_address(f"http://{host}/").is_private


@pytest.mark.parametrize("host", ["example.org", "www.example.co.uk", "9.9.9.9", "[2400:cb00::1]"])
def test_a_host_on_the_web_does_not(host):
    assert not read_address(f"https://{host}/").is_private


def test_an_address_is_taken_apart_into_what_a_request_needs():
    found = read_address("HTTPS://Müller.Example:443/a path/é?q=ü#there".replace("a path", "a"))

    assert (found.scheme, found.host, found.port) == ("https", "xn--mller-kva.example", 443)
    assert found.authority == "xn--mller-kva.example"
    assert found.target == "/a/%C3%A9?q=%C3%BC"


def test_an_unusual_port_stands_in_the_host_header():
    assert read_address("http://example.org:8080").authority == "example.org:8080"
    assert read_address("http://[2400:cb00::1]:8080/").authority == "[2400:cb00::1]:8080"


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{1,30}(/.{0,20})?", fullmatch=True))
def test_whatever_is_typed_is_read_in_one_way_or_refused(url):
    try:
        found = read_address(url)
    except Unopenable:
        return

    assert found.host == found.host.lower()
    assert found.host.isascii()
    assert not set(found.host) & set("@/\\?#% \t\r\n")
    assert found.target.startswith("/")
    assert found.target.isascii()
    assert found.target.isprintable()
    assert " " not in found.target
    again = read_address(f"{found.scheme}://{found.authority}{found.target}")
    assert again == found
    assert urlsplit(url).scheme == found.scheme
