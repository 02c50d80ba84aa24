"""What an article has said: every text that reached us is kept, whether it stands or not.

Versions count the saves of one section and language of an issue, and never go back. While one
person writes on, their revision is written over and its version rises with it; whatever would
take words away begins a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import defer

from newsletter.database import db
from newsletter.issues.front_matter import TURNS
from newsletter.issues.markdown import tidy
from newsletter.issues.models import ArticleRevision

ONE_GO = timedelta(minutes=10)  # of writing that make one revision
FEW_WORDS = 40  # characters; who takes away more begins a new revision
MOST_SHOWN = 200  # revisions


@dataclass(frozen=True, slots=True)
class Place:
    """Where an article stands: a section of an issue, in one language."""

    issue_id: int
    section_id: int
    language: str


@dataclass(frozen=True, slots=True)
class Words:
    """A headline, of one line, and a body in Markdown."""

    headline: str = ""
    body: str = ""

    @classmethod
    def typed(cls, headline: str, body: str) -> "Words":
        """What somebody typed, without what nobody sees: as an issue file would hold it."""
        return cls(" ".join(TURNS.sub("", tidy(headline)).split()), tidy(body).strip("\n").rstrip())

    @property
    def is_blank(self) -> bool:
        """Whether nothing is said."""
        return not (self.headline or self.body)


def words_of(revision: ArticleRevision) -> Words:
    """What a revision says."""
    return Words(revision.headline, revision.body)


def history(place: Place) -> Sequence[ArticleRevision]:
    """The revisions of an article, the newest first; their bodies are read when asked for."""
    return db.session.scalars(
        select(ArticleRevision)
        .where(_is_at(place))
        .order_by(ArticleRevision.version.desc())
        .options(defer(ArticleRevision.body))
        .limit(MOST_SHOWN)
    ).all()


def find(place: Place, version: int) -> ArticleRevision | None:
    """One revision."""
    return db.session.scalar(
        select(ArticleRevision).where(_is_at(place), ArticleRevision.version == version)
    )


def before(place: Place, version: int) -> ArticleRevision | None:
    """The revision before a version."""
    return _newest(_is_at(place), ArticleRevision.version < version)


def newest_blank(place: Place) -> ArticleRevision | None:
    """The revision by which an article was last emptied: what stands where no article does."""
    blank = Words()
    return _newest(
        _is_at(place),
        ArticleRevision.headline == blank.headline,
        ArticleRevision.body == blank.body,
    )


def write(
    place: Place, words: Words, *, onto: int | None, who: str, now: datetime
) -> ArticleRevision:
    """Note what an article says from now on.

    `onto` is the version that stands, if its revision may be written over by the same person.
    """
    latest = _newest(_is_at(place))
    if latest and latest.version == onto and _goes_on(latest, words, who, now):
        return _write_over(latest, words, now)
    return _begin(place, words, latest, who, now)


def keep_aside(
    place: Place, words: Words, *, standing: int, who: str, now: datetime
) -> ArticleRevision:
    """Keep a text that does not come to stand, because another does.

    Of one person there may be several, from as many windows: one is written over only by a text
    that holds all of it.
    """
    is_same = and_(ArticleRevision.headline == words.headline, ArticleRevision.body == words.body)
    if kept := _newest(_is_at(place), is_same):
        return kept
    latest = _newest(_is_at(place))
    if latest and latest.version != standing and _goes_on(latest, words, who, now, taking=0):
        return _write_over(latest, words, now)
    return _begin(place, words, latest, who, now)


def _goes_on(
    latest: ArticleRevision, words: Words, who: str, now: datetime, *, taking: int = FEW_WORDS
) -> bool:
    """Whether somebody writes on at what they began, `taking` away so many characters at most."""
    return (
        latest.written_by == who
        and now - latest.begun_at < ONE_GO
        and not words.is_blank
        and _taken(latest.body, words.body) <= taking
        and _taken(latest.headline, words.headline) <= taking
    )


def _taken(old: str, new: str) -> int:
    """How many characters lie between the first and the last that were changed."""
    start = _in_common(old, new)
    return len(old) - start - _in_common(old[start:][::-1], new[start:][::-1])


def _in_common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _write_over(revision: ArticleRevision, words: Words, now: datetime) -> ArticleRevision:
    revision.version += 1
    revision.headline, revision.body = words.headline, words.body
    revision.written_at = now
    db.session.flush()
    return revision


def _begin(
    place: Place, words: Words, latest: ArticleRevision | None, who: str, now: datetime
) -> ArticleRevision:
    revision = ArticleRevision(
        issue_id=place.issue_id,
        section_id=place.section_id,
        language=place.language,
        version=latest.version + 1 if latest else 1,
        headline=words.headline,
        body=words.body,
        begun_at=now,
        written_at=now,
        written_by=who,
    )
    db.session.add(revision)
    db.session.flush()
    return revision


def _newest(*conditions: ColumnElement[bool]) -> ArticleRevision | None:
    return db.session.scalar(
        select(ArticleRevision).where(*conditions).order_by(ArticleRevision.version.desc()).limit(1)
    )


def _is_at(place: Place) -> ColumnElement[bool]:
    return and_(
        ArticleRevision.issue_id == place.issue_id,
        ArticleRevision.section_id == place.section_id,
        ArticleRevision.language == place.language,
    )
