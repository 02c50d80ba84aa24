"""After a move to another mailbox, links in the old one lead to nothing but leaving.

Whoever can still open the old mailbox would otherwise read the new address with one press. A
link's second number says when it was written: the issue it came with, or the move before it.
"""

from sqlalchemy import select

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues.models import Issue
from newsletter.subscribers.models import ConsentEvent, ConsentKind

AFTER_MOVE = 2**40  # added to the number of a move; no issue has such an id


class MovedSince(NewsletterError):
    """The link was sent to a mailbox that its reader has moved away from."""

    page = "moved_since"
    status = 410

    def __init__(self) -> None:
        super().__init__("You have moved to another address since; use a link that was sent there.")


def context_of(subscriber_id: int) -> int:
    """What a link that belongs to no issue says about its time: 0 before any move."""
    move = _last_move(subscriber_id)
    return 0 if move is None else AFTER_MOVE + move.id


def demand_current(subscriber_id: int, context: int) -> None:
    """Raises `MovedSince` for a link from before the last move."""
    move = _last_move(subscriber_id)
    if move is None or context == AFTER_MOVE + move.id:
        return
    issue = db.session.get(Issue, context) if context < AFTER_MOVE else None
    if issue is None or issue.sending_started_at is None or issue.sending_started_at <= move.at:
        raise MovedSince


def _last_move(subscriber_id: int) -> ConsentEvent | None:
    moves = select(ConsentEvent).where(
        ConsentEvent.subscriber_id == subscriber_id, ConsentEvent.kind == ConsentKind.MOVED
    )
    return db.session.scalars(moves.order_by(ConsentEvent.id.desc()).limit(1)).one_or_none()
