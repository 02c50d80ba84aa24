"""Where a relay listens, and what its socket says when it fails."""

import socket
import ssl
from collections import deque
from collections.abc import Sequence
from time import monotonic

from newsletter.mail.smtp_address import RelayAddress

TLS_RECORD = 16384  # octets; the most that one piece of encryption holds
_RESOLVED_FOR = 10.0  # seconds, whether a name was found or not

Candidate = tuple[int, int, int, tuple[str | int, ...] | tuple[int, bytes] | str]


class Resolver:
    """The addresses of one relay, looked up once for all connections that are opened together."""

    def __init__(self, address: RelayAddress) -> None:
        self._address = address
        self._found: Sequence[Candidate] = ()
        self._failure: OSError | None = None
        self._expires_at = 0.0

    def candidates(self) -> deque[Candidate]:
        """In the order in which they are to be tried; raises OSError for an unknown name."""
        if monotonic() >= self._expires_at:
            try:
                self._found, self._failure = _resolve(self._address), None
            except OSError as error:
                self._failure = error
            self._expires_at = monotonic() + _RESOLVED_FOR
        if self._failure:
            raise OSError(*self._failure.args)
        return deque(self._found)


def _resolve(address: RelayAddress) -> Sequence[Candidate]:
    if address.path is not None:
        return [(socket.AF_UNIX, socket.SOCK_STREAM, 0, address.path)]
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return [(family, kind, protocol, where) for family, kind, protocol, _, where in found]


def first_octets(buffers: Sequence[bytes | memoryview]) -> bytes:
    """One TLS record at most; the same again, or longer, as long as nothing was taken away."""
    taken: list[memoryview] = []
    room = TLS_RECORD
    for buffer in buffers:
        taken.append(memoryview(buffer)[:room])
        room -= len(taken[-1])
        if not room:
            break
    return b"".join(taken)


def in_words(error: OSError) -> str:
    """What went wrong, in a sentence for operators."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of the server is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"The encrypted connection failed: {error.reason or error}"
    return error.strerror or str(error)
