"""Write an issue from the files that editors write, one for each language, and give them back."""

from datetime import datetime

from babel import Locale
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter import audit
from newsletter.database import db, is_sqlite
from newsletter.errors import NewsletterError
from newsletter.issues import writing
from newsletter.issues.changes import DATED, begin_change
from newsletter.issues.export import write_issue_file
from newsletter.issues.issue_file import ArticleText, IssueFile, read_issue_file, section_key
from newsletter.issues.models import Issue
from newsletter.issues.revisions import Place, Words
from newsletter.issues.sections import section_names, sections_of, standing_sections
from newsletter.issues.subjects import Lines, lines_of, put_lines
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


def import_issue(
    data: bytes, *, replace: bool = False, who: str = audit.COMMAND_LINE, now: datetime
) -> Issue:
    """Write one language of an issue, which is made if there is none of that number yet.

    What it said before stays among the revisions of its articles. Raises `BadIssueFile`,
    `DuplicateIssue`, `FrozenIssue` and `OtherDate`.
    """
    file = read_issue_file(data, _section_keys(), _languages())
    issue = _issue_of(file, now)
    if file.language in issue.written_languages and not replace:
        raise DuplicateIssue(issue.number, file.language)
    audit.note(who, f"Imported a file ({file.language}).", now=now, issue_id=issue.id)
    _settle_date(issue, file, replace=replace, who=who, now=now)
    _write(issue, file, who, now)
    db.session.flush()
    return issue


def export_issue(issue: Issue, language: str) -> str:
    """The issue in one language as a file, which `import_issue` reads as it was."""
    lines, _version = lines_of(issue, language)
    sections = sections_of(issue)
    texts = {
        article.section_id: ArticleText(article.section.slug, article.headline, article.body)
        for article in issue.articles
        if article.language == language
    }
    file = IssueFile(
        number=issue.number,
        date=issue.date,
        language=language,
        subject=lines.subject,
        preheader=lines.preheader,
        articles=tuple(texts[section.id] for section in sections if section.id in texts),
    )
    titles = {section.slug: section.title(language) for section in sections}
    return write_issue_file(file, titles, _section_keys())


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


def _settle_date(issue: Issue, file: IssueFile, *, replace: bool, who: str, now: datetime) -> None:
    """All texts bear the issue's date; to correct it, replace the default language's text."""
    others = issue.written_languages - {file.language}
    leads = replace and file.language == settings().default_language
    if others and not leads and file.date != issue.date:
        raise OtherDate(issue, file)
    if file.date != issue.date:
        issue.date = file.date
        audit.note(who, DATED.format(file.date), now=now, issue_id=issue.id)


def _write(issue: Issue, file: IssueFile, who: str, now: datetime) -> None:
    """Put the file's words in the place of whatever the issue said in this language."""
    put_lines(issue, Lines(file.language, file.subject, file.preheader))
    texts = {text.section_slug: Words(text.headline, text.body) for text in file.articles}
    written = {a.section.slug: a.section for a in issue.articles if a.language == file.language}
    sections = {section.slug: section for section in standing_sections()} | written
    for slug in [*texts, *(written.keys() - texts.keys())]:
        section, words = sections[slug], texts.get(slug, Words())
        place = Place(issue.id, section.id, file.language)
        if words != writing.standing_at(place).words:
            writing.put(place, words, who=who, now=now, is_new=True)
    for article in issue.articles:
        if article.language == file.language:
            article.section_title = article.section.title(file.language)


def _section_keys() -> dict[str, str]:
    return {section_key(name): slug for name, slug in section_names().items()}


def _languages() -> list[str]:
    """The languages offered, the default one first."""
    default = settings().default_language
    return sorted(LANGUAGES, key=lambda language: language != default)


def _name(language: str) -> str:
    return str(Locale.parse(language).english_name)
