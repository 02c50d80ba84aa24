"""A choice of sections as one number: a bit per section, none set means all, also later ones.

One number keeps fan-out a single statement: the sections of an issue that a subscriber takes are
`choice & issue`, or `issue` when nothing was chosen.
"""

from collections.abc import Iterable

ALL = 0


def of(section_ids: Iterable[int]) -> int:
    """The choice of exactly these sections."""
    choice = ALL
    for section_id in section_ids:
        choice |= bit(section_id)
    return choice


def bit(section_id: int) -> int:
    """The bit that stands for a section, by its id (1 to 62)."""
    return 1 << (section_id - 1)


def takes(choice: int, section_id: int) -> bool:
    """Whether somebody who chose so gets this section."""
    return choice == ALL or bool(choice & bit(section_id))
