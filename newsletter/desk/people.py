"""Who works at the desk: their roles, and letting somebody go."""

from datetime import datetime

from sqlalchemy import delete, select

from newsletter import audit
from newsletter.database import db
from newsletter.desk.models import Assignment, Editor, RecoveryCode, Role
from newsletter.desk.sessions import end_sessions
from newsletter.errors import NewsletterError


class LastAdmin(NewsletterError):
    """Without an admin nobody could let anybody in any more."""

    page = "last_admin"
    status = 409

    def __init__(self) -> None:
        super().__init__("This is the last admin. Make somebody else an admin first.")


def people() -> list[Editor]:
    """Everybody who works at the desk, by name."""
    query = select(Editor).where(Editor.ended_at.is_(None))
    return sorted(db.session.scalars(query), key=lambda editor: editor.called.casefold())


def change_role(editor_id: int, role: Role, *, who: str, now: datetime) -> Editor | None:
    """Let somebody do more, or less, from their next page on; raises `LastAdmin`."""
    editor = _hold(editor_id)
    if editor is None or editor.role is role:
        return editor
    if editor.is_admin:
        _check_other_admins(editor)
    audit.note(who, f"Made {editor.address} {role.value}, before {editor.role.value}.", now=now)
    editor.role = role
    return editor


def let_go(editor_id: int, *, who: str, now: datetime) -> Editor | None:
    """Close the desk to somebody at once; what they wrote stays. Raises `LastAdmin`."""
    editor = _hold(editor_id)
    if editor is None:
        return None
    if editor.is_admin:
        _check_other_admins(editor)
    editor.ended_at = now
    editor.totp_secret = editor.totp_step = None
    end_sessions(editor.id)
    for held in (RecoveryCode, Assignment):
        db.session.execute(delete(held).where(held.editor_id == editor.id))
    audit.note(who, f"Let {editor.address} go.", now=now)
    return editor


def _hold(editor_id: int) -> Editor | None:
    """Somebody who works at the desk, ours until the transaction ends."""
    query = select(Editor).where(Editor.id == editor_id, Editor.ended_at.is_(None))
    return db.session.scalars(
        query.with_for_update().execution_options(populate_existing=True)
    ).one_or_none()


def _check_other_admins(editor: Editor) -> None:
    """Admins are held in one order, so that of two who leave at once the second is refused."""
    admins = select(Editor.id).where(Editor.role == Role.ADMIN, Editor.ended_at.is_(None))
    held = db.session.scalars(admins.order_by(Editor.id).with_for_update()).all()
    if set(held) <= {editor.id}:
        raise LastAdmin
