"""Which issues anyone may read: those whose sending has begun. Few statements per page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import defer, joinedload, selectinload

from newsletter.database import db
from newsletter.issues.models import Article, Issue, Section

IS_PUBLIC = Issue.sending_started_at.is_not(None)
# Pages know the titles already, from `archive.sections.all_sections`; others load them one by one.
ITS_SECTION = joinedload(Article.section).lazyload(Section.titles)


@dataclass(frozen=True)
class Shelved:
    """A public issue and the numbers of those before and after it."""

    issue: Issue
    earlier: int | None
    later: int | None


def public_issue(number: int) -> Shelved | None:
    """Find an issue with all its articles, unless it is not public (or not there)."""
    earlier = select(func.max(Issue.number)).where(IS_PUBLIC, Issue.number < number)
    later = select(func.min(Issue.number)).where(IS_PUBLIC, Issue.number > number)
    query = (
        select(Issue, earlier.scalar_subquery(), later.scalar_subquery())
        .where(IS_PUBLIC, Issue.number == number)
        .options(joinedload(Issue.subjects), selectinload(Issue.articles).options(ITS_SECTION))
    )
    found = db.session.execute(query).unique().one_or_none()
    return None if found is None else Shelved(*found)


def newest_in_full(limit: int) -> list[Issue]:
    """The newest public issues with their articles, newest first."""
    articles = selectinload(Issue.articles).options(ITS_SECTION)
    return _found(_newest_first().limit(limit).options(articles))


def newest_headlines(limit: int) -> list[Issue]:
    """The same in one statement, without the long texts of the articles."""
    articles = joinedload(Issue.articles).options(ITS_SECTION, defer(Article.body))
    return _found(_newest_first().limit(limit).options(articles))


def all_issues() -> list[Issue]:
    """Every public issue with its subjects alone, newest first."""
    return _found(_newest_first())


def published_at(issue: Issue) -> datetime:
    """When an issue became public; raises `ValueError` for one that is not."""
    if issue.sending_started_at is None:
        raise ValueError(f"issue {issue.number} is not public")
    return issue.sending_started_at


def _newest_first() -> Select[Issue]:
    return (
        select(Issue)
        .where(IS_PUBLIC)
        .order_by(Issue.number.desc())
        .options(joinedload(Issue.subjects))
    )


def _found(query: Select[Issue]) -> list[Issue]:
    return list(db.session.scalars(query).unique())
