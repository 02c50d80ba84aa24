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
_PARAMETERS = {"starttls", "connections", "messages_per_second"}
_COUNT = re.compile(r"[0-9]{1,4}")
_RATE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")


class Tls(StrEnum):
    """How a connection is encrypted; wherever it is, the certificate is verified."""

    NEVER = "never"
    IF_OFFERED = "if_offered"
    DEMANDED = "demanded"
    FROM_THE_START = "from_the_start"


@dataclass(frozen=True)
class RelayAddress:
    """A mail relay: `host` and `port`, or the `path` of a unix socket; and what it can bear.

    `shared_connections` is for all processes together. None: no limit.
    """

    host: str
    port: int
    tls: Tls
    path: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    shared_connections: int | None = None
    messages_per_second: float | None = None

    @property
    def name(self) -> str:
        """What to call it, without user and password: `host:port`, or the path of the socket."""
        if self.path is not None:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether what is said stays on this machine, so that a password may be said plainly."""
        return self.path is not None or _is_loopback(self.host)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `smtp://`, `smtps://` or `smtp+unix:///path`.

        `?starttls=true` demands encryption and `false` forbids it. Without it STARTTLS is used
        where it is offered, demanded where there is a password to protect, and left out on
        loopback. `connections=20` and `messages_per_second=50` are limits that all processes keep
        to together. Raises ValueError with a sentence that shows nothing of the URL.
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
        wishes = _parameters(parts)
        tls = _tls(
            parts.scheme,
            wishes.get("starttls"),
            has_password=user is not None,
            is_protected=is_protected,
        )
        submits = user is not None and parts.scheme == "smtp" and not is_protected
        default_port = _SUBMISSION_PORT if submits else _PORTS[parts.scheme]
        port = default_port if port is None else port
        return cls(
            host,
            port,
            tls,
            user=user,
            password=password,
            shared_connections=_connections(wishes.get("connections")),
            messages_per_second=_messages_per_second(wishes.get("messages_per_second")),
        )

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


def _parameters(parts: SplitResult) -> dict[str, str]:
    wishes = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in wishes]
    if parts.fragment or not _PARAMETERS.issuperset(names):
        raise ValueError(
            "The address of the mail relay knows no parameter but starttls, connections and "
            "messages_per_second."
        )
    if len(set(names)) < len(names):
        raise ValueError("The address of the mail relay says one of its parameters twice.")
    return dict(wishes)


def _connections(wish: str | None) -> int | None:
    if wish is None:
        return None
    if not _COUNT.fullmatch(wish) or int(wish) == 0:
        raise ValueError(
            "In the address of the mail relay connections must be a number from 1 to 9999."
        )
    return int(wish)


def _messages_per_second(wish: str | None) -> float | None:
    if wish is None:
        return None
    if not _RATE.fullmatch(wish) or float(wish) == 0:
        raise ValueError(
            "In the address of the mail relay messages_per_second must be a number above 0."
        )
    return float(wish)


def _tls(scheme: str, wish: str | None, *, has_password: bool, is_protected: bool) -> Tls:
    if wish not in (None, "true", "false"):
        raise ValueError("In the address of the mail relay starttls must be true or false.")
    if scheme == "smtps":
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
