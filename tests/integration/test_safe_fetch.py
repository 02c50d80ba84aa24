"""What editors link to is tried on the public web alone, whatever names and servers answer."""

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from newsletter.desk.safe_fetch import Fetcher
from newsletter.issues.web_address import Address, Fault, Unopenable, is_public
from tests.web_server import NameServer, Script, WebServer, say

HOME = ip_address("127.0.0.1")
PUBLIC, METADATA = "A 93.184.216.34", "A 169.254.169.254"


def is_public_or_ours(address: Address) -> bool:
    """The rule of the service, with a hole for the servers of the test."""
    return address == HOME or is_public(address)


@pytest.fixture
def servers() -> Iterator[list[WebServer | NameServer]]:
    started: list[WebServer | NameServer] = []
    yield started
    for server in started:
        server.close()


@pytest.fixture
def serve(servers):
    """Start a web server that follows a script."""

    def start(script: Script, tls: ssl.SSLContext | None = None) -> WebServer:
        server = WebServer(script, tls)
        servers.append(server)
        return server

    return start


@pytest.fixture
def name_server(servers) -> NameServer:
    server = NameServer({"site.example": ["A 127.0.0.1"]})
    servers.append(server)
    return server


@pytest.fixture
def fetch(name_server):
    """Try an address of the servers given, with little patience."""

    def start(url: str, *allowed: WebServer, **changes):
        ports = frozenset({80, *(server.port for server in allowed)})
        values: dict[str, Any] = {
            "step": 0.5,
            "in_all": 1.5,
            "may_reach": is_public_or_ours,
            "ports": ports,
        }
        return Fetcher(resolver=name_server.resolver, **values | changes).try_address(url)

    return start


def refused(fetch, *arguments, **changes) -> Fault:
    with pytest.raises(Unopenable) as error:
        fetch(*arguments, **changes)
    return error.value.fault


def url_of(server: WebServer, path: str = "/", scheme: str = "http") -> str:
    return f"{scheme}://site.example:{server.port}{path}"


def test_a_page_that_is_there_is_asked_for_its_head_alone(serve, fetch):
    server = serve(say(200, body=b"x" * 100))

    assert fetch(url_of(server, "/report?week=46#end"), server).is_fine

    (request,) = server.requests
    head, *lines = request.decode().split("\r\n")
    assert head == "HEAD /report?week=46 HTTP/1.1"
    assert f"Host: site.example:{server.port}" in lines
    assert "User-Agent: newsletter-link-check/1" in lines
    assert not [line for line in lines if line.lower().startswith(("cookie", "auth", "referer"))]


def test_a_server_that_does_not_like_that_is_asked_for_the_page(serve, fetch):
    def script(line: socket.socket, request: bytes) -> None:
        (say(405) if request.startswith(b"HEAD") else say(200, body=b"A page"))(line, request)

    server = serve(script)

    assert fetch(url_of(server), server).status == 200
    assert [request.split()[0] for request in server.requests] == [b"HEAD", b"GET"]


@pytest.mark.parametrize("status", [404, 410, 403, 500])
def test_what_the_server_says_is_handed_on(serve, fetch, status):
    server = serve(say(status, body=b"Nothing here"))

    answer = fetch(url_of(server), server)

    assert answer.status == status
    assert not answer.is_fine


def test_the_name_is_asked_for_once_and_the_connection_goes_where_that_led(
    serve, fetch, name_server
):
    server = serve(say(404))

    fetch(url_of(server), server)

    assert len(server.requests) == 2
    assert sorted(name_server.asked) == ["site.example A", "site.example AAAA"]


@pytest.mark.parametrize(
    "records",
    [
        [METADATA],
        ["A 10.0.0.1"],
        [PUBLIC, METADATA],
        [PUBLIC, "AAAA ::1"],
        ["AAAA fe80::1"],
        ["AAAA ::ffff:169.254.169.254"],
        ["AAAA 64:ff9b::a9fe:a9fe"],
        ["AAAA 2002:a9fe:a9fe::"],
        ["AAAA fd00:ec2::254"],
        ["A 0.0.0.0"],
        ["A 224.0.0.1"],
    ],
)
def test_a_name_with_any_address_that_is_near_is_not_opened(serve, fetch, name_server, records):
    name_server.zone["trap.example"] = records
    server = serve(say(200))

    assert refused(fetch, f"http://trap.example:{server.port}/", server) is Fault.PRIVATE
    assert server.requests == []


def test_with_the_rule_of_the_service_our_own_machine_is_out_of_reach(serve, fetch):
    server = serve(say(200))

    for host in ("site.example", "127.0.0.1"):
        url = f"http://{host}:{server.port}/"
        assert refused(fetch, url, server, may_reach=is_public) is Fault.PRIVATE
    assert refused(fetch, f"http://localhost:{server.port}/", server) is Fault.NO_HOST
    assert server.requests == []


def test_a_name_of_this_machine_alone_is_not_known(serve, fetch):
    server = serve(say(200))

    for host in ("localhost", socket.gethostname(), "127.1", "2130706433", "0x7f.1"):
        assert refused(fetch, f"http://{host}:{server.port}/", server) in {
            Fault.NO_HOST,
            Fault.MISREAD,
        }
    assert server.requests == []


def test_a_redirect_is_followed_and_vetted_anew(serve, fetch, name_server):
    name_server.zone["trap.example"] = [METADATA]
    end = serve(say(200))
    for onward, fault in (
        ("http://trap.example/latest/meta-data/", Fault.PRIVATE),
        ("http://169.254.169.254/latest/meta-data/", Fault.PRIVATE),
        ("http://[::ffff:10.0.0.1]/", Fault.PRIVATE),
        ("//10.0.0.1/", Fault.PRIVATE),
        ("file:///etc/passwd", Fault.SCHEME),
        ("gopher://site.example/", Fault.SCHEME),
        ("http://site.example:22/", Fault.PORT),
        ("http://a@site.example/", Fault.MISREAD),
        ("http://[::1", Fault.MISREAD),
        ("http://127.1/", Fault.MISREAD),
        ("http://site.example/" + "x" * 9000, Fault.MISREAD),
    ):
        server = serve(say(302, f"Location: {onward}"))
        ports = frozenset({server.port, end.port, 80, 443})
        with pytest.raises(Unopenable) as error:
            Fetcher(
                resolver=name_server.resolver, may_reach=is_public_or_ours, step=1, ports=ports
            ).try_address(url_of(server))
        assert error.value.fault is fault, onward

    server = serve(say(301, f"Location: {url_of(end, '/é')}"))
    assert fetch(url_of(server), server, end).is_fine
    assert end.requests[0].startswith(b"HEAD /%C3%A9 ")


def test_a_redirect_without_end_is_given_up(serve, fetch):
    server = serve(say(302, "Location: /again"))

    assert refused(fetch, url_of(server), server) is Fault.CIRCLE
    assert len(server.requests) == 6


def test_our_own_site_is_not_asked_neither_at_once_nor_by_a_redirect(serve, fetch, name_server):
    name_server.zone["news.example"] = ["A 127.0.0.1"]
    ours = serve(say(200))
    desk = f"http://NEWS.example.:{ours.port}/desk/"
    server = serve(say(302, f"Location: {desk}"))

    for url in (desk, url_of(server)):
        assert refused(fetch, url, server, ours, own_host="news.example") is Fault.OURS
    assert ours.requests == []


def test_other_ports_than_those_of_the_web_are_not_tried(serve, name_server):
    server = serve(say(200))
    fetcher = Fetcher(resolver=name_server.resolver, may_reach=is_public_or_ours)

    with pytest.raises(Unopenable) as error:
        fetcher.try_address(url_of(server))

    assert error.value.fault is Fault.PORT
    assert server.requests == []


def test_no_proxy_of_the_environment_is_used(serve, fetch, monkeypatch):
    proxy, server = serve(say(200)), serve(say(204))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{proxy.port}")

    assert fetch(url_of(server), server).status == 204
    assert proxy.requests == []


def test_a_name_that_does_not_exist_and_one_without_addresses(fetch, name_server):
    name_server.zone["empty.example"] = ["TXT nothing"]

    assert refused(fetch, "http://gone.example/") is Fault.NO_HOST
    assert refused(fetch, "http://empty.example/") is Fault.NO_HOST


def drip(line: socket.socket, server_over, piece: bytes) -> None:
    while not server_over.wait(0.1):
        line.sendall(piece)


@pytest.mark.parametrize(
    "before", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_server_that_goes_on_for_ever_is_left(serve, fetch, before):
    def script(line: socket.socket, request: bytes) -> None:
        line.sendall(before)
        drip(line, server.over, before or b"H")

    server = serve(script)

    assert refused(fetch, url_of(server), server) in {Fault.SLOW, Fault.BROKEN}


def test_a_server_that_says_nothing_is_too_slow(serve, fetch):
    server: WebServer = serve(lambda _line, _request: bool(server.over.wait(30)))

    assert refused(fetch, url_of(server), server) is Fault.SLOW


def test_a_name_server_that_says_nothing_is_too_slow(fetch, name_server):
    name_server.close()
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    resolver = name_server_at(silent.getsockname()[1])
    fetcher = Fetcher(resolver=resolver, step=0.3, in_all=1)

    with silent, pytest.raises(Unopenable) as error:
        fetcher.try_address("http://site.example/")

    assert error.value.fault is Fault.SLOW


def name_server_at(port: int):
    found = NameServer({})
    resolver = found.resolver
    found.close()
    resolver.port = port
    return resolver


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"\x16\x03\x01\x00\x00",
    ],
)
def test_what_is_no_answer_of_a_web_server_is_said(serve, fetch, answer):
    server = serve(lambda line, _request: line.sendall(answer))

    assert refused(fetch, url_of(server), server) is Fault.BROKEN


def test_of_an_endless_page_only_the_beginning_is_read(serve, fetch):
    sent: list[int] = []

    def script(line: socket.socket, request: bytes) -> None:
        if request.startswith(b"HEAD"):
            say(405)(line, request)
            return
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.over.is_set():
            sent.append(line.send(b"x" * 65_536))

    server = serve(script)

    assert fetch(url_of(server), server).status == 200
    assert sum(sent) < 50_000_000


def test_a_compressed_page_is_not_unpacked(serve, fetch):
    def script(line: socket.socket, request: bytes) -> None:
        is_head = request.startswith(b"HEAD")
        page = say(200, "Content-Encoding: gzip", body=b"no gzip at all")
        (say(405) if is_head else page)(line, request)

    server = serve(script)

    assert fetch(url_of(server), server).status == 200


def test_a_port_where_nobody_listens_does_not_answer(fetch, serve):
    server = serve(say(200))
    server.close()

    assert refused(fetch, url_of(server), server) is Fault.UNREACHABLE


def openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An authority of our own that vouches for `site.example`."""
    path = tmp_path_factory.mktemp("certificates")
    assert isinstance(path, Path)
    openssl(
        path,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"
        " -addext keyUsage=critical,keyCertSign",
    )
    (path / "site.ext").write_text("subjectAltName=DNS:site.example\n")
    openssl(path, "req -newkey rsa:2048 -nodes -keyout site.key -out site.csr -subj /CN=x")
    openssl(
        path,
        "x509 -req -in site.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out site.pem"
        " -extfile site.ext",
    )
    return path


@pytest.fixture
def secure(serve, folder) -> WebServer:
    """A server with the certificate of `site.example`, which writes down the name asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem", folder / "site.key")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server: WebServer = serve(say(200), context)
    server.asked = asked  # type: ignore[attr-defined]  # for the one test that looks at it
    return server


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ca.pem"))


def test_over_https_the_certificate_is_for_the_name_not_for_the_address(secure, fetch, folder):
    url = url_of(secure, scheme="https")

    assert fetch(url, secure, tls=trusting(folder)).is_fine
    assert secure.asked == ["site.example"]


def test_a_certificate_for_another_name_or_of_nobody_is_said(secure, fetch, folder, name_server):
    name_server.zone["other.example"] = ["A 127.0.0.1"]
    other = f"https://other.example:{secure.port}/"

    assert refused(fetch, other, secure, tls=trusting(folder)) is Fault.CERTIFICATE
    assert refused(fetch, url_of(secure, scheme="https"), secure) is Fault.CERTIFICATE
    assert secure.requests == []


def test_a_handshake_that_never_ends_is_over_in_time(serve, fetch):
    server: WebServer = serve(lambda line, _request: drip(line, server.over, b"\x16"))

    assert refused(fetch, url_of(server, scheme="https"), server) in {
        Fault.SLOW,
        Fault.CERTIFICATE,
        Fault.BROKEN,
    }
