"""What changed between two texts, word by word: first the lines that differ, then within them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

PIECE = re.compile(r"\w+|\s+|[^\w\s]")
MOST_PIECES = 3_000  # in a changed passage, on either side; what is longer counts as all new


class Kind(StrEnum):
    """What became of a piece of text."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text, and what became of it."""

    kind: Kind
    text: str


def by_word(old: str, new: str) -> list[Piece]:
    """Both texts in one: without what is new it is the old one, without what is gone the new."""
    pieces: list[Piece] = []
    for piece in _by_line(old, new):
        if pieces and pieces[-1].kind is piece.kind:
            pieces[-1] = Piece(piece.kind, pieces[-1].text + piece.text)
        elif piece.text:
            pieces.append(piece)
    return pieces


def _by_line(old: str, new: str) -> Iterator[Piece]:
    for before, after in _steps(old.splitlines(keepends=True), new.splitlines(keepends=True)):
        old_pieces, new_pieces = PIECE.findall(before), PIECE.findall(after)
        is_long = max(len(old_pieces), len(new_pieces)) > MOST_PIECES
        if before == after:
            yield Piece(Kind.SAME, before)
        elif is_long or not (before and after):
            yield Piece(Kind.GONE, before)
            yield Piece(Kind.NEW, after)
        else:
            for gone, came in _steps(old_pieces, new_pieces):
                if gone == came:
                    yield Piece(Kind.SAME, gone)
                else:
                    yield Piece(Kind.GONE, gone)
                    yield Piece(Kind.NEW, came)


def _steps(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Passages that follow each other: as they were, and as they are."""
    for _, start, end, new_start, new_end in SequenceMatcher(None, old, new).get_opcodes():
        yield "".join(old[start:end]), "".join(new[new_start:new_end])
