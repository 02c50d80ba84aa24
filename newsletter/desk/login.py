"""Who may come in at the desk: editors, their passwords, and what a browser is known by.

A browser's cookie holds a random key, the database its hash: an ended session opens nothing, and
a stolen database opens none. A session is not bound to a network address: phones and people behind
Tor change theirs from page to page.
"""

import hashlib
import secrets
import unicodedata
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from flask import Flask
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database import db, is_sqlite
from newsletter.desk.models import Editor, EditorSession, Role
from newsletter.desk.throttle import LoginLimits
from newsletter.errors import NewsletterError
from newsletter.mail.addresses import BadAddress, parse_address

SHORTEST_PASSWORD = 12  # characters
SESSION_KEY_BYTES = 32
SESSION_LIFE = timedelta(hours=12)

hasher = PasswordHasher()  # argon2id, with the parameters of RFC 9106 section 4 for little memory
csrf = CSRFProtect()


class WeakPassword(NewsletterError):
    """A password that is guessed too easily."""

    page = "weak_password"

    def __init__(self) -> None:
        super().__init__(f"The password is too short: at least {SHORTEST_PASSWORD} characters.")


class EditorExists(NewsletterError):
    """Somebody works at the desk under this address already."""

    page = "editor_exists"
    status = 409

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} may work at the desk already.")


def init_login(app: Flask) -> None:
    """Install the guard against forged forms, and how long a session lasts."""
    app.config["PERMANENT_SESSION_LIFETIME"] = SESSION_LIFE
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    app.extensions["login_limits"] = LoginLimits()
    csrf.init_app(app)


def add_editor(address: str, role: Role, password: str, *, now: datetime) -> Editor:
    """Let somebody work at the desk.

    Raises `BadAddress`, `WeakPassword`, and `EditorExists` whose password stays as it is.
    """
    read = parse_address(address)
    insert = sqlite.insert if is_sqlite() else postgresql.insert
    added: Editor | None = db.session.scalar(
        insert(Editor)
        .values(
            address=read.text,
            address_key=read.key,
            name="",
            role=role,
            password_hash=_hash(password),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Editor.address_key])
        .returning(Editor)
    )
    if added is None:
        raise EditorExists(read.text)
    return added


def change_password(editor: Editor, password: str) -> None:
    """Set the password anew and end the editor's sessions; raises `WeakPassword`."""
    editor.password_hash = _hash(password)
    end_sessions(editor)


def open_session(editor: Editor, browser: str, *, now: datetime) -> str:
    """Log an editor in; gives the key for the cookie, which is kept nowhere else."""
    key = secrets.token_urlsafe(SESSION_KEY_BYTES)
    db.session.add(
        EditorSession(
            editor_id=editor.id,
            key_hash=_hash_of(key),
            browser=browser,
            started_at=now,
            seen_at=now,
            proved_at=now,
        )
    )
    editor.last_login_at = now
    db.session.flush()
    return key


def session_of(key: str, *, now: datetime) -> EditorSession | None:
    """The session that a cookie is the key to, unless it has been ended or has grown too old."""
    return db.session.scalar(
        select(EditorSession).where(
            EditorSession.key_hash == _hash_of(key), EditorSession.started_at > now - SESSION_LIFE
        )
    )


def end_sessions(editor: Editor) -> None:
    """Log an editor out wherever they are logged in."""
    db.session.execute(delete(EditorSession).where(EditorSession.editor_id == editor.id))


def check_password(address: str, password: str) -> Editor | None:
    """The editor with this address and password, or nobody; it takes as long either way."""
    editor = _editor_at(address)
    nobodys_hash = _nobodys_hash()
    try:
        hasher.verify(editor.password_hash if editor else nobodys_hash, _normal(password))
    except VerifyMismatchError:
        return None
    return editor


@cache
def _nobodys_hash() -> str:
    """Verified where there is no such editor; made when it is first wanted, for it takes long."""
    return hasher.hash(secrets.token_urlsafe())


def _editor_at(address: str) -> Editor | None:
    try:
        key = parse_address(address).key
    except BadAddress:
        return None
    return db.session.scalar(
        select(Editor).where(Editor.address_key == key, Editor.ended_at.is_(None))
    )


def _hash(password: str) -> str:
    password = _normal(password)
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPassword
    return hasher.hash(password)


def _normal(password: str) -> str:
    """The same password however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password)


def _hash_of(key: str) -> bytes:
    """What is kept of a key that is random enough to need no salt."""
    return hashlib.sha256(key.encode()).digest()
