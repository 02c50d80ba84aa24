"""Write an issue from the files that editors write, one for each language."""

from datetime import datetime

from babel import Locale
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database import db, is_sqlite
from newsletter.errors import NewsletterError
from newsletter.issues.changes import begin_change
from newsletter.issues.issue_file import IssueFile, read_issue_file, section_key
from newsletter.issues.models import Article, Issue, Subject
from newsletter.issues.sections import section_names, standing_sections
from newsletter.locales import LANGUAGES
from newsletter.pages import settings


class DuplicateIssue(NewsletterError):
    """The issue has a text in this language already, and nobody said to replace it."""

    page = "duplicate_issue"
    status = 409

    def __init__(self, number: int, language: str) -> None:
        super().__init__(
            f"Issue {number} already has an {_name(language)} text; use --replace (or tick"
            " Replace) to put this one in its place."
        )
        self.number = number
        self.language = language


class OtherDate(NewsletterError):
    """The texts of one issue in two languages bear two dates."""

    page = "other_date"
    status = 409

    def __init__(self, issue: Issue, file: IssueFile) -> None:
        super().__init__(
            f"Issue {issue.number} is dated {issue.date}, but this {_name(file.language)} text"
            f" says {file.date}. Give both the same date."
        )
        self.number = issue.number


def import_issue(data: bytes, *, replace: bool = False, now: datetime) -> Issue:
    """Write one language of an issue, which is made if there is none of that number yet.

    Raises `BadIssueFile`, `DuplicateIssue`, `FrozenIssue` and `OtherDate`.
    """
    file = read_issue_file(data, _section_keys(), _languages())
    issue = _issue_of(file, now)
    if file.language in issue.languages and not replace:
        raise DuplicateIssue(issue.number, file.language)
    _settle_date(issue, file, replace=replace)
    _write(issue, file)
    db.session.flush()
    return issue


def _issue_of(file: IssueFile, now: datetime) -> Issue:
    """The issue of that number, made if need be, and ours until the transaction ends.

    Whoever imports the same number meanwhile waits here, and then finds what we wrote.
    """
    insert = sqlite.insert if is_sqlite() else postgresql.insert
    db.session.execute(
        insert(Issue)
        .values(number=file.number, date=file.date, created_at=now, revised_at=now)
        .on_conflict_do_nothing(index_elements=[Issue.number])
    )
    issue_id = db.session.scalars(select(Issue.id).where(Issue.number == file.number)).one()
    return begin_change(issue_id, now=now)


def _settle_date(issue: Issue, file: IssueFile, *, replace: bool) -> None:
    """All texts bear the issue's date; to correct it, replace the default language's text."""
    others = set(issue.languages) - {file.language}
    leads = replace and file.language == settings().default_language
    if others and not leads and file.date != issue.date:
        raise OtherDate(issue, file)
    issue.date = file.date


def _write(issue: Issue, file: IssueFile) -> None:
    """Put the file's words in the place of whatever the issue said in this language."""
    for model in (Subject, Article):
        db.session.execute(
            delete(model).where(model.issue_id == issue.id, model.language == file.language)
        )
    sections = {section.slug: section for section in standing_sections()}
    db.session.add(
        Subject(
            issue_id=issue.id,
            language=file.language,
            subject=file.subject,
            preheader=file.preheader,
        )
    )
    for article in file.articles:
        section = sections[article.section_slug]
        db.session.add(
            Article(
                issue_id=issue.id,
                section_id=section.id,
                language=file.language,
                section_title=section.title(file.language),
                headline=article.headline,
                body=article.body,
            )
        )
    db.session.flush()
    db.session.expire(issue, ["subjects", "articles"])


def _section_keys() -> dict[str, str]:
    return {section_key(name): slug for name, slug in section_names().items()}


def _languages() -> list[str]:
    """The languages offered, the default one first."""
    default = settings().default_language
    return sorted(LANGUAGES, key=lambda language: language != default)


def _name(language: str) -> str:
    return str(Locale.parse(language).english_name)
