"""The standing sections of the publication."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from newsletter.database import db
from newsletter.issues.models import Issue, Section, SectionTitle
from newsletter.mail.contents import SectionLink
from newsletter.pages import absolute_url


@dataclass(frozen=True)
class StandardSection:
    """A section that a new publication begins with: per language a title and an invitation."""

    slug: str
    words: dict[str, tuple[str, str]]


STANDARD = (
    StandardSection(
        "isis-in-action",
        {
            "en": ("ISIS in Action", "to read about what ISIS did this week"),
            "ar": ("داعش على الأرض", "لقراءة ما قام به تنظيم داعش هذا الأسبوع"),
        },
    ),
    StandardSection(
        "western-response",
        {
            "en": ("Western Response", "to read about Western countries' responses"),
            "ar": ("الرد الغربي", "لقراءة ردود الدول الغربية"),
        },
    ),
    StandardSection(
        "anti-isis-coalition",
        {
            "en": ("Anti-ISIS Coalition", "to read about those who fight ISIS on the ground"),
            "ar": ("التحالف ضد داعش", "لقراءة أخبار من يقاتلون داعش على الأرض"),
        },
    ),
    StandardSection(
        "other-jihadi-actors",
        {
            "en": ("Other Jihadi Actors", "to read about other jihadi actors"),
            "ar": ("جهات جهادية أخرى", "لقراءة أخبار الجهات الجهادية الأخرى"),
        },
    ),
)


def standing_sections() -> list[Section]:
    """The sections of today, in their order."""
    query = select(Section).where(Section.retired_at.is_(None)).order_by(Section.position)
    return list(db.session.scalars(query.options(joinedload(Section.titles))).unique())


def section_names() -> dict[str, str]:
    """What an issue file may call the sections of today, each name leading to a slug."""
    return {
        name: section.slug
        for section in standing_sections()
        for name in (section.slug, *(title.title for title in section.titles))
    }


def sections_of(issue: Issue) -> list[Section]:
    """The sections that an issue says something in, in their order; also retired ones."""
    found = {article.section_id: article.section for article in issue.articles}
    return sorted(found.values(), key=lambda section: section.position)


def sections_to_write(issue: Issue) -> list[Section]:
    """Today's sections and those that the issue says something in, in their order."""
    found = {section.id: section for section in [*standing_sections(), *sections_of(issue)]}
    return sorted(found.values(), key=lambda section: section.position)


def title_in(issue: Issue, section: Section, language: str) -> str:
    """What a section was called when the issue was written, or is today if it was not written."""
    return next(
        (
            article.section_title
            for article in issue.articles
            if (article.section_id, article.language) == (section.id, language)
        ),
        section.title(language),
    )


def section_links(issue: Issue, language: str) -> list[SectionLink]:
    """The standing links: every section of an issue on the web, in one language."""
    return [
        SectionLink(
            title=title_in(issue, section, language),
            invitation=section.invitation(language),
            url=absolute_url("archive.section", language, number=issue.number, slug=section.slug),
        )
        for section in sections_of(issue)
    ]


def create_standard_sections() -> None:
    """Give a publication without any section the four it begins with."""
    if db.session.scalar(select(Section.id).limit(1)) is not None:
        return
    for position, standard in enumerate(STANDARD, start=1):
        titles = [
            SectionTitle(language=language, title=title, invitation=invitation)
            for language, (title, invitation) in standard.words.items()
        ]
        db.session.add(Section(slug=standard.slug, position=position, titles=titles))
    db.session.flush()
