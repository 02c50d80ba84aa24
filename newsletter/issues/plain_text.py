"""Lay a read article out as plain text that is pleasant to read in a mail.

Lines are counted in columns as a terminal shows them: an Arabic vowel sign takes none, a Chinese
character two. Addresses and code are never broken, so they alone may make a line longer.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

WIDTH = 72
NARROWEST = 20  # however deep a list is nested
LONGEST_LABEL = 40
GAP = "  "
BLANKS = re.compile(r"[ \t\r\n]+")


def lay_out(tokens: Sequence[Token], image: str) -> str:
    """Write the tokens of `markdown.parse` as text; `image` is the word for an image."""
    return _Layout(image).flow(SyntaxTreeNode(tokens).children, WIDTH)


def note_number(meta: dict[str, Any]) -> int:
    """The number of the footnote that a token with this `meta` belongs to, from 1."""
    number: int = meta["id"] + 1
    return number


class _Layout:
    """Writes blocks into a width, and what stands inside them."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.blocks: dict[str, Callable[[SyntaxTreeNode, int], str]] = {
            "paragraph": self._paragraph,
            "heading": self._heading,
            "bullet_list": self._list,
            "ordered_list": self._list,
            "blockquote": self._quotation,
            "table": self._table,
            "footnote_block": self._notes,
            "fence": self._code,
            "code_block": self._code,
            "hr": lambda _node, _width: "* * *",
            "footnote_anchor": lambda _node, _width: "",
        }
        self.spans: dict[str, Callable[[SyntaxTreeNode], str]] = {
            "text": _words,
            "code_inline": _words,
            "softbreak": lambda _node: " ",
            "hardbreak": lambda _node: "\n",
            "link": self._link,
            "image": self._image,
            "footnote_ref": lambda node: f"[{note_number(node.meta)}]",
            "footnote_anchor": lambda _node: "",
        }

    def flow(self, nodes: Iterable[SyntaxTreeNode], width: int) -> str:
        """Write blocks below one another, an empty line between them unless a list is tight."""
        width = max(width, NARROWEST)
        written = ""
        for node in nodes:
            block = self.blocks[node.type](node, width)
            written += block and block + ("\n" if _is_tight(node) else "\n\n")
        return written.rstrip("\n")

    def _paragraph(self, node: SyntaxTreeNode, width: int) -> str:
        return wrap(self._inline(node), width)

    def _heading(self, node: SyntaxTreeNode, width: int) -> str:
        text = wrap(self._inline(node), width)
        return text and text + "\n" + "-" * max(map(columns, text.split("\n")))

    def _list(self, node: SyntaxTreeNode, width: int) -> str:
        first = int(node.attrs.get("start", 1))
        if node.type == "ordered_list":
            labels = [f"{number}. " for number in range(first, first + len(node.children))]
        else:
            labels = ["- "] * len(node.children)
        indent = max(map(len, labels))
        items = [
            hang(self.flow(item.children, width - indent), label.rjust(indent), " " * indent)
            for label, item in zip(labels, node.children, strict=True)
        ]
        is_tight = all(_is_tight(block) for item in node.children for block in item.children[:1])
        return ("\n" if is_tight else "\n\n").join(items)

    def _quotation(self, node: SyntaxTreeNode, width: int) -> str:
        return hang(self.flow(node.children, width - 2), "> ", "> ")

    def _code(self, node: SyntaxTreeNode, _width: int) -> str:
        return hang(node.content.rstrip("\n"), "    ", "    ")

    def _notes(self, node: SyntaxTreeNode, width: int) -> str:
        notes = []
        for note in node.children:
            label = f"[{note_number(note.meta)}] "
            indent = " " * len(label)
            notes.append(hang(self.flow(note.children, width - len(label)), label, indent))
        return ("\n\n" if any("\n\n" in note for note in notes) else "\n").join(notes)

    def _table(self, node: SyntaxTreeNode, width: int) -> str:
        rows = [row.children for part in node.children for row in part.children]
        words = [[self._inline(cell).replace("\n", " ") for cell in row] for row in rows]
        widths = [max(map(columns, column)) for column in zip(*words, strict=True)]
        if sum(widths) + len(GAP) * (len(widths) - 1) > width:
            return _row_by_row(words, width)
        are_right = ["right" in str(cell.attrs.get("style")) for cell in rows[0]]
        lines = [
            GAP.join(map(_pad, cells, widths, are_right)).rstrip()
            for cells in (words[0], ["-" * columns for columns in widths], *words[1:])
        ]
        return "\n".join(lines)

    def _inline(self, node: SyntaxTreeNode) -> str:
        write = self.spans.get(node.type)
        return write(node) if write else self._within(node)

    def _within(self, node: SyntaxTreeNode) -> str:
        return "".join(map(self._inline, node.children))

    def _image(self, node: SyntaxTreeNode) -> str:
        words = self._within(node)
        return f"[{self.image}: {words}]" if words else f"[{self.image}]"

    def _link(self, node: SyntaxTreeNode) -> str:
        text, url = self._within(node), str(node.attrs["href"])
        address = url.removeprefix("mailto:")
        is_bare = node.markup == "autolink" or text in {url, address}
        return f"<{address}>" if is_bare else f"{text} <{address}>"


def _row_by_row(words: Sequence[Sequence[str]], width: int) -> str:
    """Write a table that is too wide as a list: a line per cell, led by the head of its column."""
    labels = [
        head if columns(head) <= LONGEST_LABEL else head[: LONGEST_LABEL - 1] + "…"
        for head in words[0]
    ]
    records = []
    for row in words[1:]:
        lines = [
            hang(wrap(f"{label}: {cell}" if label else cell, width - len(GAP)), "", GAP)
            for label, cell in zip(labels, row, strict=True)
            if cell
        ]
        records.append("\n".join(lines))
    return "\n\n".join(records)


def _words(node: SyntaxTreeNode) -> str:
    return BLANKS.sub(" ", node.content)  # entities can smuggle line ends in


def _is_tight(node: SyntaxTreeNode) -> bool:
    return node.type == "paragraph" and node.hidden


def _pad(text: str, width: int, is_right: bool) -> str:  # noqa: FBT001 - mapped over columns
    blanks = " " * (width - columns(text))
    return blanks + text if is_right else text + blanks


def hang(text: str, first: str, rest: str) -> str:
    """Put `first` before the first line and `rest` before the others; no blank ends a line."""
    head, *tail = text.split("\n")
    return "\n".join([(first + head).rstrip(), *((rest + line).rstrip() for line in tail)])


def wrap(text: str, width: int) -> str:
    """Break lines at blanks so that they fit where they can; keep the breaks that are there."""
    return "\n".join(_wrap_line(line, width) for line in text.split("\n"))


def _wrap_line(text: str, width: int) -> str:
    lines: list[list[str]] = [[]]
    room = width
    for word in filter(None, text.split(" ")):
        needed = columns(word)
        if lines[-1] and needed > room:
            lines.append([])
            room = width
        lines[-1].append(word)
        room -= needed + 1
    return "\n".join(" ".join(line) for line in lines)


def columns(text: str) -> int:
    """How many columns a text takes."""
    return sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1
