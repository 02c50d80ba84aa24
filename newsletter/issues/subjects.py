"""Write an issue's subject and preheader, on top of the version that their writer knew."""

from dataclasses import dataclass
from datetime import datetime

from newsletter import audit
from newsletter.database import db
from newsletter.issues.changes import begin_change, lock_issue
from newsletter.issues.front_matter import LONGEST_TITLE
from newsletter.issues.models import Issue, Subject
from newsletter.issues.revisions import Words
from newsletter.issues.writing import Saved, check_length
from newsletter.locales import translatable

LONG_SUBJECT = translatable("The subject has %(length)s characters; at most %(most)s can be.")
LONG_PREHEADER = translatable("The preheader has %(length)s characters; at most %(most)s can be.")


@dataclass(frozen=True, slots=True)
class Lines:
    """What an inbox shows of an issue, in one language."""

    language: str
    subject: str = ""
    preheader: str = ""

    @classmethod
    def typed(cls, language: str, subject: str, preheader: str) -> "Lines":
        """What somebody typed, each on one line and without what nobody sees."""
        one, other = (Words.typed(text, "").headline for text in (subject, preheader))
        return cls(language, one, other)


@dataclass(frozen=True, slots=True)
class OtherLines:
    """Others stand by now, in this version; nothing was changed."""

    lines: Lines
    version: int


def lines_of(issue: Issue, language: str) -> tuple[Lines, int]:
    """What stands, and its version; 0 if nothing ever stood."""
    row = db.session.get(Subject, (issue.id, language), populate_existing=True)
    if row is None:
        return Lines(language), 0
    return Lines(language, row.subject, row.preheader), row.version


def save_subject(
    issue: Issue, lines: Lines, *, based_on: int, who: str, now: datetime
) -> Saved | OtherLines:
    """Let the mail be called this, if `based_on` is the version that stands.

    Blank lines take the language off the issue. What stood is noted in the log, so that it is not
    lost. Raises `FrozenIssue` and `TooLong`.
    """
    check_length(lines.subject, LONGEST_TITLE, LONG_SUBJECT)
    check_length(lines.preheader, LONGEST_TITLE, LONG_PREHEADER)
    lock_issue(issue.id)
    standing, version = lines_of(issue, lines.language)
    if lines == standing:
        return Saved(version)
    if based_on != version:
        return OtherLines(standing, version)
    begin_change(issue.id, now=now)
    put_lines(issue, lines)
    audit.note(who, _sentence(standing, lines), now=now, issue_id=issue.id)
    return Saved(lines_of(issue, lines.language)[1])


def put_lines(issue: Issue, lines: Lines) -> None:
    """Write subject and preheader of a draft that is ours to change."""
    row = db.session.get(Subject, (issue.id, lines.language))
    if row is None:
        row = Subject(
            issue_id=issue.id, language=lines.language, subject="", preheader="", version=0
        )
        db.session.add(row)
    if (row.subject, row.preheader) != (lines.subject, lines.preheader):
        row.subject, row.preheader = lines.subject, lines.preheader
        row.version += 1
    db.session.flush()
    db.session.expire(issue, ["subjects"])


def _sentence(old: Lines, new: Lines) -> str:
    changes = [
        f"{name} from “{before}” to “{after}”"
        for name, before, after in (
            ("Subject", old.subject, new.subject),
            ("preheader", old.preheader, new.preheader),
        )
        if before != after
    ]
    return f"Changed ({new.language}): {'; '.join(changes)}."
