"""The languages offered, and which one a reader gets."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True)
class Language:
    """One language offered: BCP 47 tag, its name in itself, and the direction it is written in."""

    tag: str
    name: str
    direction: Direction


LANGUAGES = {
    language.tag: language
    for language in (
        Language("en", "English", "ltr"),
        Language("ar", "العربية", "rtl"),
    )
}


def translatable(words: str) -> str:
    """Mark words for the catalogues where they are defined; whoever shows them translates them."""
    return words


def direction(tag: str) -> Direction:
    """Which way a language is written."""
    return LANGUAGES[tag].direction


def offered_or(tag: str | None, default: str) -> str:
    """The wanted language if we offer it, the default one otherwise."""
    return tag if tag in LANGUAGES else default
