"""Sessions at the desk: a browser each, to be listed and ended.

A browser's cookie holds a random key, the database its hash: an ended session opens nothing, and
a stolen database opens none. A session is not bound to a network address: phones and people behind
Tor change theirs from page to page.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from newsletter.database import db, execute
from newsletter.desk.models import Editor, EditorSession

KEY_BYTES = 32
SESSION_LIFE = timedelta(hours=12)
TIME_TO_PROVE = timedelta(minutes=15)  # after the password
SEEN_EVERY = timedelta(minutes=1)
BROWSERS = ("Edg/Edge", "OPR/Opera", "Firefox", "Chrome", "Safari")  # the first that fits
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X/macOS", "Linux")


def open_session(editor: Editor, user_agent: str, *, is_proved: bool, now: datetime) -> str:
    """Log an editor in; gives the key for the cookie, which is kept nowhere else."""
    key = secrets.token_urlsafe(KEY_BYTES)
    db.session.add(
        EditorSession(
            editor_id=editor.id,
            key_hash=_hash_of(key),
            browser=browser_in_words(user_agent),
            started_at=now,
            seen_at=now,
            proved_at=now if is_proved else None,
        )
    )
    editor.last_login_at = now
    db.session.flush()
    return key


def session_of(key: str, *, now: datetime) -> EditorSession | None:
    """The session that a cookie is the key to, unless it was ended or has grown too old.

    One that waits for the second factor grows old sooner.
    """
    return db.session.scalar(
        select(EditorSession)
        .join(Editor, Editor.id == EditorSession.editor_id)
        .where(
            EditorSession.key_hash == _hash_of(key),
            Editor.ended_at.is_(None),
            _is_open(now),
        )
    )


def note_seen(session_id: int, *, now: datetime) -> None:
    """Keep when a session was last used, if it was not ended meanwhile."""
    seen = update(EditorSession).where(EditorSession.id == session_id)
    db.session.execute(seen.values(seen_at=now))


def sessions_of(editor: Editor, *, now: datetime) -> list[EditorSession]:
    """Where somebody is logged in, the latest first."""
    query = select(EditorSession).where(EditorSession.editor_id == editor.id, _is_open(now))
    return list(db.session.scalars(query.order_by(EditorSession.id.desc())))


def end_session(editor_id: int, session_id: int) -> None:
    """Log an editor out in one browser."""
    db.session.execute(
        delete(EditorSession).where(
            EditorSession.id == session_id, EditorSession.editor_id == editor_id
        )
    )


def end_sessions(editor_id: int, *, but: int | None = None) -> None:
    """Log an editor out wherever they are logged in, but for one session."""
    ended = delete(EditorSession).where(EditorSession.editor_id == editor_id)
    db.session.execute(ended if but is None else ended.where(EditorSession.id != but))


def forget_sessions(*, now: datetime) -> None:
    """Delete those that grew too old: they open nothing, and nobody is shown them."""
    execute(delete(EditorSession).where(~_is_open(now)))


def browser_in_words(user_agent: str) -> str:
    """A browser as its owner would know it again; nothing that tells more of them."""
    found = [
        next((name for mark, name in map(_mark, known) if mark in user_agent), "")
        for known in (BROWSERS, SYSTEMS)
    ]
    return ", ".join(filter(None, found))


def _is_open(now: datetime) -> ColumnElement[bool]:
    """Whether a session has not grown too old yet."""
    return and_(
        EditorSession.started_at > now - SESSION_LIFE,
        or_(
            EditorSession.proved_at.is_not(None),
            EditorSession.started_at > now - TIME_TO_PROVE,
        ),
    )


def _mark(known: str) -> tuple[str, str]:
    mark, _, name = known.partition("/")
    return mark, name or mark


def _hash_of(key: str) -> bytes:
    """What is kept of a key that is random enough to need no salt."""
    return hashlib.sha256(key.encode()).digest()
