"""What a relay says: cut into replies, within bounds (RFC 5321 4.2)."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_LINE = re.compile(
    r"(?P<code>([2-5])[0-9]{2})"
    r"(?:(?P<mark>[ -])(?:(?P<status>\2\.\d{1,3}\.\d{1,3})(?: |(?=\r?$)))?(?P<text>.*?))?\r?",
    re.DOTALL,
)
_UNPRINTABLE = re.compile(r"[^ -~]+")
_LONGEST_LINE = 2048  # octets; the RFC asks for 512, some servers say more
_MOST_LINES = 100
_LONGEST_TEXT = 500


class Garbled(Exception):
    """This is no reply of SMTP."""


class Reply(NamedTuple):
    """One reply: its code and the text of each line.

    `status` is the enhanced status code (RFC 2034), where the server gives one that fits the
    code; the lines are without it. Octets that are not ASCII are replaced.
    """

    code: int
    status: str | None
    lines: tuple[str, ...]

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
    def text(self) -> str:
        """Its words on one printable line of at most 500 characters."""
        return printable(" ".join(self.lines))


def printable(words: str) -> str:
    """One line of printable ASCII, at most 500 characters."""
    if not (words.isascii() and words.isprintable()):
        words = _UNPRINTABLE.sub(" ", words)
    return words.strip()[:_LONGEST_TEXT]


class ReplyReader:
    """Bytes in as they come, replies out as they are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun: list[Reply] = []

    @property
    def is_unfinished(self) -> bool:
        """Whether part of a reply has come."""
        return bool(self._rest or self._begun)

    def read(self, data: bytes) -> Iterator[Reply]:
        """The replies that this completes; raises `Garbled` for what cannot become one."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            reply, is_last = _read_line(line)
            if self._begun or not is_last:
                self._begun.append(reply)
                reply = self._joined()
            if is_last:
                self._begun.clear()
                yield reply
        if len(self._rest) > _LONGEST_LINE:
            raise Garbled("The server's reply is too long.")

    def _joined(self) -> Reply:
        code, status, _ = self._begun[0]
        if any(reply.code != code for reply in self._begun):
            raise Garbled("The server said something that is not SMTP.")
        if len(self._begun) > _MOST_LINES:
            raise Garbled("The server's reply is too long.")
        return Reply(code, status, tuple(reply.lines[0] for reply in self._begun))


@lru_cache(maxsize=256)  # a relay says much the same to every message
def _read_line(line: bytes) -> tuple[Reply, bool]:
    """A line as if it were a whole reply, and whether the reply ends with it."""
    if len(line) > _LONGEST_LINE:
        raise Garbled("The server's reply is too long.")
    match = _LINE.fullmatch(line.decode("ascii", "replace"))
    if not match:
        raise Garbled("The server said something that is not SMTP.")
    code, _, mark, status, text = match.groups()
    return Reply(int(code), status, (text or "",)), mark != "-"
