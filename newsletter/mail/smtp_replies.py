"""What a relay says: cut into replies, within bounds (RFC 5321 4.2)."""

import re
from collections import deque
from typing import NamedTuple

_CODES = {b"%d" % code: code for code in range(200, 600)}
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
    lines: tuple[bytes, ...]

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
    def words(self) -> list[str]:
        """The text of each line; octets that are not ASCII are replaced."""
        return [line.decode("ascii", "replace") for line in self.lines]

    @property
    def status(self) -> str | None:
        """The enhanced status code (RFC 2034), where the server gives one that fits."""
        match = _STATUS.match(self.words[0])
        return match[1] if match and match[1][0] == str(self.code)[0] else None

    @property
    def text(self) -> str:
        """Its words on one printable line of at most 500 characters, without the status."""
        return printable(" ".join(_STATUS.sub("", line, count=1) for line in self.words))


def printable(words: str) -> str:
    """One line of printable ASCII, at most 500 characters."""
    return _UNPRINTABLE.sub(" ", words).strip()[:_LONGEST_TEXT]


class ReplyReader:
    """Bytes in as they come, replies out as they are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._complete: deque[bytes] = deque()
        self._code: int | None = None
        self._texts: list[bytes] = []

    @property
    def is_unfinished(self) -> bool:
        """Whether something has come that is not taken yet."""
        return bool(self._rest or self._complete or self._texts)

    def feed(self, data: bytes) -> None:
        """Take in what was read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._complete.extend(lines)

    def next(self) -> Reply | None:
        """The next complete reply; raises `Garbled` for what cannot become one."""
        while self._complete:
            line = self._complete.popleft().removesuffix(b"\r")
            code = _CODES.get(line[:3])
            mark = line[3:4]
            if code is None or mark not in (b" ", b"-", b"") or self._code not in (None, code):
                raise Garbled("The server said something that is not SMTP.")
            self._texts.append(line[4:])
            if len(line) > _LONGEST_LINE or len(self._texts) > _MOST_LINES:
                raise Garbled("The server's reply has no end.")
            if mark != b"-":
                reply = Reply(code, tuple(self._texts))
                self._code = None
                self._texts.clear()
                return reply
            self._code = code
        if len(self._rest) > _LONGEST_LINE:
            raise Garbled("The server's reply has no end.")
        return None
