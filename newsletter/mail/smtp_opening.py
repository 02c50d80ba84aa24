"""From an open socket to a relay that takes mail: greeting, EHLO, encryption, login.

Written as a generator that yields what to do next and is sent the reply, so that the order of
events can be read from top to bottom.
"""

from base64 import b64encode
from collections.abc import Generator
from enum import Enum, auto
from typing import NamedTuple

from newsletter.mail.smtp_address import RelayAddress, Tls
from newsletter.mail.smtp_answers import Stage
from newsletter.mail.smtp_replies import Reply


class Broken(Exception):
    """The connection cannot go on; `reply` is what the server said, if it said anything."""

    def __init__(self, text: str, reply: Reply | None = None) -> None:
        super().__init__(text)
        self.reply = reply


class Say(NamedTuple):
    """Say a line (or nothing, to hear the greeting) and wait for the reply."""

    stage: Stage
    line: bytes | None = None


class Handshake(Enum):
    """Encrypt the connection; what was heard before counts no longer (RFC 3207 4.2)."""

    TLS = auto()


Extensions = dict[str, str]
_Steps = Generator[Say | Handshake, Reply, Extensions]


def open_session(address: RelayAddress, helo: str) -> _Steps:
    """Return what the server offers once it takes mail; raises `Broken` when it does not."""
    if address.tls is Tls.FROM_THE_START:
        yield Handshake.TLS
    greeting = yield Say(Stage.GREETING)
    if not greeting.is_positive:
        raise Broken("The server does not want to talk to us.", greeting)
    extensions = yield from _hello(helo)
    is_encrypted = address.tls is Tls.FROM_THE_START
    if not is_encrypted and address.tls is not Tls.NEVER:
        is_encrypted = yield from _start_tls(address, extensions)
        if is_encrypted:
            extensions = yield from _hello(helo)
    if address.user is not None and address.password is not None:
        if not (is_encrypted or address.is_local):
            raise Broken("A password may not travel unencrypted.")
        yield from _log_in(address.user, address.password, extensions.get("AUTH", "").split())
    return extensions


def _hello(helo: str) -> _Steps:
    reply = yield Say(Stage.HELLO, f"EHLO {helo}".encode("ascii"))
    if reply.is_refused_for_good:
        reply = yield Say(Stage.HELLO, f"HELO {helo}".encode("ascii"))
        reply = reply._replace(lines=reply.lines[:1])
    if not reply.is_positive:
        raise Broken("The server did not like our greeting.", reply)
    words = [line.upper().partition(" ") for line in reply.lines[1:]]
    return {keyword: parameters for keyword, _, parameters in words}


def _start_tls(
    address: RelayAddress, extensions: Extensions
) -> Generator[Say | Handshake, Reply, bool]:
    is_demanded = address.tls is Tls.DEMANDED
    if "STARTTLS" not in extensions:
        if is_demanded:
            raise Broken("The server offers no encryption (STARTTLS).")
        return False
    reply = yield Say(Stage.TLS, b"STARTTLS")
    if reply.is_positive:
        yield Handshake.TLS
    elif is_demanded:
        raise Broken("The server refused encryption.", reply)
    return reply.is_positive


def _log_in(
    user: str, password: str, mechanisms: list[str]
) -> Generator[Say | Handshake, Reply, None]:
    """AUTH (RFC 4954) with PLAIN or LOGIN."""
    if "PLAIN" in mechanisms:
        lines = [b"AUTH PLAIN " + _secret(f"\0{user}\0{password}")]
    elif "LOGIN" in mechanisms:
        lines = [b"AUTH LOGIN", _secret(user), _secret(password)]
    else:
        raise Broken("The server offers no way to log in that we know (PLAIN, LOGIN).")
    for line in lines:
        reply = yield Say(Stage.AUTH, line)
        is_last = line is lines[-1]
        if not (reply.is_positive if is_last else reply.is_intermediate):
            raise Broken("The server did not let us log in.", reply)


def _secret(words: str) -> bytes:
    return b64encode(words.encode())
