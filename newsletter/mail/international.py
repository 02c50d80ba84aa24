"""Addresses with letters beyond ASCII before the @, as they travel (RFC 6531 3.3, RFC 6532 3.2).

Only the local part is UTF-8; the domain stays an A-label, which every server knows.
"""

import re

LONGEST_LOCAL_PART = 64  # octets (RFC 5321 section 4.5.3.1.1)

# RFC 6531 section 3.3, but for U+FFFC and U+FFFD: they stand for what could not be read
ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\ufffb\U00010000-\U0010ffff-"

_ADDRESS = re.compile(rf"[.{ATEXT}]+@[A-Za-z0-9.-]{{1,255}}")


def may_travel(address: str) -> bool:
    """Whether an address can break out of neither a command nor a header.

    It has no space of any kind, no control or other invisible character, no bracket.
    """
    if not address.isprintable() or not _ADDRESS.fullmatch(address):
        return False
    return len(address.partition("@")[0].encode()) <= LONGEST_LOCAL_PART
