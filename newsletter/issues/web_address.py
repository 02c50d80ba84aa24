"""Read the address of a link as something that may be opened: http or https, on the public web.

One reading for whoever warns and whoever connects, so that nothing is vetted as one host and
opened as another. What is not plainly public is refused: address ranges by the registries for
special purposes (RFC 6890 and what came after), names that no public zone holds.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, quote, urlsplit

import idna

Address = IPv4Address | IPv6Address

PORTS = {"http": 80, "https": 443}
# Characters that programs read differently, or that would end a request line early.
UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
KEPT = "%/:?@!$&'()*+,;=~-._"  # in a path or a query (RFC 3986 3.3 and 3.4)
LONGEST = 8_000  # characters; a redirect may lead to more than an editor may write
LONGEST_HOST = 253
PRIVATE_ZONES = {"localhost", "local", "internal", "intranet", "lan", "home", "corp", "private"}
NO_ZONES = {"localdomain", "home.arpa", "test", "invalid", "onion", "alt"}  # RFC 6761 and others
NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a provider's NAT; some clouds keep metadata there
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's own service for its machines
        "169.254.0.0/16",  # link-local; where clouds keep metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112, and 192.175.48.0/24
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # measurements
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# All else is not given out: mapped and compatible IPv4, NAT64, unique local, link-local, multicast.
GLOBAL_UNICAST = IPv6Network("2000::/3")
NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols: Teredo, ORCHID and others
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # given back
        "3fff::/20",  # documentation
        "5f00::/16",
    )
)
ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # before an IPv4 address in the lower half


class Fault(StrEnum):
    """Why an address leads nowhere, or nowhere that readers could go."""

    MISREAD = "misread"
    SCHEME = "scheme"
    PORT = "port"
    PRIVATE = "private"
    NO_HOST = "no host"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    SLOW = "slow"
    BROKEN = "broken"
    CIRCLE = "circle"
    OURS = "ours"


class Unopenable(Exception):
    """An address that is not opened, and why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True)
class WebAddress:
    """An address taken apart: `host` is a lower-case name in ASCII, or an IP address.

    `target` is what stands in the request line, never empty.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def ip(self) -> Address | None:
        """The host, if it is no name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """The host as the Host header has it, its port only if it is another than usual."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Whether its host shows, without asking anybody, that it is not on the public web."""
        if self.ip:
            return not is_public(self.ip)
        labels = self.host.split(".")
        zones = {".".join(labels[start:]) for start in range(len(labels))}
        return len(labels) == 1 or not zones.isdisjoint(PRIVATE_ZONES | NO_ZONES)


def read_address(url: str) -> WebAddress:
    """Take an address apart; raises `Unopenable` for what programs could read in two ways.

    A name or password in it, a port that is no number, an IP address in another spelling than the
    usual one (RFC 6943 3.1.1) are such.
    """
    if len(url) > LONGEST or UNFIT.search(url):
        raise Unopenable(Fault.MISREAD)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Unopenable(Fault.MISREAD) from None
    if parts.scheme not in PORTS:
        raise Unopenable(Fault.SCHEME)
    if not parts.hostname or "@" in parts.netloc or port == 0:
        raise Unopenable(Fault.MISREAD)
    if "[" in parts.netloc and ":" not in parts.hostname:  # of a version that nobody speaks
        raise Unopenable(Fault.MISREAD)
    return WebAddress(
        scheme=parts.scheme,
        host=_host(parts.hostname),
        port=PORTS[parts.scheme] if port is None else port,
        target=_target(parts),
    )


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and to nothing nearer."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return (
        address.scope_id is None
        and address in GLOBAL_UNICAST
        and not any(address in network for network in NOT_PUBLIC_6)
        and (int(address) >> 32) & 0xFFFFFFFF not in ISATAP
    )


def _host(written: str) -> str:
    """A host in its one spelling; raises `Unopenable` if there is none."""
    if ":" in written:
        try:
            return str(IPv6Address(written))
        except ValueError:
            raise Unopenable(Fault.MISREAD) from None
    try:
        host = written if written.isascii() else idna.encode(written, uts46=True).decode()
    except idna.IDNAError:
        raise Unopenable(Fault.MISREAD) from None
    host = host.lower().removesuffix(".")
    if len(host) > LONGEST_HOST or not HOST.fullmatch(host):
        raise Unopenable(Fault.MISREAD)
    if _ends_in_a_number(host):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise Unopenable(Fault.MISREAD) from None
    return host


def _ends_in_a_number(host: str) -> bool:
    """Whether some programs would take a host for an IPv4 address: `127.1`, `0x7f000001`."""
    last = host.rpartition(".")[2]
    return last.isdecimal() or bool(re.fullmatch(r"0x[0-9a-f]*", last))


def _target(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return quote((parts.path or "/") + query, safe=KEPT)
