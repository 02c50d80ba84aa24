"""The names by which the outside knows a delivery: its Message-ID and its envelope sender.

Both are made from the delivery's number under a key, so that every attempt carries the same
and nobody can make one up. Neither tells anything about the reader.
"""

import hmac
import re
from collections.abc import Callable, Sequence

from newsletter.links import Signer

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_VERP = re.compile(r"b-([0-9a-f]{1,16})-([0-9a-f]{20})")
_MESSAGE_ID = b"message-id:%d"
_ENVELOPE_SENDER = b"envelope-sender:%d"


class MessageIds:
    """The values of Message-ID under one key, at one domain."""

    def __init__(self, key: bytes, domain: str) -> None:
        """Raises ValueError for a domain that would break a header."""
        self._sign = Signer(key).sign
        self._domain = _checked(domain)

    def of(self, delivery_id: int) -> bytes:
        """The value for one delivery (RFC 5322 3.6.4), angle brackets included."""
        signature = self._sign(_MESSAGE_ID % delivery_id)[:20].hex()
        return f"<{signature}@{self._domain}>".encode()


class VerpSenders:
    """The envelope senders under one key, at one domain.

    Deliveries and notices are numbered apart, so give each kind a key of its own.
    """

    def __init__(self, key: bytes, domain: str) -> None:
        """Raises ValueError for a domain that would break a header."""
        self._sign = Signer(key).sign
        self._domain = _checked(domain)

    def of(self, delivery_id: int) -> str:
        """The sender of one delivery; it survives a change of case on its way back.

        Its local part has at most 39 octets.
        """
        return f"b-{delivery_id:x}-{_verp_signature(self._sign, delivery_id)}@{self._domain}"


def verp_sender(key: bytes, delivery_id: int, domain: str) -> str:
    """A single envelope sender; raises ValueError for a domain that would break a header."""
    return VerpSenders(key, domain).of(delivery_id)


def read_verp_sender(keys: Sequence[bytes], local_part: str) -> int | None:
    """The delivery an envelope sender was made for under one of the keys, in constant time."""
    match = _VERP.fullmatch(local_part.lower())
    if not match:
        return None
    delivery_id = int(match[1], 16)
    signatures = [_verp_signature(Signer(key).sign, delivery_id) for key in keys]
    matches = [hmac.compare_digest(signature, match[2]) for signature in signatures]
    return delivery_id if any(matches) else None


def _verp_signature(sign: Callable[[bytes], bytes], delivery_id: int) -> str:
    return sign(_ENVELOPE_SENDER % delivery_id)[:10].hex()


def _checked(domain: str) -> str:
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("The domain of a mail identifier must be plain ASCII, like example.org.")
    return domain
