"""Who may come in at the desk: editors and their passwords."""

import secrets
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from flask import Flask
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from werkzeug.utils import import_string

from newsletter.database import db, is_sqlite
from newsletter.desk.models import Editor, PasswordReset, Role
from newsletter.desk.sessions import SESSION_LIFE, end_sessions
from newsletter.desk.throttle import LoginLimits
from newsletter.errors import NewsletterError
from newsletter.locales import translatable
from newsletter.mail.addresses import BadAddress, parse_address

SHORTEST_PASSWORD = 12  # characters
WEIGHED = 72  # characters of it; each more takes longer, and no more is guessed
SAFE = 3  # of 4 by zxcvbn: more than a hundred million guesses

hasher = PasswordHasher()  # argon2id, with the parameters of RFC 9106 section 4 for little memory
csrf = CSRFProtect()


class Flaw(StrEnum):
    """What is wrong with a password, in the words we say it in."""

    SHORT = translatable("The password is too short: at least 12 characters.")
    GUESSED = translatable("The password must not hold your address.")
    COMMON = translatable(
        "The password is one of the first that a machine would try: take words that go together"
        " nowhere but in your head."
    )
    UNLIKE = translatable("The two passwords are not the same.")


class WeakPassword(NewsletterError):
    """A password that is guessed too easily; `flaw` says why."""

    page = "weak_password"

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


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


def add_editor(address: str, role: Role, password: str, *, name: str = "", now: datetime) -> Editor:
    """Let somebody work at the desk, or somebody who was let go work there again.

    Raises `BadAddress`, `WeakPassword`, and `EditorExists` whose password stays as it is.
    """
    read = parse_address(address)
    values = {
        "address": read.text,
        "name": name,
        "role": role,
        "password_hash": hash_password(password, read.text),
    }
    insert = sqlite.insert if is_sqlite() else postgresql.insert
    added: Editor | None = db.session.scalar(
        insert(Editor)
        .values(**values, address_key=read.key, created_at=now)
        .on_conflict_do_update(
            index_elements=[Editor.address_key],
            set_=values | {"ended_at": None, "totp_secret": None, "totp_step": None},
            where=Editor.ended_at.is_not(None),
        )
        .returning(Editor),
        execution_options={"populate_existing": True},
    )
    if added is None:
        raise EditorExists(read.text)
    return added


def change_password(editor: Editor, password: str) -> None:
    """Set the password anew; raises `WeakPassword`.

    The editor's sessions end, and links for another new one are worth nothing any more.
    """
    editor.password_hash = hash_password(password, editor.address)
    end_sessions(editor.id)
    db.session.execute(delete(PasswordReset).where(PasswordReset.editor_id == editor.id))


def check_password(address: str, password: str) -> Editor | None:
    """The editor with this address and password, or nobody; it takes as long either way."""
    editor = editor_at(address)
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


def editor_at(address: str) -> Editor | None:
    """Who works at the desk under an address, however it is written."""
    try:
        key = parse_address(address).key
    except BadAddress:
        return None
    return db.session.scalar(
        select(Editor).where(Editor.address_key == key, Editor.ended_at.is_(None))
    )


def account_of(address: str) -> str:
    """What tries at an address are counted under, however it is written."""
    try:
        return parse_address(address).key
    except BadAddress:
        return address.strip().casefold()


def hash_password(password: str, address: str) -> str:
    """What is kept of a password; raises `WeakPassword`."""
    password = _normal(password)
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPassword(Flaw.SHORT)
    if address.casefold() in password.casefold():
        raise WeakPassword(Flaw.GUESSED)
    known = [address, *address.split("@")]
    if _weigher()(password[:WEIGHED], user_inputs=known)["score"] < SAFE:
        raise WeakPassword(Flaw.COMMON)
    return hasher.hash(password)


@cache
def _weigher() -> Callable[..., Mapping[str, Any]]:
    """`zxcvbn`, read in when it is first wanted: its lists of words take ten megabytes.

    Every process holds the desk, and hardly any of them ever weighs a password.
    """
    return cast(Callable[..., Mapping[str, Any]], import_string("zxcvbn.zxcvbn"))


def _normal(password: str) -> str:
    """The same password however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password)
