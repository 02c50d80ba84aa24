"""The names by which the outside knows a delivery: its Message-ID and its envelope sender.

Both are made from the delivery's number under a key, so that every attempt carries the same
and nobody can make one up. Neither tells anything about the reader.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Sequence

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_VERP = re.compile(r"b-([0-9a-f]{1,16})-([a-z2-7]{16})")


def message_id(key: bytes, delivery_id: int, domain: str) -> str:
    """The value of Message-ID (RFC 5322 3.6.4), angle brackets included."""
    return f"<{_mac(key, b'message-id', delivery_id, octets=20)}@{_checked(domain)}>"


def verp_sender(key: bytes, delivery_id: int, domain: str) -> str:
    """The envelope sender of one delivery; it survives a change of case on its way back.

    Its local part has at most 35 octets. Deliveries and notices are numbered apart, so give
    each kind a key of its own.
    """
    return f"b-{delivery_id:x}-{_verp_mac(key, delivery_id)}@{_checked(domain)}"


def read_verp_sender(keys: Sequence[bytes], local_part: str) -> int | None:
    """The delivery an envelope sender was made for under one of the keys, in constant time."""
    match = _VERP.fullmatch(local_part.lower())
    if not match:
        return None
    delivery_id = int(match[1], 16)
    matches = [hmac.compare_digest(_verp_mac(key, delivery_id), match[2]) for key in keys]
    return delivery_id if any(matches) else None


def _verp_mac(key: bytes, delivery_id: int) -> str:
    return _mac(key, b"envelope-sender", delivery_id, octets=10)


def _mac(key: bytes, purpose: bytes, delivery_id: int, octets: int) -> str:
    digest = hmac.digest(key, b"%s:%d" % (purpose, delivery_id), "sha256")
    return b32encode(digest[:octets]).decode().lower()


def _checked(domain: str) -> str:
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("The domain of a mail identifier must be plain ASCII, like example.org.")
    return domain
