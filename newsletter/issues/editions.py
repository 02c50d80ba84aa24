"""Render an issue once for all who read the same language, sections and format.

Everything that differs between readers of one edition is a hole in its finished bytes, so that
sending it to one reader more renders, parses and encodes nothing.
"""

from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache

from flask_babel import force_locale, gettext
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import undefer

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues import choice as choices
from newsletter.issues import images, markup
from newsletter.issues.models import Article, Edition, Format, Issue
from newsletter.issues.sections import section_links, sections_of, title_in
from newsletter.locales import Direction, direction
from newsletter.mail import contents
from newsletter.mail.message import (
    MARKS,
    BadLetter,
    Hole,
    Letter,
    Mailing,
    Template,
    compose,
)
from newsletter.mail.publication import publication, sender
from newsletter.mail.rendering import RenderedMail, RenderingError, render_mail
from newsletter.pages import absolute_url, settings

COLUMN = 572  # pixels: what emails/layouts/base.mjml leaves for the text
KEPT = 64  # articles; ten kilobytes each in practice


class NothingChosen(NewsletterError):
    """The issue says nothing in the sections chosen."""

    page = "nothing_chosen"
    status = 422


class UnfitForMail(NewsletterError):
    """Something in an issue's texts cannot travel in a mail."""

    page = "unfit_for_mail"
    status = 422


@dataclass(frozen=True)
class RenderedEdition:
    """One edition to look at and to send; `html` is None where plain text was chosen."""

    subject: str
    text: str
    html: str | None
    template: Template


def issue_choice(issue: Issue) -> int:
    """The choice of all sections that the issue says something in."""
    return choices.of(section.id for section in sections_of(issue))


def articles_in(issue: Issue, language: str) -> list[Article]:
    """One article a section, in their order, each in `language` if it was written in it.

    An article that was not falls back singly to the default language, or else to any there is.
    """
    preferred = (language, settings().default_language)
    found: dict[int, Article] = {}
    for article in sorted(issue.articles, key=lambda one: _rank(one.language, preferred)):
        found.setdefault(article.section_id, article)
    return sorted(found.values(), key=lambda article: article.section.position)


def issue_head(issue: Issue, language: str) -> contents.IssueHead:
    """An issue as mails announce it in a language, with its address on the web."""
    words = issue.subject(language, settings().default_language)
    return contents.IssueHead(
        number=issue.number,
        date=issue.date,
        subject=words.subject,
        preheader=words.preheader,
        url=absolute_url("archive.issue", language, number=issue.number),
        language=words.language,
        direction=direction(words.language),
    )


def render_edition(issue: Issue, language: str, choice: int, format: Format) -> RenderedEdition:  # noqa: A002 - the word of the field
    """Render and compose one edition; sections without an article are left out of the choice.

    `language` is that of its readers. What was not written in it they get in another, and the
    mail says so in theirs.
    Raises `NothingChosen` if nothing is left, `UnreadableMarkup` and `UnfitForMail` for texts
    that cannot be sent.
    """
    chosen = [a for a in articles_in(issue, language) if choices.takes(choice, a.section_id)]
    if not chosen:
        raise NothingChosen(f"Issue {issue.number} has no article in the sections chosen.")
    try:
        mail = render_mail("issue", language, **_context(issue, language, chosen))
        html = mail.html if format is Format.HTML else None
        return RenderedEdition(
            subject=mail.subject,
            text=mail.text,
            html=html,
            template=compose(_letter(issue, language, mail, html)),
        )
    except (RenderingError, BadLetter) as error:
        raise UnfitForMail(f"Issue {issue.number} cannot be mailed as it is: {error}") from error


def template_of(edition_id: int) -> Template:
    """The finished mail of an edition, made by whoever needs it first and the same ever after."""
    kept = db.session.scalar(select(Edition.template).where(Edition.id == edition_id))
    return Template.load(kept or _make_template(edition_id))


def _make_template(edition_id: int) -> bytes:
    """Render under a lock: who had to wait for it finds what the other one made."""
    edition = db.session.scalars(
        select(Edition)
        .where(Edition.id == edition_id)
        .options(undefer(Edition.template))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if edition.template is None:
        issue = db.session.get_one(Issue, edition.issue_id)
        rendered = render_edition(issue, edition.language, edition.choice, edition.format)
        edition.template = rendered.template.dump()
        db.session.flush()
    return edition.template


def _rank(language: str, preferred: tuple[str, ...]) -> int:
    return preferred.index(language) if language in preferred else len(preferred)


def _context(issue: Issue, language: str, chosen: list[Article]) -> dict[str, object]:
    """What the templates in `emails/issue` want to know."""
    links = dict(
        zip((s.slug for s in sections_of(issue)), section_links(issue, language), strict=True)
    )
    slugs = {article.section.slug for article in chosen}
    return {
        "publication": publication(language),
        "issue": issue_head(issue, language),
        "articles": [_article(issue, article, language) for article in chosen],
        "sections": list(links.values()),
        "other_sections": [link for slug, link in links.items() if slug not in slugs],
        "unsubscribe_url": _readers_url(Hole.UNSUBSCRIBE),
        "preferences_url": _readers_url(Hole.PREFERENCES),
    }


def _article(issue: Issue, article: Article, language: str) -> contents.Article:
    slug = article.section.slug
    way = direction(article.language)
    with force_locale(article.language):
        html, text = _body(article.body, slug, way, settings().public_url, gettext("Image"))
    return contents.Article(
        section_title=title_in(issue, article.section, language),
        section_slug=slug,
        headline=article.headline,
        html=html,
        text=text,
        url=absolute_url("archive.section", language, number=issue.number, slug=slug),
        language=article.language,
        direction=way,
    )


@lru_cache(maxsize=KEPT)
def _body(
    body: str, anchor: str, way: Direction, images_under: str, image: str
) -> tuple[Markup, str]:
    """An article as HTML and as text, made once: the images that it names never change."""
    named = images.images_in([body]).items()
    pictures = {address: images.in_mail(sizes, COLUMN) for address, sizes in named}
    html = markup.to_html(
        body, anchor=anchor, direction=way, images_under=images_under, images=pictures
    )
    return html, markup.to_text(body, image=image)


def _letter(issue: Issue, language: str, mail: RenderedMail, html: str | None) -> Letter:
    config = settings()
    return Letter(
        subject=mail.subject,
        sender=sender(),
        text=mail.text,
        html=html,
        public_url=config.public_url,
        mailing=Mailing(
            name=config.publication_name,
            list_id=config.list_id,
            unsubscribe=(_readers_url(Hole.UNSUBSCRIBE),),
            archive=absolute_url("archive.issues", language),
            owner=parseaddr(config.contact)[1],
            feedback_id=f"issue-{issue.number}:{language}:issue:{config.list_id}",
        ),
    )


def _readers_url(hole: Hole) -> str:
    """A link of the reader's own, with a mark where the token goes."""
    return f"{settings().public_url}/{hole}/{MARKS[hole]}"
