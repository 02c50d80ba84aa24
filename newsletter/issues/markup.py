"""An editor's Markdown, made into safe HTML and into plain text to be read.

Raw HTML shows as the text it is. What comes out is well-formed, as the MJML engine demands, and
loads nothing from anywhere but the publication's own site.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from newsletter.issues import plain_text
from newsletter.issues.markdown import parse, tidy, words
from newsletter.locales import Direction

FIRST_HEADING = 3  # the article's headline is an <h2>
LAST_HEADING = 6
HEADINGS = {"h3", "h4", "h5", "h6"}
BLOCKS = {"p", "ul", "ol", "li", "blockquote", "th", "td"} | HEADINGS
TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
TAGS = BLOCKS | TABLE | {"pre", "hr", "br", "code", "em", "strong", "sup", "a", "img"}
ATTRIBUTES = {
    "*": {"dir"},
    "a": {"href", "id", "role"},
    "img": {"src", "alt", "width", "height", "srcset", "sizes", "loading"},
    "li": {"id"},
    "ol": {"start"},
    "th": {"scope", "align"},
    "td": {"align"},
}
SCHEMES = {"http", "https", "mailto"}
NONE_KNOWN: Mapping[str, Mapping[str, str]] = MappingProxyType({})
STRONG: dict[str, Direction] = {"L": "ltr", "R": "rtl", "AL": "rtl"}  # Unicode UAX 9, P2 and P3


def to_html(
    markdown: str,
    *,
    anchor: str,
    direction: Direction,
    images_under: str,
    images: Mapping[str, Mapping[str, str]] = NONE_KNOWN,
) -> Markup:
    """Make HTML of an article's body; raise `UnreadableMarkup` if it is out of bounds.

    Headings begin at `<h3>`. The ids of footnotes hold `anchor`, so that articles can stand on
    one page. What begins in the other direction than `direction` has a `dir` that says so.
    An image that is not under the URL `images_under` becomes a link to it: loading it would tell
    a stranger who reads. `images` says by its address how one that we have is shown.
    """
    tokens = list(_with_plain_footnotes(parse(markdown), anchor))
    _level_headings(tokens)
    for token in tokens:
        _dress(token)
        if token.children:
            token.children = list(_with_own_images(token.children, images_under, images))
    _find_directions(tokens)
    _mark_directions(tokens, direction)
    html = nh3.clean(
        _writer.renderer.render(tokens, _writer.options, {}),
        tags=TAGS,
        attributes=ATTRIBUTES,
        link_rel="noreferrer",  # nobody learns from us who follows a link
        url_schemes=SCHEMES,
        url_relative=lambda url: url if url.startswith("#") else None,
    )
    return Markup(tidy(html))  # noqa: S704 - cleaned just now


def to_text(markdown: str, *, image: str = "Image") -> str:
    """Make plain text of an article's body; raise `UnreadableMarkup` if it is out of bounds.

    Lines have at most 72 columns, but for addresses and code, which are never broken. `image` is
    the word for an image in the article's language.
    """
    return tidy(plain_text.lay_out(parse(markdown), image))


def _level_headings(tokens: Iterable[Token]) -> None:
    """Let headings begin at `<h3>` and go down one step at a time, as screen readers expect."""
    above: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            written = max(int(token.tag[1]), 2)  # "#" would be a section
            above = [*(level for level in above if level < written), written]
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(FIRST_HEADING + len(above) - 1, LAST_HEADING)}"


def _dress(token: Token) -> None:
    """Give a cell of a table the scope or alignment that it has with us."""
    if token.type in {"th_open", "td_open"}:
        if style := token.attrs.pop("style", ""):
            token.attrs["align"] = str(style).removeprefix("text-align:")
        if token.tag == "th":
            token.attrs["scope"] = "col"


def _find_directions(tokens: Iterable[Token]) -> None:
    """Note on every element the direction of the first strong letter in it."""
    open_elements: list[Token] = []
    for token in tokens:
        if token.nesting == 1:
            open_elements.append(token)
        elif token.nesting == -1:
            open_elements.pop()
        elif first := _first_strong(words(token.children or ())):
            for element in open_elements:
                element.meta.setdefault("direction", first)


def _mark_directions(tokens: Iterable[Token], direction: Direction) -> None:
    """Put a `dir` where a block goes another way than what is around it."""
    around = [direction]
    for token in tokens:
        if token.nesting == 1:
            own = token.meta.get("direction", around[-1]) if token.tag in BLOCKS else around[-1]
            if own != around[-1]:
                token.attrs["dir"] = own
            around.append(own)
        elif token.nesting == -1:
            around.pop()


def _first_strong(text: str) -> Direction | None:
    classes = (unicodedata.bidirectional(letter) for letter in text)
    return next((STRONG[name] for name in classes if name in STRONG), None)


def _with_own_images(
    tokens: Iterable[Token], images_under: str, images: Mapping[str, Mapping[str, str]]
) -> Iterator[Token]:
    """Replace images from elsewhere by links to them, or by their words where a link is already."""
    is_link = False
    for token in tokens:
        if token.type in {"link_open", "link_close"}:
            is_link = token.nesting == 1
        source = str(token.attrs.get("src", ""))
        if token.type != "image" or source.startswith(images_under.rstrip("/") + "/"):
            token.attrs |= images.get(source, {})
            yield token
            continue
        text = _text(words(token.children or ()) or source)
        yield from ([text] if is_link else _link([text], href=source))


def _with_plain_footnotes(tokens: Iterable[Token], anchor: str) -> Iterator[Token]:
    """Say footnotes in ordinary elements: a rule and a numbered list, linked to and fro."""
    for token in tokens:
        match token.type:
            case "footnote_block_open":
                yield Token("hr", "hr", 0, block=True)
                yield Token("ordered_list_open", "ol", 1, block=True)
            case "footnote_block_close":
                yield Token("ordered_list_close", "ol", -1, block=True)
            case "footnote_open":
                identity = f"fn-{anchor}-{plain_text.note_number(token.meta)}"
                yield Token("list_item_open", "li", 1, {"id": identity}, block=True)
            case "footnote_close":
                yield Token("list_item_close", "li", -1, block=True)
            case "footnote_anchor":
                way_back = _link(
                    [_text("↩\ufe0e")], href=f"#{_mention(token, anchor)}", role="doc-backlink"
                )
                yield Token("inline", "", 0, children=[_text(" "), *way_back])
            case _:
                if token.children:
                    token.children = list(_with_plain_mentions(token.children, anchor))
                yield token


def _with_plain_mentions(tokens: Iterable[Token], anchor: str) -> Iterator[Token]:
    for token in tokens:
        if token.type != "footnote_ref":
            yield token
            continue
        number = plain_text.note_number(token.meta)
        yield Token("sup_open", "sup", 1)
        yield from _link(
            [_text(str(number))],
            href=f"#fn-{anchor}-{number}",
            id=_mention(token, anchor),
            role="doc-noteref",
        )
        yield Token("sup_close", "sup", -1)


def _mention(token: Token, anchor: str) -> str:
    """The id of the place in the text that refers to a footnote; there may be several."""
    again = token.meta.get("subId", 0)
    return f"fnref-{anchor}-{plain_text.note_number(token.meta)}" + (
        f"-{again + 1}" if again else ""
    )


def _link(content: list[Token], **attributes: str) -> list[Token]:
    return [Token("link_open", "a", 1, dict(attributes)), *content, Token("link_close", "a", -1)]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


_writer = MarkdownIt("commonmark")
