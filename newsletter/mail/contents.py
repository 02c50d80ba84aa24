"""What the mails say: the values that the templates in `emails/` take.

Every text here is data and is escaped where it meets markup. The one exception is
`Article.html`, which must already be safe.
"""

from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from newsletter.locales import Direction


@dataclass(frozen=True)
class Publication:
    """Who is writing: named at the head of a mail, answerable at its foot."""

    name: str
    tagline: str  # may be empty
    postal_address: str
    contact: str  # an address, without a name
    home_url: str
    subscribe_url: str


@dataclass(frozen=True)
class IssueHead:
    """An issue as it is announced: its number, its day, what it is about and where it stands.

    Subject and preheader are in `language`, which may not be that of the mail.
    """

    number: int
    date: date
    subject: str
    preheader: str  # may be empty
    url: str  # the full report on the web
    language: str
    direction: Direction


@dataclass(frozen=True)
class SectionLink:
    """A section of an issue on the web, with the phrase that invites to it."""

    title: str
    invitation: str  # goes on from the title: "to read about Western countries' responses"
    url: str


@dataclass(frozen=True)
class Article:
    """One section's text, in the language it was written in, which may not be the edition's."""

    section_title: str
    section_slug: str
    headline: str
    html: Markup  # sanitised, images from our own site only, no `<h1>` or `<h2>`, ids unique
    text: str
    url: str  # the section's page in this issue
    language: str
    direction: Direction
