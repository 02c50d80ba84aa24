"""What a reader may ask for: sections by their slugs, and one of the languages offered."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues import choice as choices
from newsletter.issues.models import Section
from newsletter.issues.sections import standing_sections
from newsletter.locales import LANGUAGES

LONGEST_QUOTE = 60  # characters of a wrong word that a refusal repeats


class UnknownSection(NewsletterError):
    """There is no such section, or no longer."""

    page = "unknown_section"


class UnknownLanguage(NewsletterError):
    """We do not write in this language."""

    page = "unknown_language"


@dataclass(frozen=True)
class Wish:
    """A choice of sections (0 means all) and a language."""

    choice: int
    language: str


def read_wish(
    slugs: Iterable[str], language: str, sections: Iterable[Section] | None = None
) -> Wish:
    """Read slugs, none meaning all, and a tag; raises `UnknownSection` and `UnknownLanguage`.

    `sections` are today's, for who reads many wishes.
    """
    return Wish(
        choice=_read_choice(slugs, standing_sections() if sections is None else sections),
        language=_read_language(language),
    )


def slugs_of(choice: int) -> list[str]:
    """The sections of a choice by their slugs, also retired ones; none where all were chosen."""
    if choice == choices.ALL:
        return []
    sections = db.session.scalars(select(Section).order_by(Section.position))
    return [section.slug for section in sections if choices.takes(choice, section.id)]


def _read_choice(slugs: Iterable[str], sections: Iterable[Section]) -> int:
    known = {section.slug: section.id for section in sections}
    wanted = list(slugs)
    for slug in wanted:
        if slug not in known:
            raise UnknownSection(
                f"There is no section {_quoted(slug)}. The sections are: {', '.join(known)}."
            )
    return choices.of(known[slug] for slug in wanted)


def _read_language(tag: str) -> str:
    if tag not in LANGUAGES:
        raise UnknownLanguage(
            f"There is no language {_quoted(tag)}. The languages are: {', '.join(LANGUAGES)}."
        )
    return tag


def _quoted(word: str) -> str:
    """Printable whatever it was."""
    return ascii(word[:LONGEST_QUOTE])
