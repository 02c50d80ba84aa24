"""One form for what reads the same, so that a text and a query meet however each was typed.

Case, accents, vowel signs and tatweel make no difference; nor do the shapes of alef, ya, kaf and
ta marbuta, the Arabic article, Arabic and European digits, ligatures and widths. What is left are
words: letters, digits, and the marks that make another letter of one (in Indian scripts and kana).
A folded word holds no character that a database's query language knows.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

LONGEST_WORD = 64  # characters; what is longer is as good as its beginning
KEPT = 50_000  # words of our texts that need not be folded again

ONE_LETTER = {
    "ٱ": "ا",  # the other alefs come apart into this one and a mark
    "ى": "ي",
    "ی": "ي",
    "ة": "ه",
    "ک": "ك",
    "ـ": "",
}
IGNORED = "\u034f\ufe0e\ufe0f"  # marks that only say how to draw what they stand on
MAKES_ANOTHER_LETTER = 9  # the highest combining class of marks that do: nukta, voicing, virama
# "The coast", "and the coast", "for the coast": Arabic writes them as one word.
ARTICLE = re.compile("^(?:[وفبك]?ال|لل)+(?=...)")
ZERO_WIDTH_SPACE = "\u200b"
RUN = re.compile(r"\S+")


# A folded word, and start and end of the part of the text that it was made from.
Place = tuple[str, int, int]


def words(text: str) -> list[str]:
    """The folded words of a text, in their order."""
    return [word for word, _, _ in places(text)]


def places(text: str) -> Iterator[Place]:
    """The folded words of a text and where each stands; a ligature may make several words."""
    for run in RUN.finditer(text.translate(_kinds)):
        start, end = run.span()
        for word in _fold(text[start:end]):
            yield word, start, end


@lru_cache(maxsize=KEPT)
def _fold(run: str) -> tuple[str, ...]:
    """Fold an unbroken run of letters, digits and marks."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", run).casefold())
    folded = unicodedata.normalize("NFKC", apart.translate(_letters))
    cut = (ARTICLE.sub("", word)[:LONGEST_WORD] for word in folded.split())
    return tuple(word for word in cut if any(map(str.isalnum, word)))


class _Kinds(dict[int, str]):
    """Whether a character belongs to a word (then "w", else a blank); found out once for each."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        category = unicodedata.category(letter)
        is_within = category[0] in "LMN" or (category == "Cf" and letter != ZERO_WIDTH_SPACE)
        self[code] = "w" if is_within else " "
        return self[code]


class _Letters(dict[int, str]):
    """What becomes of a character of a decomposed word; found out once for each."""

    def __missing__(self, code: int) -> str:
        self[code] = _letter(chr(code))
        return self[code]


def _letter(letter: str) -> str:
    if letter in ONE_LETTER:
        return ONE_LETTER[letter]
    if (
        unicodedata.combining(letter) > MAKES_ANOTHER_LETTER
        or unicodedata.category(letter) == "Cf"
        or letter in IGNORED
    ):
        return ""
    if (digit := unicodedata.decimal(letter, None)) is not None:
        return str(digit)
    return letter if _kinds[ord(letter)] == "w" else " "


_kinds = _Kinds()
_letters = _Letters()
