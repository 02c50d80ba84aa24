"""Who may work at the desk, how they come in, and who writes which section."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.database import Base


class Role(StrEnum):
    """What somebody may do at the desk.

    An author writes the sections they were given, and sees no reader's address. An editor writes
    all, approves and sends. An admin also cares for people, sections, subscribers and settings.
    """

    AUTHOR = "author"
    EDITOR = "editor"
    ADMIN = "admin"


class Editor(Base):
    """Somebody who works at the desk; `password_hash` is argon2id.

    `totp_secret` (base32, RFC 6238) is there once they have shown a code made with it, and
    `totp_step` is the last time step that was used, since each code counts once. `language`
    (BCP 47) and `time_zone` are those of their desk, or None for the publication's. Who was let go
    has `ended_at`: the row stays, for what they wrote.
    """

    __tablename__ = "editor"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    address_key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[Role]
    password_hash: Mapped[str]
    totp_secret: Mapped[str | None]
    totp_step: Mapped[int | None]
    language: Mapped[str | None]
    time_zone: Mapped[str | None]
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def called(self) -> str:
        """Their name, or their address as long as they gave none."""
        return self.name or self.address

    @property
    def may_send(self) -> bool:
        """Whether they may approve and send an issue, and write all of it."""
        return self.role is not Role.AUTHOR

    @property
    def is_admin(self) -> bool:
        """Whether people, sections, subscribers and settings are theirs to change."""
        return self.role is Role.ADMIN


class EditorSession(Base):
    """One browser in which an editor is logged in, known by the hash of what its cookie holds.

    `proved_at` says when the second factor was shown; until then the session opens nothing but the
    page that asks for it. Ending a session deletes its row.
    """

    __tablename__ = "editor_session"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id"), index=True)
    key_hash: Mapped[bytes] = mapped_column(unique=True)
    browser: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    proved_at: Mapped[datetime | None]
    editor: Mapped[Editor] = relationship(lazy="joined", innerjoin=True)


class RecoveryCode(Base):
    """What lets an editor in once without their second factor; only its hash is kept."""

    __tablename__ = "recovery_code"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id"), index=True)
    code_hash: Mapped[bytes]
    used_at: Mapped[datetime | None]


class Invitation(Base):
    """A place at the desk that was offered by mail; `nonce` is what its link proves."""

    __tablename__ = "invitation"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    nonce: Mapped[int]
    address: Mapped[str]
    address_key: Mapped[str]
    name: Mapped[str]
    role: Mapped[Role]
    invited_by: Mapped[str]
    invited_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]


class PasswordReset(Base):
    """Leave for an editor to choose a new password; `nonce` is what the link in the mail proves."""

    __tablename__ = "password_reset"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    nonce: Mapped[int]
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id"), index=True)
    asked_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Assignment(Base):
    """Who writes a section of an issue; a section may have several, or nobody yet."""

    __tablename__ = "assignment"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    section_id: Mapped[int] = mapped_column(ForeignKey("section.id"), primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editor.id"), primary_key=True)
    editor: Mapped[Editor] = relationship(lazy="joined", innerjoin=True)
