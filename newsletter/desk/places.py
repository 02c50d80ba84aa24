"""Find the article that an address names, for those who may write it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from flask import abort
from sqlalchemy import select

from newsletter.database import db
from newsletter.desk.assignments import may_write
from newsletter.desk.door import NotAllowed, current_editor
from newsletter.desk.lookup import ISSUE, find_issue
from newsletter.desk.models import Editor
from newsletter.issues.models import Issue, Section
from newsletter.issues.revisions import Place
from newsletter.locales import LANGUAGES

ARTICLE = ISSUE + "/write/<slug>/<language>"


@dataclass(frozen=True)
class At:
    """A section of an issue, in one language."""

    issue: Issue
    section: Section
    language: str

    @property
    def place(self) -> Place:
        """What its texts are kept under."""
        return Place(self.issue.id, self.section.id, self.language)

    @property
    def address(self) -> dict[str, Any]:
        """What stands in the address of its pages."""
        return {"number": self.issue.number, "slug": self.section.slug, "language": self.language}

    def in_language(self, language: str) -> "At":
        """The same section in another language."""
        return replace(self, language=language)


def find_article(number: int, slug: str, language: str) -> At:
    """The place that an address names; 404 if there is none, `NotAllowed` if it is another's."""
    issue = find_issue(number)
    sections = {section.slug: section for section in db.session.scalars(select(Section))}
    section = sections.get(slug)  # a form may hold a NUL, which PostgreSQL cannot be asked for
    if section is None or language not in LANGUAGES:
        abort(404)
    if not may_write(current_editor(), issue.id, section.id):
        raise NotAllowed("This section is for somebody else to write.")
    return At(issue, section, language)


def find_language(language: str) -> str:
    """The language that an address names; 404 if it is not offered."""
    return language if language in LANGUAGES else abort(404)


def names_of(addresses: Iterable[str | None]) -> dict[str, str]:
    """What those are called who wrote something, by their addresses."""
    asked = {address for address in addresses if address}
    if not asked:
        return {}
    editors = db.session.scalars(select(Editor).where(Editor.address.in_(asked)))
    return {address: address for address in asked} | {e.address: e.called for e in editors}
