"""Signed links: confirm, preferences, unsubscribe, and what else a mail may lead to.

A token is 12 bytes of numbers and a 24-byte keyed hash, in base64url: always 48 characters, so
that a mail can be encoded once with room left for it, and always readable, because old mails
must work for ever: keys are added in front, never removed, and nothing in a token expires.
"""

import hmac
from base64 import b64decode, urlsafe_b64encode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from enum import StrEnum
from hashlib import sha256

from newsletter.errors import NewsletterError

TOKEN_LENGTH = 48  # characters
NUMBER_BYTES = 6
SIGNATURE_BYTES = 24
_BLOCK = 64  # octets that SHA-256 works on at once
_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # RFC 4648 section 5


class Purpose(StrEnum):
    """What a link is for; a token for one purpose is nothing for another."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"
    NEVER_AGAIN = "never-again"
    NEW_ADDRESS = "new-address"
    INVITATION = "invitation"
    PASSWORD_RESET = "reset"  # noqa: S105 - the word in its address


class BrokenLink(NewsletterError):
    """The link was never ours, or a mail program cut it."""

    page = "broken_link"
    status = 404


class Signer:
    """HMAC-SHA256 (RFC 2104) under one key, which is worked in once and not for every mail."""

    def __init__(self, key: bytes) -> None:
        """Takes at most 64 octets, the block of SHA-256; raises ValueError for more."""
        if len(key) > _BLOCK:
            raise ValueError("This key is longer than a block.")
        block = key.ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = sha256(bytes(octet ^ 0x5C for octet in block))

    def sign(self, data: bytes) -> bytes:
        """The 32 octets that only the key can make."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


class Links:
    """Makes and reads the tokens of one publication."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._signers = {
            purpose: [
                Signer(hmac.digest(key.encode(), b"link:" + purpose.encode(), "sha256"))
                for key in keys
            ]
            for purpose in Purpose
        }

    def token(self, purpose: Purpose, first: int, second: int = 0) -> str:
        """Sign two numbers below 2**48: whom it is about, and in which context."""
        return self.tokens(purpose, second)(first).decode()

    def tokens(self, purpose: Purpose, second: int) -> Callable[[int], bytes]:
        """Makes `token` for many whom it may be about, in one context, as ASCII."""
        sign, context = self._signers[purpose][0].sign, second.to_bytes(NUMBER_BYTES)

        def token(first: int) -> bytes:
            payload = first.to_bytes(NUMBER_BYTES) + context
            signed = payload + sign(payload)[:SIGNATURE_BYTES]
            return b2a_base64(signed, newline=False).translate(_URL_SAFE)

        return token

    def read(self, purpose: Purpose, token: str) -> tuple[int, int]:
        """Give back the two numbers; raises `BrokenLink` for anything we did not sign."""
        signed = _decode(token)
        payload, signature = signed[: 2 * NUMBER_BYTES], signed[2 * NUMBER_BYTES :]
        expected = (signer.sign(payload) for signer in self._signers[purpose])
        if not any(hmac.compare_digest(e[:SIGNATURE_BYTES], signature) for e in expected):
            raise BrokenLink("This link is incomplete or was never one of ours.")
        return int.from_bytes(payload[:NUMBER_BYTES]), int.from_bytes(payload[NUMBER_BYTES:])


def _decode(token: str) -> bytes:
    """The octets of a token; nothing if it is not spelt the one way that we spell it."""
    try:
        signed = b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return b""
    return signed if urlsafe_b64encode(signed).decode() == token else b""
