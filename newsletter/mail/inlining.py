"""Put an article's HTML into the form that mail programs understand.

Many of them drop style sheets and all of them differ from browsers, so the looks of an article
go into its elements; and the MJML engine demands well-formed markup and dies of a stack overflow
on markup nested some thousand deep, so both are seen to here.
"""

from collections.abc import Mapping
from html import escape
from html.parser import HTMLParser

from markupsafe import Markup

from newsletter.locales import Direction

DEEPEST = 100  # elements inside one another
VOID = frozenset({"br", "col", "hr", "img", "wbr"})
SIDES = {"ltr": ("left", "right"), "rtl": ("right", "left")}


class TooDeep(ValueError):
    """The markup is nested deeper than any text needs."""


def inline_styles(html: str, styles: Mapping[str, str], direction: Direction) -> Markup:
    """Give every element the style of its name, and every table a box that it may scroll in.

    In `styles`, `{start}` and `{end}` become the sides of the article's direction, because mail
    programs know no logical properties. Comments go. Raises `TooDeep`.
    """
    start, end = SIDES[direction]
    writer = _Writer(
        {
            name: style.replace("{start}", start).replace("{end}", end)
            for name, style in styles.items()
        }
    )
    writer.feed(html)
    writer.close()
    return Markup("".join(writer.written))  # noqa: S704 - written by us, tag by tag


class _Writer(HTMLParser):
    """Writes down what it reads: well-formed, and with styles."""

    def __init__(self, styles: Mapping[str, str]) -> None:
        super().__init__()
        self.styles = styles
        self.written: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in VOID:
            self._write(tag, attributes, end="/>")
        else:
            self._enter(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.open:
            return
        while (innermost := self.open.pop()) != tag:
            self._leave(innermost)
        self._leave(tag)

    def handle_data(self, data: str) -> None:
        self.written.append(escape(data, quote=False))

    def close(self) -> None:
        """End the text, and whatever was left open."""
        super().close()
        while self.open:
            self._leave(self.open.pop())

    def _enter(self, tag: str, attributes: dict[str, str]) -> None:
        self.open.append(tag)
        if len(self.open) > DEEPEST:
            raise TooDeep(f"The text is nested more than {DEEPEST} elements deep.")
        if tag == "table":
            self.written.append('<div class="scroll" tabindex="0" style="overflow-x:auto">')
        self._write(tag, attributes)

    def _leave(self, tag: str) -> None:
        self.written.append(f"</{tag}></div>" if tag == "table" else f"</{tag}>")

    def _write(self, tag: str, attributes: dict[str, str], end: str = ">") -> None:
        if tag in self.styles:
            attributes["style"] = self._style(tag, attributes)
        written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
        self.written.append(f"<{tag}{written}{end}")

    def _style(self, tag: str, attributes: dict[str, str]) -> str:
        """What the element is given by its name, then what it brings along itself."""
        styles = [self.styles[tag]]
        if "align" in attributes:
            styles.append(f"text-align:{attributes.pop('align')}")
        if "style" in attributes:
            styles.append(attributes["style"])
        return ";".join(styles)
