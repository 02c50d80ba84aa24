"""Who works at the desk: their roles, and letting somebody go."""

from datetime import datetime

from sqlalchemy import delete, or_, select

from newsletter import audit
from newsletter.database import db
from newsletter.desk.invitations import withdraw_all
from newsletter.desk.models import Assignment, Editor, RecoveryCode, Role
from newsletter.desk.sessions import end_sessions
from newsletter.errors import NewsletterError


class LastAdmin(NewsletterError):
    """Without an admin nobody could let anybody in any more."""

    page = "last_admin"
    status = 409

    def __init__(self) -> None:
        super().__init__("This is the last admin. Make somebody else an admin first.")


def change_role(editor_id: int, role: Role, *, who: str, now: datetime) -> Editor | None:
    """Let somebody do more, or less, from their next page on; raises `LastAdmin`."""
    editor = _hold(editor_id)
    if editor is None or editor.role is role:
        return editor
    _check_other_admins(editor)
    audit.note(who, f"Made {editor.address} {role.value}, before {editor.role.value}.", now=now)
    editor.role = role
    return editor


def let_go(editor_id: int, *, who: str, now: datetime) -> Editor | None:
    """Close the desk to somebody at once; what they wrote stays. Raises `LastAdmin`."""
    editor = _hold(editor_id)
    if editor is None:
        return None
    _check_other_admins(editor)
    editor.ended_at = now
    editor.totp_secret = editor.totp_step = None
    end_sessions(editor.id)
    withdraw_all(editor.address_key, now=now)
    for held in (RecoveryCode, Assignment):
        db.session.execute(delete(held).where(held.editor_id == editor.id))
    audit.note(who, f"Let {editor.address} go.", now=now)
    return editor


def _hold(editor_id: int) -> Editor | None:
    """Somebody who works at the desk, ours until the transaction ends.

    The admins are held with them, all in one order: of two who let each other go at once, the
    second sees that the first did.
    """
    query = (
        select(Editor)
        .where(or_(Editor.id == editor_id, Editor.role == Role.ADMIN), Editor.ended_at.is_(None))
        .order_by(Editor.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return next((one for one in db.session.scalars(query).all() if one.id == editor_id), None)


def _check_other_admins(editor: Editor) -> None:
    others = select(Editor.id).where(
        Editor.role == Role.ADMIN, Editor.ended_at.is_(None), Editor.id != editor.id
    )
    if editor.is_admin and not db.session.scalars(others).first():
        raise LastAdmin
