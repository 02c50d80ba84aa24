"""Approve an issue, or one article of it, as it stands; any change takes the approval back.

Whoever approves says what they saw, so that nobody approves what they have not read. The taking
back is in `changes.begin_change`, which every change of what readers would get goes through.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from newsletter import audit
from newsletter.audit import AuditEntry
from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues import preflight
from newsletter.issues.changes import FrozenIssue, lock_issue
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Article, Issue
from newsletter.issues.revisions import Place

APPROVED = "Approved the issue."
TAKEN_BACK = "Took the approval back."
NOT_YET_SENT = (IssueState.DRAFT, IssueState.SCHEDULED)


class ChangedMeanwhile(NewsletterError):
    """What was to be approved is no longer what was looked at."""

    page = "changed_meanwhile"
    status = 409

    def __init__(self, number: int) -> None:
        super().__init__(f"Issue {number} was changed since you opened it. Nothing was approved.")
        self.number = number


class NotReady(NewsletterError):
    """The issue could not be sent as it is, so there is nothing to approve."""

    page = "not_ready"
    status = 422

    def __init__(self, number: int, sentences: tuple[str, ...]) -> None:
        super().__init__(f"Issue {number} can't be approved yet. " + " ".join(sentences))
        self.number = number
        self.sentences = sentences


@dataclass(frozen=True)
class LostApproval:
    """An approval that a later change took back, and what was done since."""

    at: datetime
    who: str
    acts: list[AuditEntry]


def approve(issue_id: int, *, who: str, now: datetime, seen: str) -> Issue:
    """Approve a draft or scheduled issue; `seen` is its `revised_at` as it was shown, in ISO 8601.

    Approving twice changes nothing. Raises `WrongStep`, `ChangedMeanwhile`, and `NotReady` by the
    preflight.
    """
    issue = lock_issue(issue_id)
    if issue.state not in NOT_YET_SENT:
        raise WrongStep(issue.number, issue.state, IssueState.DRAFT, act="be approved")
    if seen != issue.revised_at.isoformat():
        raise ChangedMeanwhile(issue.number)
    if issue.approved_at is not None:
        return issue
    if blocking := preflight.check(issue, now=now).blocking:
        raise NotReady(issue.number, tuple(str(finding) for finding in blocking))
    issue.approved_at, issue.approved_by = now, who
    audit.note(who, APPROVED, now=now, issue_id=issue_id)
    return issue


def unapprove(issue_id: int, *, who: str, now: datetime) -> Issue:
    """Take the approval of a draft back; raises `FrozenIssue`."""
    issue = lock_issue(issue_id)
    if issue.state is not IssueState.DRAFT:
        raise FrozenIssue(issue.number, issue.state)
    if issue.approved_at is not None:
        issue.approved_at = issue.approved_by = None
        audit.note(who, TAKEN_BACK, now=now, issue_id=issue_id)
    return issue


def approve_article(place: Place, *, who: str, now: datetime, seen: int) -> None:
    """Approve one article of a draft; `seen` is the version that was read.

    Readers get nothing else by it, so the issue's own approval stays. Raises `FrozenIssue` and
    `ChangedMeanwhile`, the latter also for an article that is gone.
    """
    issue = lock_issue(place.issue_id)
    if issue.state is not IssueState.DRAFT:
        raise FrozenIssue(issue.number, issue.state)
    article = db.session.scalar(
        select(Article)
        .where(
            Article.issue_id == place.issue_id,
            Article.section_id == place.section_id,
            Article.language == place.language,
        )
        .execution_options(populate_existing=True)
    )
    if article is None or article.version != seen:
        raise ChangedMeanwhile(issue.number)
    if article.approved_at is None:
        article.approved_at, article.approved_by = now, who
        what = f"Approved the article in {article.section_title} ({article.language})."
        audit.note(who, what, now=now, issue_id=issue.id)


def lost_approval(issue: Issue) -> LostApproval | None:
    """The approval that the issue had until somebody changed it; None if it has one, or had none.

    Who takes an approval back on purpose knows why: that is none lost.
    """
    if issue.approved_at is not None or issue.is_public:
        return None
    last = db.session.scalar(
        select(AuditEntry)
        .where(AuditEntry.issue_id == issue.id, AuditEntry.what.in_([APPROVED, TAKEN_BACK]))
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    if last is None or last.what == TAKEN_BACK:
        return None
    acts = db.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.issue_id == issue.id, AuditEntry.id > last.id)
        .order_by(AuditEntry.id)
    )
    return LostApproval(last.at, last.who, list(acts))
