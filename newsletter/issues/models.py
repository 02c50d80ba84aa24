"""Sections, issues, articles, editions."""

import secrets
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.database import Base
from newsletter.issues import choice
from newsletter.issues.lifecycle import IssueState

MESSAGE_KEY_BYTES = 32


class Format(StrEnum):
    """HTML with a plain-text part beside it, or plain text alone."""

    HTML = "html"
    TEXT = "text"


class Section(Base):
    """A standing part of the publication; its slug never changes, its titles may."""

    __tablename__ = "section"
    __table_args__ = (
        CheckConstraint("id BETWEEN 1 AND 62", name="fits_a_choice"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int]
    retired_at: Mapped[datetime | None]
    titles: Mapped[list["SectionTitle"]] = relationship(
        lazy="selectin", order_by="SectionTitle.language"
    )

    @property
    def bit(self) -> int:
        """What stands for this section in a choice."""
        return choice.bit(self.id)

    def title(self, language: str) -> str:
        """Its title in a language, or the first one it has."""
        return self._in(language).title

    def invitation(self, language: str) -> str:
        """The phrase of the standing links: "to read about Western countries' responses"."""
        return self._in(language).invitation

    def _in(self, language: str) -> "SectionTitle":
        return next((t for t in self.titles if t.language == language), self.titles[0])


class SectionTitle(Base):
    """How a section is called in one language, today."""

    __tablename__ = "section_title"

    section_id: Mapped[int] = mapped_column(ForeignKey("section.id"), primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    invitation: Mapped[str]


class Issue(Base):
    """One weekly number.

    `paused_because` is there when sending stopped by itself; `told_at` says when the editors were
    told of that, or of a scheduled time that had passed. `approved_at` is there while an editor's
    approval holds: every change of what readers would get takes it back.
    """

    __tablename__ = "issue"
    __table_args__ = (
        CheckConstraint("number > 0", name="number_is_positive"),
        CheckConstraint(
            "state IN ('draft', 'scheduled', 'cancelled') OR sending_started_at IS NOT NULL",
            name="sending_has_begun",
        ),
        CheckConstraint("state <> 'sent' OR completed_at IS NOT NULL", name="is_complete"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    date: Mapped[date]
    state: Mapped[IssueState] = mapped_column(default=IssueState.DRAFT)
    created_at: Mapped[datetime]
    revised_at: Mapped[datetime]
    deadline_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    scheduled_at: Mapped[datetime | None]
    sending_started_at: Mapped[datetime | None]
    paused_because: Mapped[str | None]
    told_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    message_key: Mapped[bytes] = mapped_column(
        default=lambda: secrets.token_bytes(MESSAGE_KEY_BYTES)
    )
    subjects: Mapped[list["Subject"]] = relationship(
        primaryjoin="and_(Subject.issue_id == Issue.id,"
        " or_(Subject.subject != '', Subject.preheader != ''))",
        order_by="Subject.language",
    )
    articles: Mapped[list["Article"]] = relationship(order_by="Article.id")

    @property
    def is_public(self) -> bool:
        """From the moment sending starts, through pause and cancel, for ever."""
        return self.sending_started_at is not None

    @property
    def languages(self) -> list[str]:
        """The languages it has a subject in: those it has editions in."""
        return [subject.language for subject in self.subjects]

    @property
    def written_languages(self) -> set[str]:
        """The languages it says anything in, be it a subject or an article."""
        return {*self.languages, *(article.language for article in self.articles)}

    def subject(self, language: str, default_language: str) -> "Subject":
        """Subject and preheader in a language, or in the default one, or in any there is.

        As long as nobody wrote one it is blank.
        """
        by_language = {subject.language: subject for subject in self.subjects}
        for wanted in (language, default_language, *by_language):
            if wanted in by_language:
                return by_language[wanted]
        return Subject(language=default_language, subject="", preheader="", version=0)


class Subject(Base):
    """An issue's subject and preheader in one language; `version` rises with every change.

    One that was blanked stays, so that its version never goes back, but is none of its issue's.
    """

    __tablename__ = "subject"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    preheader: Mapped[str]
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class Article(Base):
    """What an issue says in one section in one language, under the section's title of that day.

    `version` is that of the `ArticleRevision` that holds the same words, 0 for one that came in
    before there were any; a text that was kept aside has a higher one and does not stand.
    While `approved_at` is there an editor has read and approved it as it stands; a change takes it
    back. An article without any words has no row.
    """

    __tablename__ = "article"
    __table_args__ = (
        UniqueConstraint("issue_id", "section_id", "language"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"))
    section_id: Mapped[int] = mapped_column(ForeignKey("section.id"), index=True)
    language: Mapped[str]
    section_title: Mapped[str]
    headline: Mapped[str]
    body: Mapped[str]
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    revised_at: Mapped[datetime | None]
    revised_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    section: Mapped[Section] = relationship(lazy="joined")


class ArticleRevision(Base):
    """What an article once said; it stays when the article is emptied or imported anew.

    `version` counts saves within issue, section and language, and never goes back. What one person
    writes without a longer break is one revision, whose row is written over.
    """

    __tablename__ = "article_revision"
    __table_args__ = (
        UniqueConstraint("issue_id", "section_id", "language", "version"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"))
    section_id: Mapped[int] = mapped_column(ForeignKey("section.id"), index=True)
    language: Mapped[str]
    version: Mapped[int]
    headline: Mapped[str]
    body: Mapped[str]
    begun_at: Mapped[datetime]
    written_at: Mapped[datetime]
    written_by: Mapped[str]


class Image(Base):
    """A picture that an editor put into an issue, known on the web by its unguessable `key`.

    It keeps nothing of the file that came but its pixels, in one or two sizes.
    """

    __tablename__ = "image"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), index=True)
    uploaded_at: Mapped[datetime]
    uploaded_by: Mapped[str]
    sizes: Mapped[list["ImageSize"]] = relationship(order_by="ImageSize.width")


class ImageSize(Base):
    """An image encoded by us, `width` by `height` pixels."""

    __tablename__ = "image_size"

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    width: Mapped[int] = mapped_column(primary_key=True)
    height: Mapped[int]
    media_type: Mapped[str]
    octets: Mapped[int]
    data: Mapped[bytes] = mapped_column(deferred=True)


class LinkCheck(Base):
    """Where an address in an article led when it was last tried; an empty `fault` is none."""

    __tablename__ = "link_check"

    url: Mapped[str] = mapped_column(primary_key=True)
    checked_at: Mapped[datetime]
    fault: Mapped[str]


class Edition(Base):
    """An issue as rendered for one language, one choice of its sections and one format.

    `choice` names the sections that stand in it, never `choice.ALL`. `template` is the whole
    message, encoded, with holes for what differs between readers (`mail.message.Template`);
    it is made by the first worker that needs it and never changes.
    """

    __tablename__ = "edition"
    __table_args__ = (
        UniqueConstraint("issue_id", "language", "choice", "format"),
        CheckConstraint("choice > 0", name="choice_is_explicit"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"))
    language: Mapped[str]
    choice: Mapped[int]
    format: Mapped[Format]
    template: Mapped[bytes | None] = mapped_column(deferred=True)
