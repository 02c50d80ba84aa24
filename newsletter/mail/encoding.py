"""Encode a part of a mail, around its holes, into 7-bit lines of at most 76 columns."""

import re
from base64 import b64encode
from collections.abc import Iterator

from newsletter.mail.headers import BadLetter
from newsletter.mail.holes import Piece, Slot, Stretch


def quoted_printable(stretches: list[Stretch]) -> Iterator[Piece]:
    """RFC 2045 6.7, with each token on a line of its own between soft breaks."""
    for before, after, hole in stretches:
        lines = _octets(before + after).split(b"\r\n")
        yield b"\r\n".join(_quoted_line(line) for line in lines)
        if hole:
            yield b"=\r\n"
            yield Slot(hole)
            yield b"=\r\n"


_NOT_AS_IT_IS = re.compile(rb"[^ -<>-~]")
_LONGEST_ROW = 75  # and the "=" that breaks it


def _quoted_line(line: bytes) -> bytes:
    """One line, broken softly before column 76; no row of it begins with a dot or ends in white."""
    rest = _NOT_AS_IT_IS.sub(_quoted_octet, line)
    rows = []
    while True:
        if rest.startswith(b"."):
            rest = b"=2E" + rest[1:]
        if len(rest) <= _LONGEST_ROW:
            break
        torn = rest.rfind(b"=", _LONGEST_ROW - 2, _LONGEST_ROW)  # a quoted octet is not broken
        end = _LONGEST_ROW if torn < 0 else torn
        rows.append(rest[:end] + b"=")
        rest = rest[end:]
    if rest.endswith(b" "):
        rest = rest[:-1] + (b"=20" if len(rest) <= _LONGEST_ROW - 2 else b"=\r\n=20")
    return b"\r\n".join([*rows, rest])


def _quoted_octet(match: re.Match[bytes]) -> bytes:
    return b"=%02X" % match[0][0]


def base64(stretches: list[Stretch]) -> Iterator[Piece]:
    """RFC 2045 6.8, with each token on a line of its own, on a boundary of three octets."""
    for before, after, hole in stretches:
        start, end = _octets(before), _octets(after)
        padding = b" " * (-(len(start) + len(end)) % 3) if hole else b""
        yield _base64_lines(start + padding + end)
        if hole:
            yield Slot(hole, is_base64=True)
            yield b"\r\n"


def _base64_lines(data: bytes) -> bytes:
    octets_per_line = 57
    return b"".join(
        b64encode(data[start : start + octets_per_line]) + b"\r\n"
        for start in range(0, len(data), octets_per_line)
    )


def _octets(text: str) -> bytes:
    """UTF-8 with canonical line ends; refuses what no mail can carry."""
    if "\0" in text:
        raise BadLetter("A mail cannot hold the character NUL.")
    try:
        return text.replace("\n", "\r\n").encode()
    except UnicodeEncodeError:
        raise BadLetter("The text holds half a character (a lone surrogate).") from None
