"""Keyed hashes of addresses: what is looked up and counted without keeping the address.

Keys are only ever added in front, so whatever is kept was hashed under one of today's keys:
write under the first, look under all.
"""

import hmac
from enum import StrEnum

from newsletter.pages import settings


class HashPurpose(StrEnum):
    """What a hash is for; equal addresses look different in different places."""

    SUPPRESSION = "suppression"
    COUNTING = "counting"


def hashes(purpose: HashPurpose, text: str) -> list[bytes]:
    """The hash of a text under every key, today's first."""
    return [
        hmac.digest(_derived(key, purpose), text.encode(), "sha256")
        for key in settings().secret_keys
    ]


def _derived(key: str, purpose: HashPurpose) -> bytes:
    return hmac.digest(key.encode(), b"address:" + purpose.encode(), "sha256")
