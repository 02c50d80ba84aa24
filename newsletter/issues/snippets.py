"""Show what was found: a stretch of the text around it, in pieces, some of them marked."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from newsletter.issues import folding

Term = tuple[str, ...]  # folded words that stand one after the other

LENGTH = 240  # characters of a snippet
LEAD = 60  # of them before the first word found, at most
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text; plain words, never HTML."""

    text: str
    is_found: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    term: Term


def mark(text: str, terms: Sequence[Term]) -> list[Piece]:
    """The whole text, cut where something that was looked for begins or ends."""
    return list(_pieces(text, 0, len(text), _find(text, terms)))


def snippet(text: str, terms: Sequence[Term]) -> list[Piece]:
    """The stretch that holds most of what was looked for, or else the beginning of the text."""
    text = " ".join(text.split())
    found = _find(text, terms)
    start, end = _stretch(text, found)
    within = [one for one in found if start <= one.start and one.end <= end]
    pieces = list(_pieces(text, start, end, within))
    before = [Piece(ELLIPSIS + " ")] if start else []
    after = [Piece(" " + ELLIPSIS)] if end < len(text) else []
    return before + pieces + after


def _find(text: str, terms: Sequence[Term]) -> list[_Found]:
    """Every place where a term stands, the first one first, none within another."""
    beginning: dict[str, list[Term]] = {}
    for term in sorted(terms, key=len, reverse=True):
        beginning.setdefault(term[0], []).append(term)
    places = list(folding.places(text))
    words = [word for word, _, _ in places]
    found: list[_Found] = []
    for first, (word, start, _) in enumerate(places):
        if word not in beginning or (found and start < found[-1].end):
            continue
        for term in beginning[word]:
            last = first + len(term) - 1
            if tuple(words[first : last + 1]) == term:
                found.append(_Found(start, places[last][2], term))
                break
    return found


def _stretch(text: str, found: Sequence[_Found]) -> tuple[int, int]:
    """Start and end of the best stretch, at blanks if there are any."""
    starts = [one.start for one in found]

    def terms_from(index: int) -> int:
        beyond = bisect_right(starts, starts[index] + LENGTH - LEAD)
        return len({one.term for one in found[index:beyond]})

    best = max(range(len(found)), key=terms_from, default=None)
    first, last = (0, 0) if best is None else (found[best].start, found[best].end)
    start = 0 if first <= LEAD else text.find(" ", first - LEAD, first) + 1 or first
    longest = max(start + LENGTH, last)
    if longest >= len(text):
        return start, len(text)
    blank = text.rfind(" ", last, longest + 1)
    return start, longest if blank < 0 else blank


def _pieces(text: str, start: int, end: int, found: Sequence[_Found]) -> Iterator[Piece]:
    at = start
    for one in found:
        if one.start > at:
            yield Piece(text[at : one.start])
        yield Piece(text[one.start : one.end], is_found=True)
        at = one.end
    if at < end:
        yield Piece(text[at:end])
