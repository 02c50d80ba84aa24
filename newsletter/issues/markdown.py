"""Read an editor's Markdown, within bounds: CommonMark with tables and footnotes, no raw HTML.

Links and images need a full address (http, https or mailto); otherwise they stay the text that
was typed. Size and depth are bounded, because parsers and the MJML engine recurse.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from newsletter.errors import NewsletterError

LONGEST_ARTICLE = 200_000  # characters
LONGEST_URL = 2_000
LARGEST_RESULT = 4 * LONGEST_ARTICLE  # a link defined once may be used a thousand times
DEEPEST = 50

FULL_ADDRESS = re.compile(r"https?://[^/]|mailto:[^/]", re.IGNORECASE)
NOT_TEXT = re.compile("[^\t\n -~\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BRACKET = re.compile(r"[\[\]]")


class UnreadableMarkup(NewsletterError):
    """The Markdown is too long, or more tangled than any text needs; `line` counts from 1."""

    page = "unreadable_markup"

    def __init__(self, sentence: str, line: int = 1) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading written with `#`, not in a list, a quotation or a code block; as it was typed."""

    level: int
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Outline:
    """The headings of a text, and the line of a code block that nobody closed."""

    headings: tuple[Heading, ...]
    open_fence: int | None


def parse(markdown: str) -> list[Token]:
    """Read an article's body; raise `UnreadableMarkup` if it is out of bounds."""
    if len(markdown) > LONGEST_ARTICLE:
        raise UnreadableMarkup(
            f"This article has {len(markdown):,} characters; at most {LONGEST_ARTICLE:,} are"
            " possible. Shorten it."
        )
    markdown = tidy(markdown)
    _check_brackets(markdown)
    tokens = _reader.parse(markdown)
    _check_depth(tokens)
    _check_size(tokens)
    return tokens


def outline(markdown: str) -> Outline:
    """Find the headings of a text of any size, by the rules that the rendering follows."""
    lines = tidy(markdown).split("\n")
    tokens = _skimmer.parse("\n".join(lines))
    headings = []
    open_fence = None
    for token, following in zip(tokens, tokens[1:] + tokens[:1], strict=True):
        if token.level or not token.map:
            continue
        start, end = token.map
        if token.type == "heading_open" and token.markup.startswith("#"):
            headings.append(Heading(int(token.tag[1]), following.content, start + 1))
        elif token.type == "fence" and not _is_closed(lines[start + 1 : end], token.markup):
            open_fence = start + 1
    return Outline(tuple(headings), open_fence)


def words_of_line(line: str) -> str:
    """Read a headline as its words alone; raise `UnreadableMarkup` if it is out of bounds."""
    line = tidy(line)
    _check_brackets(line)
    return words(_reader.parseInline(line)).strip()


def words(tokens: Iterable[Token]) -> str:
    """The words alone, on one line, without links and emphasis."""
    return "".join(
        " "
        if token.type in {"softbreak", "hardbreak"}
        # An image's own content is the source of its alternative text.
        else words(token.children)
        if token.children
        else token.content
        for token in tokens
    )


def tidy(text: str) -> str:
    """One kind of line end, and none of the characters that neither XML nor mail can carry."""
    return NOT_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _is_closed(inside: list[str], fence: str) -> bool:
    last = inside[-1].strip() if inside else ""
    return last.startswith(fence) and not last.strip(fence[0])


def _check_brackets(markdown: str) -> None:
    depth = 0
    for number, line in enumerate(markdown.split("\n"), start=1):
        if not line.strip():
            depth = 0  # no link goes beyond its paragraph
        for bracket in BRACKET.findall(line):
            depth = depth + 1 if bracket == "[" else max(depth - 1, 0)
            if depth > DEEPEST:
                raise UnreadableMarkup(
                    f"More than {DEEPEST} square brackets are open at once here. Close them.",
                    number,
                )


def _check_depth(tokens: Iterable[Token]) -> None:
    line = 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        inside = max((child.level for child in token.children or ()), default=0)
        if token.level + inside > DEEPEST:
            raise UnreadableMarkup(
                f"Lists, quotations or emphasis are nested more than {DEEPEST} deep here."
                " Write it flatter.",
                line,
            )


def _check_size(tokens: Iterable[Token]) -> None:
    pieces = (piece for token in tokens for piece in (token, *(token.children or ())))
    size = sum(
        len(piece.content) + sum(len(str(value)) for value in piece.attrs.values())
        for piece in pieces
    )
    if size > LARGEST_RESULT:
        raise UnreadableMarkup("A long link is repeated too often in this article. Shorten it.")


def _refuse_notes_in_notes(state: StateCore) -> None:
    """Refuse what the footnote plugin would lose or tear apart."""
    is_inside = False
    for token in state.tokens:
        if token.type == "footnote_reference_open":
            if is_inside:
                line = token.map[0] + 1 if token.map else 1
                raise UnreadableMarkup("A footnote stands inside another one. Move it out.", line)
            is_inside = True
        elif token.type == "footnote_reference_close":
            is_inside = False


class _Parser(MarkdownIt):
    """Takes nothing for a link or an image but a full address."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return len(url) <= LONGEST_URL and bool(FULL_ADDRESS.match(url))


def _make_reader() -> MarkdownIt:
    # The parser drops what is nested deeper than it may go: let it go so deep that we see it.
    reader = _Parser("commonmark", {"html": False, "maxNesting": DEEPEST + 3}).enable("table")
    reader.use(footnote_plugin, inline=False)
    reader.core.ruler.before("footnote_tail", "notes_in_notes", _refuse_notes_in_notes)
    return reader


_reader = _make_reader()
_skimmer = MarkdownIt("commonmark", {"html": False}).disable("inline")
