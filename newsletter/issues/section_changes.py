"""Change the standing sections: call them otherwise, put them in order, add one, retire one.

Every change holds all sections first, so that two admins at once end with an order that either
of them could have made. An article keeps the title under which it was written; where an issue has
none, and for standing links and the order, readers get what is true today. So nothing changes while
an issue with the section is on its way, and the approval of a draft with it is taken back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import exists, select

from newsletter import audit
from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues.changes import begin_change
from newsletter.issues.issue_file import section_key
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, Issue, Section, SectionTitle
from newsletter.locales import translatable
from newsletter.pages import settings

MOST_SECTIONS = 62  # ever: a choice of sections has a bit for each
LONGEST_SLUG = 60  # characters
LONGEST_WORDS = 120  # characters of a title or an invitation
SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)


class Flaw(StrEnum):
    """What is wrong with a section, in the words we say it in."""

    BAD_SLUG = translatable(
        "Small letters, digits and single hyphens, beginning with a letter: western-response."
    )
    TAKEN_SLUG = translatable("Another section has this slug, perhaps a retired one.")
    TAKEN_TITLE = translatable("Another section is called so, and a file could mean either.")
    NO_TITLE = translatable("A title is needed in this language.")
    NO_INVITATION = translatable("The words of the standing link are needed as well.")
    TOO_LONG = translatable("This is too long: at most 120 characters.")
    UNPRINTABLE = translatable("There is a character in it that cannot be shown.")
    NO_ROOM = translatable("There have been 62 sections, and there cannot be more.")


class UnfitSection(NewsletterError):
    """No section can be like this; `flaws` says why, by the field of the form."""

    page = "unfit_section"

    def __init__(self, flaws: Mapping[str, Flaw]) -> None:
        super().__init__(" ".join(flaws.values()))
        self.flaws = flaws


class LastSection(NewsletterError):
    """The only standing section can't be retired: an issue is made of sections."""

    page = "last_section"
    status = 409

    def __init__(self) -> None:
        super().__init__("This is the last section, and an issue needs one.")


class SectionInUse(NewsletterError):
    """An issue with this section is scheduled or on its way, and must not change there."""

    page = "section_in_use"
    status = 409

    def __init__(self, number: int) -> None:
        super().__init__(f"Issue {number} has this section and is scheduled or being sent.")
        self.number = number


@dataclass(frozen=True, slots=True)
class Called:
    """A section's title and the phrase of its standing link, in one language."""

    title: str = ""
    invitation: str = ""

    @classmethod
    def typed(cls, title: str, invitation: str) -> "Called":
        """What somebody typed, each on one line."""
        return cls(" ".join(title.split()), " ".join(invitation.split()))


Words = Mapping[str, Called]
"""What a section is called, by language; a language in which it is called nothing is left out."""


def add_section(slug: str, words: Words, *, who: str, now: datetime) -> Section:
    """Let a section stand from now on, after all others; raises `UnfitSection`."""
    sections = _hold_all()
    flaws = _flaws_of_slug(slug, sections) | _flaws_of_words(words, _others(sections, None))
    if flaws:
        raise UnfitSection(flaws)
    last = max((section.position for section in sections), default=0)
    section = Section(slug=slug, position=last + 1, titles=_titles(words))
    db.session.add(section)
    db.session.flush()
    audit.note(who, f"Added the section {slug}: {_in_short(words)}.", now=now)
    return section


def rename_section(slug: str, words: Words, *, seen: str, who: str, now: datetime) -> Words | None:
    """Call a section so from now on; raises `UnfitSection` and `SectionInUse`.

    `seen` is the `version_of` what it was called when the form was opened. If it is called
    otherwise by now, nothing is changed and that is given back.
    """
    sections = _hold_all()
    section = _called(slug, sections)
    flaws = _flaws_of_words(words, _others(sections, section))
    if flaws:
        raise UnfitSection(flaws)
    called = words_of(section)
    if words == called:
        return None
    if seen != version_of(called):
        return called
    _begin_change([section], now=now)
    standing = {title.language: title for title in section.titles}
    for title in _titles(words):
        if old := standing.pop(title.language, None):
            old.title, old.invitation = title.title, title.invitation
        else:
            section.titles.append(title)
    for left_out in standing.values():
        db.session.delete(left_out)
    db.session.flush()
    db.session.expire(section, ["titles"])
    audit.note(who, f"Called the section {slug} otherwise: {_in_short(words)}.", now=now)
    return None


def move_section(slug: str, *, up: bool, who: str, now: datetime) -> None:
    """Let a standing section change places with the one before it, or after it.

    Raises `SectionInUse`.
    """
    sections = _hold_all()
    section = _called(slug, sections)
    standing = [section for section in sections if section.retired_at is None]
    if section not in standing:
        return
    place = standing.index(section)
    other_place = place - 1 if up else place + 1
    if not 0 <= other_place < len(standing):
        return
    other = standing[other_place]
    _begin_change([section, other], now=now)
    section.position, other.position = other.position, section.position
    audit.note(who, f"Put the section {slug} {'before' if up else 'after'} {other.slug}.", now=now)


def retire_section(slug: str, *, who: str, now: datetime) -> None:
    """Let no new issue have this section; old ones keep it. Raises `LastSection`."""
    sections = _hold_all()
    section = _called(slug, sections)
    if section.retired_at is not None:
        return
    if sum(one.retired_at is None for one in sections) == 1:
        raise LastSection
    section.retired_at = now
    audit.note(who, f"Retired the section {slug}.", now=now)


def bring_back(slug: str, *, who: str, now: datetime) -> None:
    """Let a retired section stand again, in its old place.

    Raises `UnfitSection` if another is called so by now.
    """
    sections = _hold_all()
    section = _called(slug, sections)
    if section.retired_at is None:
        return
    if flaws := _flaws_of_words(words_of(section), _others(sections, section)):
        raise UnfitSection(flaws)
    section.retired_at = None
    audit.note(who, f"Brought the section {slug} back.", now=now)


def words_of(section: Section) -> dict[str, Called]:
    """What a section is called today, by language."""
    return {title.language: Called(title.title, title.invitation) for title in section.titles}


def version_of(words: Words) -> str:
    """The same for the same words alone; 64 hexadecimal digits."""
    return sha256(repr(sorted(words.items())).encode()).hexdigest()


def _hold_all() -> list[Section]:
    """All sections in their order, as they are once nobody else changes them.

    Writers, who hold an issue and refer to a section, need not wait, nor we for them.
    """
    hold = select(Section.id).order_by(Section.id).with_for_update(key_share=True)
    db.session.execute(hold)
    query = select(Section).order_by(Section.position).execution_options(populate_existing=True)
    return list(db.session.scalars(query))


def _begin_change(sections: list[Section], *, now: datetime) -> None:
    """Let drafts with one of these be others than anybody has seen; raise `SectionInUse`."""
    used = exists().where(
        Article.issue_id == Issue.id, Article.section_id.in_([section.id for section in sections])
    )
    on_their_way = Issue.state.in_((IssueState.SCHEDULED, IssueState.SENDING, IssueState.PAUSED))
    number = db.session.scalar(select(Issue.number).where(on_their_way, used).limit(1))
    if number is not None:
        raise SectionInUse(number)
    drafts = select(Issue.id).where(Issue.state == IssueState.DRAFT, used)
    for issue_id in db.session.scalars(drafts).all():
        begin_change(issue_id, now=now)


def _called(slug: str, sections: list[Section]) -> Section:
    return next(section for section in sections if section.slug == slug)


def _others(sections: list[Section], section: Section | None) -> set[str]:
    """What a file may call the other sections of today."""
    return {
        section_key(name)
        for other in sections
        if other is not section and other.retired_at is None
        for name in (other.slug, *(title.title for title in other.titles))
    }


def _flaws_of_slug(slug: str, sections: list[Section]) -> dict[str, Flaw]:
    if len(sections) >= MOST_SECTIONS:
        return {"slug": Flaw.NO_ROOM}
    if len(slug) > LONGEST_SLUG or not SLUG.fullmatch(slug):
        return {"slug": Flaw.BAD_SLUG}
    if any(section.slug == slug for section in sections):
        return {"slug": Flaw.TAKEN_SLUG}
    return {}


def _flaws_of_words(words: Words, taken: set[str]) -> dict[str, Flaw]:
    found = {}
    default = settings().default_language
    for language in {default: None, **dict.fromkeys(words)}:
        called = words.get(language, Called())
        if not called.title:
            found[f"title-{language}"] = Flaw.NO_TITLE
        elif section_key(called.title) in taken:
            found[f"title-{language}"] = Flaw.TAKEN_TITLE
        if not called.invitation:
            found[f"invitation-{language}"] = Flaw.NO_INVITATION
        for field, text in (("title", called.title), ("invitation", called.invitation)):
            if len(text) > LONGEST_WORDS:
                found[f"{field}-{language}"] = Flaw.TOO_LONG
            elif not text.isprintable():
                found[f"{field}-{language}"] = Flaw.UNPRINTABLE
    return found


def _titles(words: Words) -> list[SectionTitle]:
    return [
        SectionTitle(language=language, title=called.title, invitation=called.invitation)
        for language, called in sorted(words.items())
    ]


def _in_short(words: Words) -> str:
    return ", ".join(f"“{called.title}” ({language})" for language, called in words.items())
