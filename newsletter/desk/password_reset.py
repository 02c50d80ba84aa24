"""A new password for somebody who lost theirs, by a link in their mailbox."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from newsletter import audit
from newsletter.database import db, execute
from newsletter.desk.door_mails import News, owe_to, password_reset_mail, tell
from newsletter.desk.login import change_password, editor_at
from newsletter.desk.models import Editor, PasswordReset
from newsletter.errors import NewsletterError
from newsletter.links import BrokenLink, Purpose
from newsletter.notices.models import NoticeKind
from newsletter.pages import links

VALID_FOR = timedelta(hours=1)
KEPT = timedelta(days=30)  # after that, to tell who comes with an old link what it was
APART = timedelta(minutes=30)
NONCE_BITS = 47


class ExpiredReset(NewsletterError):
    """The link was used, or is too old."""

    page = "expired_reset"
    status = 410

    def __init__(self) -> None:
        super().__init__("This link was used already or is too old.")


def ask_for_reset(address: str, *, now: datetime) -> None:
    """Owe a link to whoever works at the desk under this address, and nothing to others.

    The more were asked for within a day, the longer until the next: a second one comes at once,
    then one after half an hour, an hour, and so on. Strangers fill no mailbox by it, at a dozen
    mails a day; and as each holds a link that is good, its owner waits five hours at most for one.
    """
    editor = editor_at(address)
    if editor is None or not _may_ask_again(editor, now):
        return
    reset = PasswordReset(nonce=secrets.randbits(NONCE_BITS), editor_id=editor.id, asked_at=now)
    db.session.add(reset)
    db.session.flush()
    owe_to(NoticeKind.PASSWORD_RESET, editor.address, password_reset_mail(reset), now=now)


def who_may_reset(token: str, *, now: datetime) -> Editor:
    """Whom a link lets choose a new password; raises `BrokenLink` and `ExpiredReset`."""
    reset_id, nonce = links().read(Purpose.PASSWORD_RESET, token)
    found = db.session.scalars(
        select(PasswordReset)
        .where(PasswordReset.id == reset_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:  # we signed the link, so there was a request, and it is forgotten
        raise ExpiredReset
    if found.nonce != nonce:
        raise BrokenLink("This link belongs to another request.")
    editor = db.session.get_one(Editor, found.editor_id)
    if found.used_at or editor.ended_at or found.asked_at <= now - VALID_FOR:
        raise ExpiredReset
    return editor


def reset_password(token: str, password: str, *, now: datetime) -> None:
    """Set a new password and end all sessions; the second factor stays.

    This link and every other that was asked for is worth nothing any more. Raises `BrokenLink`,
    `ExpiredReset` and `WeakPassword`.
    """
    editor = who_may_reset(token, now=now)
    change_password(editor, password)
    tell(editor, News.PASSWORD_CHANGED, now=now)
    audit.note(editor.address, "Chose a new password by a link in their mailbox.", now=now)


def forget_resets(*, now: datetime) -> None:
    """Delete what was asked for long ago, used or not."""
    execute(delete(PasswordReset).where(PasswordReset.asked_at <= now - VALID_FOR - KEPT))


def _may_ask_again(editor: Editor, now: datetime) -> bool:
    times, last = db.session.execute(
        select(func.count(), func.max(PasswordReset.asked_at)).where(
            PasswordReset.editor_id == editor.id, PasswordReset.asked_at > now - timedelta(days=1)
        )
    ).one()
    return times == 0 or now - last >= (times - 1) * APART
