"""What a relay says: cut into replies, within bounds (RFC 5321 4.2)."""

import re
from typing import NamedTuple

_LINE = re.compile(rb"[2-5][0-9]{2}(?:[ -].*)?", re.DOTALL)
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
_UNPRINTABLE = re.compile(r"[^ -~]+")
_LONGEST_LINE = 2048  # octets; the RFC asks for 512, some servers say more
_MOST_LINES = 100
_LONGEST_TEXT = 500


class Garbled(Exception):
    """This is no reply of SMTP."""


class Reply(NamedTuple):
    """One reply: its code and the text of each line, as the server wrote it."""

    code: int
    text_lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        """Done (2yz)."""
        return self.code // 100 == 2  # noqa: PLR2004 - the first digit of the RFC

    @property
    def is_intermediate(self) -> bool:
        """Go on (3yz)."""
        return self.code // 100 == 3  # noqa: PLR2004

    @property
    def is_refused_for_good(self) -> bool:
        """No (5yz)."""
        return self.code // 100 == 5  # noqa: PLR2004

    @property
    def is_refused(self) -> bool:
        """No, now or for good (4yz, 5yz)."""
        return self.code // 100 in (4, 5)

    @property
    def status(self) -> str | None:
        """The enhanced status code (RFC 2034), where the server gives one that fits."""
        match = _STATUS.match(self.text_lines[0])
        return match[1] if match and match[1][0] == str(self.code)[0] else None

    @property
    def text(self) -> str:
        """Its words on one printable line of at most 500 characters, without the status."""
        words = " ".join(_STATUS.sub("", line, count=1) for line in self.text_lines)
        return printable(words)


def printable(words: str) -> str:
    """One line of printable ASCII, at most 500 characters."""
    return _UNPRINTABLE.sub(" ", words).strip()[:_LONGEST_TEXT]


class ReplyReader:
    """Bytes in as they come, replies out as they are complete."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._lines: list[bytes] = []

    @property
    def is_unfinished(self) -> bool:
        """Whether part of a reply has come."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> None:
        """Take in what was read."""
        self._rest += data

    def next(self) -> Reply | None:
        """The next complete reply; raises `Garbled` for what cannot become one."""
        while (line := self._next_line()) is not None:
            if not _LINE.fullmatch(line) or (self._lines and self._lines[0][:3] != line[:3]):
                raise Garbled("The server said something that is not SMTP.")
            self._lines.append(line)
            if line[3:4] != b"-":
                lines, self._lines = self._lines, []
                return Reply(
                    int(line[:3]), tuple(line[4:].decode("ascii", "replace") for line in lines)
                )
            if len(self._lines) > _MOST_LINES:
                raise Garbled("The server's reply has no end.")
        return None

    def _next_line(self) -> bytes | None:
        end = self._rest.find(b"\n", 0, _LONGEST_LINE)
        if end < 0:
            if len(self._rest) >= _LONGEST_LINE:
                raise Garbled("The server's reply has no end.")
            return None
        line = bytes(self._rest[:end]).removesuffix(b"\r")
        del self._rest[: end + 1]
        return line
