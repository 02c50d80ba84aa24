"""An editor's Markdown, made into safe HTML and into plain text to be read.

CommonMark with tables and footnotes; raw HTML shows as the text it is. Links and images need a
full address (http, https or mailto) and otherwise show as they were typed. Size and depth are
bounded before anything is laid out: the MJML engine dies of markup nested some thousand deep.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.footnote import footnote_plugin

from newsletter.errors import NewsletterError
from newsletter.issues import plain_text
from newsletter.locales import Direction

LONGEST_ARTICLE = 200_000  # characters
LONGEST_URL = 2_000
DEEPEST = 50
MOST_OUTPUT = 4 * LONGEST_ARTICLE  # a link defined once may be used a thousand times

FIRST_HEADING = 3  # the article's headline is an <h2>
LAST_HEADING = 6
SCHEMES = {"http", "https", "mailto"}
TAGS = set(
    "p br hr h3 h4 h5 h6 em strong sup a img ul ol li blockquote pre code"
    " table thead tbody tr th td".split()
)
ATTRIBUTES = {
    "*": {"dir"},
    "a": {"href", "id", "role"},
    "img": {"src", "alt"},
    "li": {"id"},
    "ol": {"start"},
    "th": {"scope", "align"},
    "td": {"align"},
}
DIRECTED = {"p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "th", "td"}
STRONG: dict[str, Direction] = {"L": "ltr", "R": "rtl", "AL": "rtl"}  # Unicode UAX 9, P2 and P3

NOT_TEXT = re.compile("[^\t\n -~\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BRACKETS = re.compile(r"[\[\]]")


class UnreadableMarkup(NewsletterError):
    """The Markdown is too long, or more deeply nested than any text needs."""

    page = "unreadable_markup"

    def __init__(self, sentence: str, line: int = 1) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that stands by itself, not inside a list, a quotation or a code block."""

    level: int
    text: str
    line: int


def to_html(markdown: str, *, anchor: str, direction: Direction, images_under: str) -> Markup:
    """Make well-formed HTML of an article's body; raise `UnreadableMarkup` if that can't be.

    Headings begin at `<h3>`. Footnotes get ids that begin with `anchor`, so that articles can
    stand on one page. Whatever begins in the other direction than `direction` says so in a `dir`.
    An image that is not under the URL `images_under` becomes a link to it: loading it would tell
    a stranger who reads.
    """
    tokens = list(_with_footnotes(parse(markdown), anchor))
    for token in tokens:
        _dress(token, images_under)
    _set_directions(tokens, direction)
    html = nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        url_relative=lambda url: url if url.startswith("#") else None,
    )
    return Markup(NOT_TEXT.sub("", html))  # noqa: S704 - made safe just now


def to_text(markdown: str, *, image: str = "Image") -> str:
    """Make plain text of an article's body; raise `UnreadableMarkup` if that can't be.

    `image` is the word for images in the article's language.
    """
    return NOT_TEXT.sub("", plain_text.lay_out(parse(markdown), image))


def outline(markdown: str) -> list[Heading]:
    """Find the headings written with `#`, by the same rules as the rendering does."""
    tokens = _BLOCKS.parse(_normalise(markdown))
    return [
        Heading(int(opening.tag[1]), _plain(content), opening.map[0] + 1)
        for opening, content in zip(tokens, tokens[1:], strict=False)
        if opening.type == "heading_open"
        and opening.level == 0
        and opening.markup.startswith("#")
        and opening.map
    ]


def parse(markdown: str) -> list[Token]:
    """Read Markdown into the tokens of markdown-it; raise `UnreadableMarkup` beyond our bounds."""
    if len(markdown) > LONGEST_ARTICLE:
        raise UnreadableMarkup(
            f"This article is too long: {len(markdown):,} characters of at most {LONGEST_ARTICLE:,}."
        )
    markdown = _normalise(markdown)
    _check_brackets(markdown)
    tokens = _MARKDOWN.parse(markdown)
    _check_tokens(tokens)
    return tokens


def _normalise(markdown: str) -> str:
    return NOT_TEXT.sub("", markdown.replace("\r\n", "\n").replace("\r", "\n"))


def _check_brackets(markdown: str) -> None:
    """Refuse brackets in brackets beyond measure, which the parser reads by recursion."""
    depth = 0
    for number, line in enumerate(markdown.split("\n"), start=1):
        if not line.strip():
            depth = 0
        for bracket in BRACKETS.findall(line):
            depth = depth + 1 if bracket == "[" else max(depth - 1, 0)
            if depth > DEEPEST:
                raise UnreadableMarkup(
                    f"There are more than {DEEPEST} open square brackets here. Close them, or"
                    " write the text without them.",
                    number,
                )


def _check_tokens(tokens: Iterable[Token]) -> None:
    size = depth = 0
    line = 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        depth += token.nesting
        if depth < 0:
            raise UnreadableMarkup("A footnote stands inside another one. Take it out.", line)
        for piece in (token, *(token.children or ())):
            if token.level + piece.level > DEEPEST and piece is not token or token.level > DEEPEST:
                raise UnreadableMarkup(
                    f"Lists, quotations or emphasis are nested more than {DEEPEST} deep here."
                    " Write it flatter.",
                    line,
                )
            size += len(piece.content) + sum(len(str(value)) for value in piece.attrs.values())
    if size > MOST_OUTPUT:
        raise UnreadableMarkup("The same link is repeated too often in this article.")
