"""Write an article, one save after another; what somebody else wrote meanwhile is never lost.

Whoever saves says which version they had before them. If another stands by now, nothing is
changed: their text is kept as a revision beside it, and both are shown. The same holds when the
issue is a draft no more. What reached us is kept, whatever comes of it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from newsletter import audit
from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues import markdown, revisions
from newsletter.issues.changes import begin_change, lock_issue
from newsletter.issues.front_matter import LONGEST_TITLE
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, ArticleRevision, Issue, Section
from newsletter.issues.revisions import Place, Words
from newsletter.locales import translatable

LONG_HEADLINE = translatable("The headline has %(length)s characters; at most %(most)s can be.")
LONG_TEXT = translatable("The text has %(length)s characters; at most %(most)s can be.")


class TooLong(NewsletterError):
    """A text has more characters than it may; `words`, to be translated, have holes for `facts`."""

    page = "too_long"

    def __init__(self, words: str, length: int, most: int) -> None:
        self.words = words
        self.facts = {"length": length, "most": most}
        super().__init__(words % {name: f"{number:,}" for name, number in self.facts.items()})


@dataclass(frozen=True, slots=True)
class Standing:
    """What an article says now, in which version; who wrote it when, and approved it, if known."""

    words: Words
    version: int
    by: str | None
    at: datetime | None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """The text stands, under this version."""

    version: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another text stands by now; the one that was to be saved is kept as revision `kept`."""

    standing: Standing
    kept: int | None


@dataclass(frozen=True, slots=True)
class Frozen:
    """The issue is a draft no more; the text is kept as revision `kept`."""

    kept: int | None


def standing_at(place: Place) -> Standing:
    """What stands there now; blank words if there is no article."""
    article = _article_at(place)
    if article:
        words = Words(article.headline, article.body)
        by, at = article.revised_by, article.revised_at
        return Standing(words, article.version, by, at, article.approved_by)
    if emptied := revisions.newest_blank(place):
        return Standing(Words(), emptied.version, emptied.written_by, emptied.written_at)
    return Standing(Words(), 0, None, None)


def save_article(
    place: Place, words: Words, *, based_on: int, who: str, now: datetime
) -> Saved | Conflict | Frozen:
    """Let an article say these words, if `based_on` is the version that stands; raises `TooLong`.

    What stands already is left alone, with its approval. Blank words take the article away; what
    it said stays among its revisions.
    """
    _check_length(words)
    standing = _lock(place)
    if words == standing.words:
        return Saved(standing.version)
    if not _is_draft(place):  # then there is nothing to decide between two texts
        return Frozen(_keep_aside(place, words, standing, who, now))
    if based_on != standing.version:
        return Conflict(standing, _keep_aside(place, words, standing, who, now))
    return Saved(put(place, words, who=who, now=now))


def restore_article(place: Place, version: int, *, who: str, now: datetime) -> Saved:
    """Let an article say again what it said in a revision; raises `FrozenIssue`.

    Raises `LookupError` if there is no such revision.
    """
    standing = _lock(place)
    revision = revisions.find(place, version)
    if revision is None:
        raise LookupError(version)
    words = revisions.words_of(revision)
    if words == standing.words:
        return Saved(standing.version)
    return Saved(put(place, words, who=who, now=now, is_new=True))


def keep_aside(place: Place, words: Words, *, who: str, now: datetime) -> int | None:
    """Keep a text that its writer gave up in favour of what stands; gives its version.

    Raises `TooLong`.
    """
    _check_length(words)
    return _keep_aside(place, words, _lock(place), who, now)


def put(place: Place, words: Words, *, who: str, now: datetime, is_new: bool = False) -> int:
    """Write other words than stand there, and give their version; raises `FrozenIssue`.

    A new revision begins with `is_new`, after an approval, and as `revisions` says.
    """
    article = _article_at(place)
    was_approved = db.session.scalar(
        select(Issue.approved_at).where(Issue.id == place.issue_id)
    ) or (article and article.approved_at)
    issue = begin_change(place.issue_id, now=now)
    section = db.session.get_one(Section, place.section_id)
    if article and not article.version:
        _keep_what_came_in_before(place, article, issue)
    onto = article.version if article and not (is_new or was_approved) else None
    revision = revisions.write(place, words, onto=onto, who=who, now=now)
    if article and words.is_blank:
        db.session.delete(article)
    elif not words.is_blank:
        article = article or _new_article(place, section)
        article.headline, article.body = words.headline, words.body
        article.version = revision.version
        article.revised_at, article.revised_by = now, who
        article.approved_at = article.approved_by = None
    if revision.begun_at == now:
        audit.note(who, _sentence(section, place, revision), now=now, issue_id=issue.id)
    db.session.flush()
    db.session.expire(issue, ["articles"])
    return revision.version


def complaint(words: Words) -> str:
    """What keeps the body from being read as Markdown; empty if nothing does."""
    try:
        markdown.parse(words.body)
    except markdown.UnreadableMarkup as error:
        return f"{error} (line {error.line})"
    return ""


def _lock(place: Place) -> Standing:
    """What stands there, and nobody changes it until the transaction ends."""
    lock_issue(place.issue_id)
    return standing_at(place)


def _is_draft(place: Place) -> bool:
    state = db.session.scalar(select(Issue.state).where(Issue.id == place.issue_id))
    return state is IssueState.DRAFT


def _article_at(place: Place) -> Article | None:
    query = select(Article).where(
        Article.issue_id == place.issue_id,
        Article.section_id == place.section_id,
        Article.language == place.language,
    )
    return db.session.scalar(query.execution_options(populate_existing=True))


def _new_article(place: Place, section: Section) -> Article:
    article = Article(
        issue_id=place.issue_id,
        section=section,
        language=place.language,
        section_title=section.title(place.language),
    )
    db.session.add(article)
    return article


def _keep_what_came_in_before(place: Place, article: Article, issue: Issue) -> None:
    """Make a revision of an article that has none yet."""
    old = Words(article.headline, article.body)
    written_at = article.revised_at or issue.created_at
    revision = revisions.write(place, old, onto=None, who=article.revised_by or "", now=written_at)
    article.version = revision.version


def _keep_aside(
    place: Place, words: Words, standing: Standing, who: str, now: datetime
) -> int | None:
    if words.is_blank or words == standing.words:
        return None
    aside = revisions.keep_aside(place, words, standing=standing.version, who=who, now=now)
    return aside.version


def _sentence(section: Section, place: Place, revision: ArticleRevision) -> str:
    what = "Emptied" if revisions.words_of(revision).is_blank else "Wrote"
    return f"{what} {section.slug} ({place.language}), revision {revision.version}."


def _check_length(words: Words) -> None:
    check_length(words.headline, LONGEST_TITLE, LONG_HEADLINE)
    check_length(words.body, markdown.LONGEST_ARTICLE, LONG_TEXT)


def check_length(text: str, most: int, words: str) -> None:
    """Raise `TooLong`, which says it in these words, for a text of more than so many characters."""
    if len(text) > most:
        raise TooLong(words, len(text), most)
