"""Where the relay is and how it may be spoken to: one URL, read and checked once."""

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION_PORT = 587
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")


class Tls(StrEnum):
    """How a connection is encrypted; wherever it is, the certificate is verified."""

    NEVER = "never"
    IF_OFFERED = "if_offered"
    DEMANDED = "demanded"
    FROM_THE_START = "from_the_start"


@dataclass(frozen=True)
class RelayAddress:
    """A mail relay: `host` and `port`, or the `path` of a unix socket."""

    host: str
    port: int
    tls: Tls
    path: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether what is said stays on this machine, so that a password may be said plainly."""
        return self.path is not None or _is_loopback(self.host)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `smtp://`, `smtps://` or `smtp+unix:///path`.

        `?starttls=true` demands encryption and `false` forbids it. Without it STARTTLS is used
        where it is offered, demanded where there is a password to protect, and left out on
        loopback. Raises ValueError with a sentence that shows nothing of the URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its words may hold the password
            raise ValueError(
                "The address of the mail relay is no URL; percent-encode what is special in it."
            ) from None
        if parts.scheme == "smtp+unix":
            return cls._at_socket(parts)
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not _is_host(host) or parts.path.strip("/"):
            raise ValueError(
                "The address of the mail relay must look like smtp://host, smtps://host or "
                "smtp+unix:///path; percent-encode what is special in a password."
            )
        user, password = _credentials(parts)
        is_protected = _is_loopback(host)
        tls = _tls(parts, has_password=user is not None, is_protected=is_protected)
        submits = user is not None and parts.scheme == "smtp" and not is_protected
        default_port = _SUBMISSION_PORT if submits else _PORTS[parts.scheme]
        port = default_port if port is None else port
        return cls(host, port, tls, user=user, password=password)

    @classmethod
    def _at_socket(cls, parts: SplitResult) -> Self:
        if parts.netloc or not parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("A relay on a unix socket is written smtp+unix:///path, and no more.")
        return cls("localhost", 0, Tls.NEVER, path=unquote(parts.path))


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None and parts.password is None:
        return None, None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user or not password or "\0" in user + password:
        raise ValueError("The address of the mail relay needs both a user and a password, or none.")
    return user, password


def _tls(parts: SplitResult, *, has_password: bool, is_protected: bool) -> Tls:
    wishes = parse_qsl(parts.query, keep_blank_values=True)
    if parts.fragment or any(name != "starttls" for name, _ in wishes) or len(wishes) > 1:
        raise ValueError("The address of the mail relay knows no parameter but starttls.")
    wish = wishes[0][1] if wishes else None
    if wish not in (None, "true", "false"):
        raise ValueError("In the address of the mail relay starttls must be true or false.")
    if parts.scheme == "smtps":
        if wish is not None:
            raise ValueError("A relay at smtps:// is encrypted from the start: leave out starttls.")
        return Tls.FROM_THE_START
    if wish == "true":
        return Tls.DEMANDED
    if is_protected:
        return Tls.NEVER
    return _tls_over_the_network(wish, has_password=has_password)


def _tls_over_the_network(wish: str | None, *, has_password: bool) -> Tls:
    if has_password and wish == "false":
        raise ValueError("A password for the mail relay may not travel unencrypted: use starttls.")
    if has_password:
        return Tls.DEMANDED
    return Tls.NEVER if wish == "false" else Tls.IF_OFFERED


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_host(host: str) -> bool:
    return bool(_HOST.fullmatch(host)) or _is_ip_address(host)


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
