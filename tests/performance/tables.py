"""Tables of results: aligned for a terminal, and Markdown as they are."""

from collections.abc import Sequence

NONE = "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned; all but the first to the right if they hold figures."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    is_number = [
        all(row[column] == NONE or row[column][:1].isdigit() for row in rows)
        for column in range(len(head))
    ]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, is_number, strict=True)
        )
        return f"| {' | '.join(aligned)} |"

    rule = [
        "-" * (width - 1) + (":" if right else "-")
        for width, right in zip(widths, is_number, strict=True)
    ]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def figure(value: float | None, digits: int = 0) -> str:
    """A number with so many digits after the point, or a dash where there is none."""
    return f"{value:.{digits}f}" if value else NONE
