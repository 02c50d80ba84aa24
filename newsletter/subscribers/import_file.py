"""Read a CSV file of subscribers, line by line: what can be read is kept, the rest is listed.

Columns in any order, of which only `address` must be there: `address`, `language`, `sections`
(slugs separated by spaces), `consented_at` (ISO 8601; without a zone it is UTC), `source`, and
`state` as our own export writes it. UTF-8, with or without a byte order mark.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from newsletter.errors import NewsletterError

COLUMNS = ("address", "language", "sections", "consented_at", "source", "state")
FORMULA_STARTS = ("=", "+", "-", "@")
"""What a spreadsheet would run; our export puts an apostrophe before it."""


class BadImportFile(NewsletterError):
    """This is no list of subscribers that we can read; nothing was taken from it."""

    page = "bad_import_file"


@dataclass(frozen=True)
class Problem:
    """One line that was not taken, and why."""

    line: int
    sentence: str


@dataclass(frozen=True)
class ImportLine:
    """One line as it was written; what is missing is empty."""

    line: int
    address: str = ""
    language: str = ""
    sections: str = ""
    consented_at: str = ""
    source: str = ""
    state: str = ""


def read_lines(file: BinaryIO) -> Iterator[ImportLine | Problem]:
    """Read lazily and close the file at the end.

    Raises `BadImportFile` if the first line does not name the columns.
    """
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        columns = _read_columns(text.readline())
        for number, line in enumerate(text, start=2):
            try:
                cells = _split(line)
            except csv.Error:
                yield Problem(number, "This line is too long, or its quotation marks do not match.")
                continue
            if cells:
                yield _read_row(number, cells, columns)


def guard(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _unguard(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def _split(line: str) -> list[str]:
    """Split one line by itself: a quotation mark left open must not swallow those that follow."""
    return next(csv.reader([line], strict=True))


def _read_columns(line: str) -> list[str]:
    try:
        columns = [name.strip().lower() for name in _split(line)]
    except csv.Error:
        columns = []
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or "address" not in columns or len(set(columns)) < len(columns):
        found = f" Not known: {', '.join(ascii(name) for name in unknown)}." if unknown else ""
        raise BadImportFile(
            "The first line must name the columns, separated by commas: address, and if you"
            f" like {', '.join(COLUMNS[1:])}; each once.{found}"
        )
    return columns


def _read_row(line: int, row: list[str], columns: list[str]) -> ImportLine | Problem:
    cells = [_unguard(cell.strip()) for cell in row]
    if len(cells) > len(columns):
        return Problem(line, f"There are {len(cells)} values for {len(columns)} columns.")
    if not all(cell.isprintable() for cell in cells):
        return Problem(line, "There is something in it that is no UTF-8 text of one line.")
    return ImportLine(line, **dict(zip(columns, cells, strict=False)))
