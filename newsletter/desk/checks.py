"""Everything the desk knows to say about an issue before it is sent, and where to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel import gettext
from sqlalchemy import func, select

from newsletter.database import db
from newsletter.delivery.fanout import Audience
from newsletter.delivery.models import DeliveryState, Tally
from newsletter.desk import sender_domain
from newsletter.desk.door import pages
from newsletter.desk.models import Assignment, Editor
from newsletter.issues import link_checks, preflight
from newsletter.issues.findings import Finding, Part, Place
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.link_checks import WAITING
from newsletter.issues.models import Issue, Section
from newsletter.issues.preflight import Preflight
from newsletter.issues.sections import sections_to_write
from newsletter.locales import translatable
from newsletter.pages import language_name, page_language, settings

FAR_OFF = 0.3  # of the readers of the issue before
FEW = 10  # readers: fewer come and go


@dataclass(frozen=True)
class Shown:
    """A finding in the language of the page, with the page where it can be mended."""

    sentence: str
    remedy: str
    place: str
    url: str | None


@dataclass(frozen=True)
class ShownPreflight:
    """All that was found, for a page."""

    blocking: list[Shown]
    warnings: list[Shown]


@dataclass(frozen=True)
class Tried:
    """How far the trying of links has come."""

    links: int
    known: int
    waiting: int
    last_at: datetime | None


def check(issue: Issue, audience: Audience, *, now: datetime) -> Preflight:
    """The preflight, and what only the desk looks at: the sender's domain and the readers."""
    found, config = preflight.check(issue, now=now), settings()
    more = [
        *(() if config.is_trial else sender_domain.findings(config, now=now)),
        *_untried(issue, now=now),
        *_readers_far_off(issue, audience),
    ]
    return Preflight(found.blocking, (*found.warnings, *more))


def shown(found: Preflight, issue: Issue, editor: Editor) -> ShownPreflight:
    """What was found, for a page; each finding leads to where this editor may mend it."""
    titles = {one.slug: one.title(page_language()) for one in sections_to_write(issue)}
    open_to = _sections_of(editor, issue)
    blocking, warnings = (
        [_show(finding, issue, editor, titles, open_to) for finding in findings]
        for findings in (found.blocking, found.warnings)
    )
    return ShownPreflight(blocking, warnings)


def to_try(issue: Issue) -> list[str]:
    """What is tried for an issue: its links, and the sender's domain unless mail stays here."""
    config = settings()
    return link_checks.links_of(issue) + ([] if config.is_trial else sender_domain.records(config))


def tried(issue: Issue, *, now: datetime) -> Tried:
    """How far the trying of an issue's links has come."""
    urls = to_try(issue)
    rows = link_checks.verdicts(urls, now=now).values()
    known = [row.checked_at for row in rows if row.fault != WAITING]
    return Tried(
        links=len(urls),
        known=len(known),
        waiting=len(rows) - len(known),
        last_at=max(known, default=None),
    )


@pages.app_template_filter("said")
def said(finding: Finding) -> str:
    """The sentence of a finding, in the language of the page."""
    return finding.said(gettext, language_name)[0]


def _show(
    finding: Finding,
    issue: Issue,
    editor: Editor,
    titles: dict[str, str],
    open_to: set[str] | None,
) -> Shown:
    sentence, remedy = finding.said(gettext, language_name)
    if finding.place is None:
        return Shown(sentence, remedy, "", None)
    return Shown(sentence, remedy, *_where(finding.place, issue, editor, titles, open_to))


def _where(
    place: Place, issue: Issue, editor: Editor, titles: dict[str, str], open_to: set[str] | None
) -> tuple[str, str | None]:
    """What a place is called, and its page, if this editor may do something there."""
    name, url, is_draft = "", None, issue.state is IssueState.DRAFT
    match place.part:
        case Part.ARTICLE:
            name = f"{titles[place.slug]} · {language_name(place.language)}"
            if is_draft and (open_to is None or place.slug in open_to):
                url = url_for(
                    "desk.write", number=issue.number, slug=place.slug, language=place.language
                )
        case Part.SUBJECT:
            name = f"{gettext('Subject and preheader')} · {language_name(place.language)}"
            if is_draft and editor.may_send:
                url = url_for("desk.write_subject", number=issue.number, language=place.language)
        case Part.LINKS:
            name = gettext("Where the links lead")
            url = url_for("desk.checks", number=issue.number, _anchor="links")
        case Part.PLAN:
            name = gettext("Date and plan")
            if editor.may_send:
                url = url_for("desk.plan", number=issue.number)
    return name, url


def _sections_of(editor: Editor, issue: Issue) -> set[str] | None:
    """The sections that somebody may write, by their slugs; None for all."""
    if editor.may_send:
        return None
    return set(
        db.session.scalars(
            select(Section.slug)
            .join(Assignment, Assignment.section_id == Section.id)
            .where(Assignment.issue_id == issue.id, Assignment.editor_id == editor.id)
        )
    )


def _untried(issue: Issue, *, now: datetime) -> Iterator[Finding]:
    """Addresses of which nobody knows where they lead: silence about them would say too much."""
    links = link_checks.links_of(issue)
    known = link_checks.verdicts(links, now=now).values()
    if unknown := len(links) - sum(row.fault != WAITING for row in known):
        yield Finding(
            "untried",
            translatable(
                "Nobody has looked this week where it leads: %(unknown)s of %(links)s addresses."
                " A dead link among them would go unseen."
            ),
            translatable("Let our server try them: it takes seconds."),
            Place(Part.LINKS),
            {"unknown": unknown, "links": len(links)},
        )


def _readers_far_off(issue: Issue, audience: Audience) -> Iterator[Finding]:
    """Readers that are many more or many fewer than those of the issue before."""
    sent_before = Issue.number < issue.number, Issue.sending_started_at.is_not(None)
    columns = [func.sum(getattr(Tally, state)) for state in DeliveryState]
    found = db.session.execute(
        select(Issue.number, sum(columns[1:], columns[0]))
        .outerjoin(Tally, Tally.issue_id == Issue.id)
        .where(*sent_before)
        .group_by(Issue.number)
        .order_by(Issue.number.desc())
        .limit(1)
    ).first()
    if found is None:
        return
    last, before = found.number, int(found[1] or 0)  # PostgreSQL sums to a decimal
    if before >= FEW and abs(audience.total - before) > FAR_OFF * before:
        yield Finding(
            "audience",
            translatable("%(readers)s readers would get it; issue %(last)s went to %(before)s."),
            translatable(
                "See below who they are; a section that is missing, or an import, may be why."
            ),
            facts={"readers": audience.total, "last": last, "before": before},
        )
