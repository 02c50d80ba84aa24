"""Change what readers would get: only in a draft, and never behind the back of who approved it."""

from datetime import datetime

from sqlalchemy import select

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues.lifecycle import STANDING, IssueState
from newsletter.issues.models import Issue

DATED = "Dated it {}."


class FrozenIssue(NewsletterError):
    """The issue is a draft no more, so its texts stay as they are."""

    page = "frozen_issue"
    status = 409

    def __init__(self, number: int, state: IssueState) -> None:
        super().__init__(f"Issue {number} {STANDING[state]}, so its texts are frozen.")
        self.number = number
        self.state = state


def lock_issue(issue_id: int) -> Issue:
    """The issue as it is now, ours until the transaction ends; whoever else wants it waits."""
    found = select(Issue).where(Issue.id == issue_id).with_for_update(of=Issue)
    return db.session.scalars(found.execution_options(populate_existing=True)).one()


def begin_change(issue_id: int, *, now: datetime) -> Issue:
    """The draft, ours until the transaction ends, its approval taken back.

    Whoever changes it meanwhile waits here. Raises `FrozenIssue`.
    """
    issue = lock_issue(issue_id)
    if issue.state is not IssueState.DRAFT:
        raise FrozenIssue(issue.number, issue.state)
    issue.revised_at = now
    issue.approved_at = issue.approved_by = None
    return issue
