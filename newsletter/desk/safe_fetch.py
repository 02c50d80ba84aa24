"""Try where a link leads, without letting it lead us anywhere but to the public web.

Whoever writes an article chooses what this machine opens. So a name is resolved once, every one of
its addresses must be public, and the connection goes to such an address and to no name: a second
answer of its name server changes nothing. The same holds for each step of a redirect. Only http and
https on their own ports; no proxy, no cookie, no password, and no more of an answer than its head
is used. Whatever a server does, it is over in time.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException as BrokenAnswer
from ipaddress import ip_address
from threading import Timer
from time import monotonic
from urllib.parse import urljoin

import dns.exception
import dns.resolver
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, SSLError
from urllib3.exceptions import TimeoutError as NoAnswerInTime
from urllib3.response import HTTPResponse

from newsletter.issues.web_address import (
    PORTS,
    Address,
    Fault,
    Unopenable,
    WebAddress,
    is_public,
    read_address,
)

STEP = 5.0  # seconds for an answer of a name server, a connection, a piece of an answer
IN_ALL = 20.0  # seconds for an address with all its redirects
MOST_REDIRECTS = 5
FIRST_BYTES = 512
REDIRECTS = frozenset({301, 302, 303, 307, 308})
USER_AGENT = "newsletter-link-check/1"


@dataclass(frozen=True)
class Answer:
    """What a server said at the end of all redirects."""

    status: int

    @property
    def is_fine(self) -> bool:
        """Whether a reader would find something there."""
        return self.status < HTTPStatus.BAD_REQUEST


@dataclass(frozen=True)
class Fetcher:
    """Opens addresses, but none of `own_host`, our own site.

    What it may reach is for tests to widen, and for nobody else.
    """

    own_host: str | None = None

    resolver: dns.resolver.Resolver = field(default_factory=dns.resolver.Resolver)
    may_reach: Callable[[Address], bool] = is_public
    ports: frozenset[int] = frozenset(PORTS.values())
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    step: float = STEP
    in_all: float = IN_ALL

    def try_address(self, url: str) -> Answer:
        """Follow an address to its end; raises `Unopenable`.

        Asks for the head alone first, and for the page where a server does not like that.
        """
        deadline = monotonic() + self.in_all
        for _ in range(MOST_REDIRECTS + 1):
            address = read_address(url)
            candidates = self._vet(address, deadline)
            status, onward = self._ask("HEAD", address, candidates, deadline)
            if status >= HTTPStatus.BAD_REQUEST:
                status, onward = self._ask("GET", address, candidates, deadline)
            if status not in REDIRECTS or not onward:
                return Answer(status)
            url = _onward(url, onward)
        raise Unopenable(Fault.CIRCLE)

    def _vet(self, address: WebAddress, deadline: float) -> list[Address]:
        """All addresses of a host, of which every one may be reached."""
        if address.host == self.own_host:
            raise Unopenable(Fault.OURS)
        if address.port not in self.ports:
            raise Unopenable(Fault.PORT)
        found = [address.ip] if address.ip else self._resolve(address.host, deadline)
        if not all(self.may_reach(one) for one in found):
            raise Unopenable(Fault.PRIVATE)
        return found

    def _resolve(self, host: str, deadline: float) -> list[Address]:
        """Ask the name servers, and neither /etc/hosts nor search domains."""
        found: list[Address] = []
        for kind in ("A", "AAAA"):
            try:
                records = self.resolver.resolve(
                    f"{host}.", kind, lifetime=self._patience(deadline), raise_on_no_answer=False
                )
            except dns.resolver.NXDOMAIN:
                break
            except dns.exception.Timeout:
                raise Unopenable(Fault.SLOW) from None
            except dns.exception.DNSException:
                continue
            found += [ip_address(record.address) for record in records]
        if not found:
            raise Unopenable(Fault.NO_HOST)
        return found

    def _ask(
        self, method: str, address: WebAddress, candidates: list[Address], deadline: float
    ) -> tuple[int, str]:
        """The status of an answer, and where it sends us; from the first host that listens."""
        with self._connected(candidates, address.port, deadline) as plain:
            connection = self._connection(address, plain)
            with closing(connection), _over_at(deadline, plain), _faults():
                connection.request(
                    method,
                    address.target,
                    headers={
                        "Host": address.authority,
                        "User-Agent": USER_AGENT,
                        "Accept": "*/*",
                        "Accept-Encoding": "identity",
                        "Connection": "close",
                    },
                    preload_content=False,
                )
                answer = connection.getresponse()
                _read_first_bytes(answer)
                return answer.status, _as_text(answer.headers.get("Location", ""))

    @contextmanager
    def _connected(
        self, candidates: list[Address], port: int, deadline: float
    ) -> Iterator[socket.socket]:
        for one in candidates:
            try:
                plain = socket.create_connection((str(one), port), self._patience(deadline))
            except TimeoutError:
                fault = Fault.SLOW
            except OSError:
                fault = Fault.UNREACHABLE
            else:
                with plain:
                    plain.settimeout(self._patience(deadline))
                    yield plain
                return
        raise Unopenable(fault)

    def _connection(self, address: WebAddress, plain: socket.socket) -> HTTPConnection:
        if address.scheme == "https":
            return _SecureOver(plain, address, self.tls)
        return _Over(plain, address)

    def _patience(self, deadline: float) -> float:
        """Seconds for the next step; raises `Unopenable` when there are none left."""
        left = min(self.step, deadline - monotonic())
        if left <= 0:
            raise Unopenable(Fault.SLOW)
        return left


class _Over(HTTPConnection):
    """HTTP over a connection that stands already, so that no name is looked up again."""

    def __init__(self, plain: socket.socket, address: WebAddress) -> None:
        super().__init__(address.host, address.port, timeout=plain.gettimeout())
        self._plain = plain

    def _new_conn(self) -> socket.socket:
        return self._plain.dup()


class _SecureOver(HTTPSConnection):
    """The same within TLS; the certificate must be for the name in the address."""

    def __init__(self, plain: socket.socket, address: WebAddress, tls: ssl.SSLContext) -> None:
        super().__init__(
            address.host,
            address.port,
            timeout=plain.gettimeout(),
            ssl_context=tls,
            server_hostname=address.host,
        )
        self._plain = plain

    def _new_conn(self) -> socket.socket:
        return self._plain.dup()


@contextmanager
def _over_at(deadline: float, plain: socket.socket) -> Iterator[None]:
    """Break the line at the deadline, even if a byte comes every second."""
    is_late = False

    def hang_up() -> None:
        nonlocal is_late
        is_late = True
        with suppress(OSError):  # the other side was quicker
            plain.shutdown(socket.SHUT_RDWR)

    watch = Timer(max(deadline - monotonic(), 0), hang_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    except Unopenable:
        if not is_late:
            raise
    finally:
        watch.cancel()
    if is_late:  # also when what came until then would pass for an answer
        raise Unopenable(Fault.SLOW)


@contextmanager
def _faults() -> Iterator[None]:
    """Say in our words what went wrong on the line."""
    try:
        yield
    except (TimeoutError, NoAnswerInTime):
        raise Unopenable(Fault.SLOW) from None
    except (ssl.SSLError, SSLError, ssl.CertificateError):
        raise Unopenable(Fault.CERTIFICATE) from None
    except (OSError, HTTPError, BrokenAnswer, ValueError):
        raise Unopenable(Fault.BROKEN) from None


def _read_first_bytes(answer: HTTPResponse) -> None:
    """A page that breaks off at once is no page."""
    answer.read(FIRST_BYTES, decode_content=False)


def _onward(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise Unopenable(Fault.MISREAD) from None


def _as_text(location: str) -> str:
    """A header as a server may have meant it: browsers read UTF-8 in it, http.client Latin-1."""
    return location.encode("latin-1").decode("utf-8", "replace")
