"""The sections that every page names, and a page for each: what every public issue said in it."""

from dataclasses import dataclass

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import defer, joinedload

from newsletter.archive.public import IS_PUBLIC, ITS_SECTION
from newsletter.database import db
from newsletter.issues.models import Article, Issue, Section

Stamp = tuple[object, ...]
"""Changes whenever a page of the archive might say something else."""

PER_PAGE = 30
OPENING = 1_500  # characters of Markdown in which an article's first paragraph is looked for


@dataclass(frozen=True)
class Entry:
    """An article on the page of its section, with the Markdown that it begins with."""

    article: Article
    issue: Issue
    opening: str


@dataclass(frozen=True)
class Page:
    """Articles of one section, newest first; `earlier` is where the next page begins."""

    entries: list[Entry]
    earlier: int | None


def all_sections() -> tuple[list[Section], Stamp]:
    """Every section there ever was, in their order, with its titles; and the archive's stamp.

    Whoever keeps the list spares the statement for the titles of the sections met afterwards.
    """
    public = select(func.count()).where(IS_PUBLIC).scalar_subquery()
    began, revised = (
        select(func.max(column)).where(IS_PUBLIC).scalar_subquery()
        for column in (Issue.sending_started_at, Issue.revised_at)
    )
    query = select(Section, public, began, revised).order_by(Section.position)
    rows = db.session.execute(query.options(joinedload(Section.titles))).unique().all()
    sections = [row[0] for row in rows]
    return sections, (*(tuple(row[1:]) for row in rows[:1]), *map(_called, sections))


def _called(section: Section) -> tuple[object, ...]:
    titles = ((title.language, title.title, title.invitation) for title in section.titles)
    return section.slug, section.position, section.retired_at, *titles


def articles_of(section: Section, preferred: tuple[str, ...], before: int) -> Page:
    """What public issues numbered under `before` said in a section, one article an issue.

    Each is in the first of the `preferred` languages that it was written in, or else in any.
    """
    rows = db.session.execute(_newest_first(section, preferred, before).limit(PER_PAGE + 1)).all()
    entries = [Entry(article, issue, opening) for article, issue, opening in rows]
    shown = entries[:PER_PAGE]
    return Page(shown, shown[-1].issue.number if len(entries) > PER_PAGE else None)


def _newest_first(
    section: Section, preferred: tuple[str, ...], before: int
) -> Select[Article, Issue, str]:
    liked = case(
        *((Article.language == tag, place) for place, tag in enumerate(preferred)),
        else_=len(preferred),
    )
    place = func.row_number().over(partition_by=Article.issue_id, order_by=(liked, Article.id))
    chosen = select(Article.id, place.label("place")).where(Article.section_id == section.id)
    best = chosen.subquery()
    return (
        select(Article, Issue, func.substr(Article.body, 1, OPENING))
        .join(best, best.c.id == Article.id)
        .join(Issue, Issue.id == Article.issue_id)
        .where(best.c.place == 1, IS_PUBLIC, Issue.number < before)
        .order_by(Issue.number.desc())
        .options(defer(Article.body), ITS_SECTION)
    )
