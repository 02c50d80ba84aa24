"""Who may work at the desk."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Mapped, mapped_column

from newsletter.database import Base


class Role(StrEnum):
    """What an editor may do."""

    AUTHOR = "author"
    EDITOR = "editor"
    ADMIN = "admin"


class Editor(Base):
    """Somebody who works at the desk; `password_hash` is argon2id."""

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
