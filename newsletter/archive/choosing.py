"""A choice of sections in an address, and what the newest issues say in it."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from newsletter.archive.public import IS_PUBLIC, ITS_SECTION
from newsletter.database import db
from newsletter.issues.models import Article, Issue, Section


def slugs_in(values: Iterable[str]) -> list[str]:
    """The slugs in `a,b` or in `a` and `b`, each once, as they came; blanks are forgiven."""
    slugs = (slug.strip() for value in values for slug in value.split(","))
    return list(dict.fromkeys(slug for slug in slugs if slug))


def sections_named(slugs: Iterable[str], sections: Iterable[Section]) -> list[Section]:
    """Those of all sections that have these slugs; none at all if a slug is nobody's."""
    wanted = set(slugs)
    found = [section for section in sections if section.slug in wanted]
    return found if len(found) == len(wanted) else []


def newest_with(sections: Iterable[Section], limit: int) -> list[Issue]:
    """The newest public issues that say something in these sections, with those articles alone."""
    is_chosen = Article.section_id.in_([section.id for section in sections])
    query = (
        select(Issue)
        .where(IS_PUBLIC, Issue.articles.any(is_chosen))
        .order_by(Issue.number.desc())
        .limit(limit)
        .options(selectinload(Issue.articles.and_(is_chosen)).options(ITS_SECTION))
    )
    return list(db.session.scalars(query))
