"""Header lines of a mail, made by hand.

The standard library folds a long List-Unsubscribe into encoded words and writes an address that
is not ASCII as an invalid one, both without a word. Here every value is checked, words that are
not ASCII are encoded as a whole (RFC 2047), and URIs are folded at the comma alone.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_FOLD = "\r\n "
_LINE = 78
_ENCODED_LINE = 76
_LONGEST_LINE = 998

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PRINTABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_SIMPLE = re.compile(r"[!-~]{1,60}(?: [!-~]{1,60})*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_URI = re.compile(r"[!-~]+")


class BadLetter(ValueError):
    """A mail that must not leave as it is; the sentence says why."""


@dataclass(frozen=True)
class Mailbox:
    """A name and an address, as in From."""

    name: str
    address: str

    def header_value(self, field: str) -> str:
        """The value of an address header called `field` (RFC 5322 3.4)."""
        if not _ADDRESS.fullmatch(self.address):
            raise BadLetter(f"The address in {field} is not one that a mail header can hold.")
        if not self.name:
            return self.address
        name = phrase(field, self.name)
        last_line = f"{field}: {name}".rsplit("\r\n", 1)[-1]
        fits = len(last_line) + len(self.address) + len(" <>") <= _ENCODED_LINE
        return f"{name}{' ' if fits else _FOLD}<{self.address}>"


def header(field: str, value: str) -> bytes:
    """One header line; refuses what would end it early or pass 998 octets (RFC 5322 2.1.1)."""
    line = f"{field}: {value}"
    rows = line.split(_FOLD)
    if any(_CONTROL.search(row) or not row.isascii() for row in rows):
        raise BadLetter(f"{field} holds a character that no mail header can hold.")
    if any(len(row) >= _LONGEST_LINE for row in rows):
        raise BadLetter(f"{field} is too long for a mail header.")
    return line.encode("ascii") + b"\r\n"


def plain(value: str) -> str:
    """Check a value that goes into a header as it is: printable ASCII, no white space around."""
    if not _PRINTABLE.fullmatch(value):
        raise BadLetter("A header value that must be plain ASCII is not.")
    return value


def fold_text(field: str, text: str) -> str:
    """Words for people, as in Subject (RFC 5322 3.6.5): plain where they can be."""
    _refuse_control_characters(field, text)
    if not text or (_SIMPLE.fullmatch(text) and "=?" not in text):
        return _fold_words(field, text.split(" "))
    return _encode(field, text)


def phrase(field: str, text: str) -> str:
    """A display name (RFC 5322 3.2.5): atoms, a quoted string, or encoded words."""
    _refuse_control_characters(field, text)
    simple = _SIMPLE.fullmatch(text) and "=?" not in text
    if simple and _ATOMS.fullmatch(text):
        return _fold_words(field, text.split(" "))
    if simple and len(text) <= _LINE // 2:
        return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    return _encode(field, text)


def fold_uris(uris: Iterable[str]) -> str:
    """URIs in angle brackets (RFC 2369 2), folded after the commas and nowhere else."""
    checked = []
    for uri in uris:
        if not _URI.fullmatch(uri) or re.search("[<>,]", uri):
            raise BadLetter("A link in a header holds a character that must be percent-encoded.")
        checked.append(f"<{uri}>")
    return f",{_FOLD}".join(checked)


def _refuse_control_characters(field: str, text: str) -> None:
    if _CONTROL.search(text):
        raise BadLetter(f"{field} holds a line break or another control character.")


def _fold_words(field: str, words: list[str]) -> str:
    """Break lines at spaces, before column 78."""
    rows = [f"{field}: {words[0]}"]
    for word in words[1:]:
        if len(rows[-1]) + 1 + len(word) > _LINE:
            rows.append(word)
        else:
            rows[-1] += f" {word}"
    return _FOLD.join(rows).removeprefix(f"{field}: ")


def _encode(field: str, text: str) -> str:
    """Encoded words of whole characters, one a line (RFC 2047 2 and 5)."""
    return _FOLD.join(_encoded_words(text, first_room=_ENCODED_LINE - len(field) - len(": ")))


def _encoded_words(text: str, first_room: int) -> Iterator[str]:
    chunk = b""
    room = _octets_in(first_room)
    for character in text:
        octets = character.encode()
        if len(chunk) + len(octets) > room:
            yield _encoded_word(chunk)
            chunk = b""
            room = _octets_in(_ENCODED_LINE - len(" "))
        chunk += octets
    yield _encoded_word(chunk)


def _octets_in(columns: int) -> int:
    return (columns - len("=?utf-8?b??=")) // 4 * 3


def _encoded_word(octets: bytes) -> str:
    return f"=?utf-8?b?{b64encode(octets).decode()}?="
