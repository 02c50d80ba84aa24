"""The places in a mail where a reader's own values go, and how they are found.

A reader's links are written by the renderers with a mark where the token goes (`MARKS`). A mark
counts only at the end of a link under our own address, on a line of its own in the text part;
anywhere else it is refused, so that nobody's words become a hole and no token travels in a link
to somebody else.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from newsletter.links import TOKEN_LENGTH
from newsletter.mail.headers import BadLetter


class Hole(StrEnum):
    """What differs from reader to reader in one and the same mail."""

    RECIPIENT = "recipient"
    MESSAGE_ID = "message_id"
    DATE = "date"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"


TOKENS = (Hole.UNSUBSCRIBE, Hole.PREFERENCES, Hole.CONFIRM)

MARKS: Mapping[Hole, str] = {
    hole: f"{hole}-mark-{sha256(hole.encode()).hexdigest()}"[:TOKEN_LENGTH] for hole in TOKENS
}
"""What a renderer writes where a token goes: letters, digits and hyphens, so it survives any
escaping and any URL, and is as long as the token."""

_HOLES = {mark: hole for hole, mark in MARKS.items()}
_MARK = re.compile("|".join(_HOLES))


class Slot(NamedTuple):
    """A place for one value; in a base64 part the value is encoded on its way in."""

    hole: Hole
    is_base64: bool = False


Piece = bytes | Slot


def find_mark(text: str) -> Hole | None:
    """Which mark stands in these words, if any; an editor's text may hold none."""
    match = _MARK.search(text)
    return _HOLES[match[0]] if match else None


class Stretch(NamedTuple):
    """Words up to a hole (or to the end): white space may be added between the two halves."""

    before: str
    after: str
    hole: Hole | None


def cut_text(text: str, public_url: str) -> list[Stretch]:
    """Cut plain text where a line is nothing but one of our links."""
    return _cut(text, _link(r"\n", public_url) + r"(?=\n|\Z)")


def cut_html(html: str, public_url: str) -> list[Stretch]:
    """Cut HTML at the end of each of our links, be it an attribute or words to read."""
    return _cut(html, _link(r"(?:\shref=[\"'])?", public_url) + r"(?=[\s<\"'])")


def _link(lead: str, public_url: str) -> str:
    """A pattern for one of our links, in two groups: up to the mark, and the mark."""
    return rf"({lead}{re.escape(public_url.rstrip('/'))}/[\w/-]*)({_MARK.pattern})"


def _cut(content: str, link: str) -> list[Stretch]:
    content = re.sub(r"\r\n?", "\n", content)
    stretches = []
    end = 0
    for match in re.finditer(link, content):
        before = content[end : match.start()]
        stretches.append(Stretch(unmarked(before), unmarked(match[1]), _HOLES[match[2]]))
        end = match.end()
    rest = content[end:]
    return [*stretches, Stretch(unmarked(rest), "" if rest.endswith("\n") else "\n", None)]


def cut_header(line: bytes) -> Iterator[Piece]:
    """Cut a header at its marks; it is ASCII and stays as it is."""
    end = 0
    for match in _MARK.finditer(text := line.decode("ascii")):
        yield text[end : match.start()].encode("ascii")
        yield Slot(_HOLES[match[0]])
        end = match.end()
    yield text[end:].encode("ascii")


def unmarked(text: str) -> str:
    """Give the words back; raises `BadLetter` when there is a mark in them."""
    if find_mark(text):
        raise BadLetter("A mark for a reader's own link stands where no link can be.")
    return text
