"""Signed links: confirm, preferences, unsubscribe.

A token is 12 bytes of numbers and a 24-byte keyed hash, in base64url: always 48 characters, so
that a mail can be encoded once with room left for it, and always readable, because old mails
must work for ever: keys are added in front, never removed, and nothing in a token expires.
"""

import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from enum import StrEnum

from newsletter.errors import NewsletterError

TOKEN_LENGTH = 48  # characters
NUMBER_BYTES = 6
SIGNATURE_BYTES = 24


class Purpose(StrEnum):
    """What a link is for; a token for one purpose is nothing for another."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"


class BrokenLink(NewsletterError):
    """The link was never ours, or a mail program cut it."""

    page = "broken_link"
    status = 404


class Links:
    """Makes and reads the tokens of one publication."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {
            purpose: [
                _prepared(hmac.digest(key.encode(), b"link:" + purpose.encode(), "sha256"))
                for key in keys
            ]
            for purpose in Purpose
        }

    def token(self, purpose: Purpose, first: int, second: int = 0) -> str:
        """Sign two numbers below 2**48: whom it is about, and in which context."""
        payload = first.to_bytes(NUMBER_BYTES) + second.to_bytes(NUMBER_BYTES)
        signature = _signature(self._keys[purpose][0], payload)
        return urlsafe_b64encode(payload + signature).decode()

    def read(self, purpose: Purpose, token: str) -> tuple[int, int]:
        """Give back the two numbers; raises `BrokenLink` for anything we did not sign."""
        signed = _decode(token)
        payload, signature = signed[: 2 * NUMBER_BYTES], signed[2 * NUMBER_BYTES :]
        expected = (_signature(key, payload) for key in self._keys[purpose])
        if not any(hmac.compare_digest(ours, signature) for ours in expected):
            raise BrokenLink("This link is incomplete or was never one of ours.")
        return int.from_bytes(payload[:NUMBER_BYTES]), int.from_bytes(payload[NUMBER_BYTES:])


def _prepared(key: bytes) -> hmac.HMAC:
    """To be copied: working the key in costs more than signing two numbers."""
    return hmac.new(key, digestmod="sha256")


def _signature(prepared: hmac.HMAC, payload: bytes) -> bytes:
    mac = prepared.copy()
    mac.update(payload)
    return mac.digest()[:SIGNATURE_BYTES]


def _decode(token: str) -> bytes:
    """The octets of a token; nothing if it is not spelt the one way that we spell it."""
    try:
        signed = b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return b""
    return signed if urlsafe_b64encode(signed).decode() == token else b""
