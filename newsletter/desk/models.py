"""Who may work at the desk."""

from datetime import datetime
from enum import StrEnum

from flask_login import UserMixin
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.database import Base


class Role(StrEnum):
    """What an editor may do: an author writes and looks, the others send as well."""

    AUTHOR = "author"
    EDITOR = "editor"
    ADMIN = "admin"


class Editor(UserMixin, Base):  # type: ignore[misc]  # flask-login tells no types
    """Somebody who works at the desk; `password_hash` is argon2id.

    `session_key` is what a browser is known by; a new one ends all sessions.
    """

    __tablename__ = "editor"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    address_key: Mapped[str] = mapped_column(unique=True)
    role: Mapped[Role]
    password_hash: Mapped[str]
    session_key: Mapped[str]
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]

    @property
    def may_send(self) -> bool:
        """Whether they may send an issue, and tests of it."""
        return self.role is not Role.AUTHOR

    def get_id(self) -> str:
        """What their browser's session holds."""
        return self.session_key
