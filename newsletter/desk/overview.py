"""What the desk shows of an issue: how it is written, how it went, who would get it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from babel.lists import format_list
from flask_babel import format_timedelta, get_locale, gettext
from sqlalchemy import func, select
from sqlalchemy.orm import defer, selectinload

from newsletter.database import db
from newsletter.delivery.fanout import Audience
from newsletter.delivery.models import DeliveryState, Tally
from newsletter.desk.assignments import writers_of
from newsletter.desk.models import Editor
from newsletter.issues import choice as choices
from newsletter.issues.editions import articles_in, issue_choice
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, Issue, Section, Subject
from newsletter.issues.sections import sections_of, sections_to_write, title_in
from newsletter.locales import LANGUAGES
from newsletter.pages import page_language, settings

ISSUES_PER_PAGE = 30
FEW = 2  # of a unit are told in the next smaller one: 30 hours rather than a day


@dataclass(frozen=True)
class IssueRow:
    """One issue in the list: the titles of its sections, and how many mails it came to."""

    issue: Issue
    subject: str
    languages: list[str]
    sections: list[str]
    sent: int
    total: int


class TextState(StrEnum):
    """How far one text has come."""

    EMPTY = "empty"
    DRAFTED = "drafted"
    APPROVED = "approved"


@dataclass(frozen=True)
class Text:
    """What an issue says in one section and language, if anything.

    Readers of this language get `stands_in` where it says nothing.
    """

    language: str
    state: TextState
    article: Article | None
    stands_in: Article | None

    @property
    def words(self) -> int:
        """How many words it has, counted between spaces."""
        return len(self.article.body.split()) if self.article else 0


@dataclass(frozen=True)
class SectionPart:
    """One section of an issue in every language offered, with who writes it.

    `is_mine` says whether whoever looks was given it, `may_write` whether its texts are theirs to
    write, and `is_open` whether they may do so now.
    """

    section: Section
    title: str
    writers: list[Editor]
    texts: list[Text]
    is_mine: bool
    may_write: bool
    is_open: bool

    @property
    def revised_by(self) -> list[str | None]:
        """Who changed its texts last."""
        return [text.article.revised_by for text in self.texts if text.article]

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing in any language: its readers would get no mail."""
        return all(text.article is None for text in self.texts)


def issue_rows(before: int | None) -> list[IssueRow]:
    """The newest issues, or those before a number."""
    query = (
        select(Issue)
        .options(
            selectinload(Issue.subjects),
            selectinload(Issue.articles).options(defer(Article.body)),
        )
        .order_by(Issue.number.desc())
        .limit(ISSUES_PER_PAGE)
    )
    if before is not None:
        query = query.where(Issue.number < before)
    issues = list(db.session.scalars(query))
    sums = _sums(issues)
    return [_row(issue, *sums.get(issue.id, (0, 0))) for issue in issues]


def section_parts(issue: Issue, editor: Editor) -> list[SectionPart]:
    """Today's sections and those the issue was written in, as this editor finds them."""
    writers = writers_of(issue.id)
    return [
        _part(issue, section, writers.get(section.id, []), editor)
        for section in sections_to_write(issue)
    ]


def time_left(issue: Issue, *, now: datetime) -> timedelta | None:
    """How long until the deadline, negative once it has passed; None where it binds no more."""
    if issue.deadline_at is None or issue.state is not IssueState.DRAFT:
        return None
    return issue.deadline_at - now


def in_words(left: timedelta) -> str:
    """Such a time in words: "in 30 hours", "2 days ago"."""
    return str(format_timedelta(left, add_direction=True, threshold=FEW))


def offered_languages() -> list[str]:
    """All languages, that of the publication first."""
    return _publications_first(LANGUAGES)


def written_languages(issue: Issue) -> list[str]:
    """The languages an issue says anything in, be it a subject or an article."""
    return _publications_first(issue.written_languages)


def announced(issue: Issue, audience: Audience) -> dict[str, Subject]:
    """Subject and preheader as an inbox shows them, by the language of the readers."""
    languages = _publications_first({*issue.languages, *audience.by_language})
    return {tag: issue.subject(tag, settings().default_language) for tag in languages}


def languages_of(issue: Issue) -> list[str]:
    """The languages an issue has editions in, that of the publication first."""
    return _publications_first(issue.languages)


def words_of(issue: Issue) -> Subject:
    """Subject and preheader of an issue, in the language of the page if it has them."""
    return issue.subject(page_language(), settings().default_language)


def choice_in_words(issue: Issue, choice: int) -> str:
    """The sections of an edition: all of them, or their titles."""
    if choice == issue_choice(issue):
        words: str = gettext("All sections of the issue")
        return words
    return format_list(_titles(issue, choice), locale=get_locale() or "en")


def _part(issue: Issue, section: Section, writers: list[Editor], editor: Editor) -> SectionPart:
    is_mine = editor.id in {writer.id for writer in writers}
    may_write = is_mine or editor.may_send
    return SectionPart(
        section=section,
        title=title_in(issue, section, page_language()),
        writers=writers,
        texts=[_text(issue, section, language) for language in offered_languages()],
        is_mine=is_mine,
        may_write=may_write,
        is_open=may_write and issue.state is IssueState.DRAFT,
    )


def _text(issue: Issue, section: Section, language: str) -> Text:
    shown = {article.section_id: article for article in articles_in(issue, language)}
    article = shown.get(section.id)
    if article is None or article.language != language:
        return Text(language, TextState.EMPTY, None, stands_in=article)
    is_approved = issue.approved_at is not None or article.approved_at is not None
    state = TextState.APPROVED if is_approved else TextState.DRAFTED
    return Text(language, state, article, stands_in=None)


def _titles(issue: Issue, choice: int = choices.ALL) -> list[str]:
    chosen: list[Section] = [s for s in sections_of(issue) if choices.takes(choice, s.id)]
    return [title_in(issue, section, page_language()) for section in chosen]


def _row(issue: Issue, sent: int, total: int) -> IssueRow:
    subject = words_of(issue).subject
    return IssueRow(issue, subject, languages_of(issue), _titles(issue), sent, total)


def _publications_first(languages: Iterable[str]) -> list[str]:
    """In one order for all, whichever language they have the desk in."""
    default = settings().default_language
    return sorted(languages, key=lambda language: (language != default, language))


def _sums(issues: list[Issue]) -> dict[int, tuple[int, int]]:
    """By issue: how many mails were accepted, and how many readers it was for."""
    columns = [func.sum(getattr(Tally, state)) for state in DeliveryState]
    rows = db.session.execute(
        select(Tally.issue_id, func.sum(Tally.sent), sum(columns[1:], columns[0]))
        .where(Tally.issue_id.in_([issue.id for issue in issues]))
        .group_by(Tally.issue_id)
    )
    return {issue_id: (int(sent), int(total)) for issue_id, sent, total in rows}
