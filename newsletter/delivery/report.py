"""What became of an issue, counted from its deliveries: by language, sections, format and domain.

The counts of a whole issue are in its tallies. To tell readers apart every delivery has to be
looked at, so a task does that when an issue is done, when its tallies say otherwise (a doubt was
settled), and now and then after it; the desk shows what was counted last. Queries, and one short
write: nobody waits for the counting.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, Subquery, and_, delete, func, insert, or_, select

from newsletter.database import db, execute, is_sqlite
from newsletter.delivery.models import Delivery, DeliveryState, ReportLine, Tally
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Edition, Issue
from newsletter.subscribers.models import (
    Bounce,
    ConsentEvent,
    ConsentKind,
    Subscriber,
    SuppressionReason,
)

ENDS = (
    DeliveryState.SENT,
    DeliveryState.FAILED,
    DeliveryState.SKIPPED,
    DeliveryState.IN_DOUBT,
)
COUNTED = (*ENDS, "bounced", "complained", "unsubscribed")
TOP_DOMAINS = 20
FEWEST = 5  # readers: a domain with fewer would tell of persons
OTHERS = "*"  # domains beyond, also those of readers that were erased
STILL_MOVES = timedelta(days=14)  # after the sending: bounces and unsubscribes come in
AGAIN_AFTER = timedelta(days=1)
SOONER_AFTER = timedelta(hours=1)  # when bounces came
AT_ONCE = 5  # issues that one task counts
DONE = (IssueState.SENT, IssueState.CANCELLED)
LEFT = ConsentEvent.kind == ConsentKind.UNSUBSCRIBED
COMPLAINED = and_(
    ConsentEvent.kind == ConsentKind.SUPPRESSED,
    ConsentEvent.reason == SuppressionReason.COMPLAINT,
)


class Dimension(StrEnum):
    """What readers are told apart by; under `ALL` there is one line, its name empty."""

    ALL = "all"
    LANGUAGE = "language"
    SECTIONS = "sections"
    FORMAT = "format"
    DOMAIN = "domain"


Lines = dict[tuple[Dimension, str], Counter[str]]


def issues_to_count(*, now: datetime) -> list[int]:
    """Issues that are done and whose report is missing, or may have become another.

    Asked every minute, so of the bounces only the latest are looked at.
    """
    counted_at = ReportLine.counted_at
    last_bounce = _last_bounces(since=now - AGAIN_AFTER)
    tallied = _tallied()
    query = (
        select(Issue.id)
        .outerjoin(
            ReportLine,
            and_(ReportLine.issue_id == Issue.id, ReportLine.dimension == Dimension.ALL),
        )
        .outerjoin(last_bounce, last_bounce.c.issue_id == Issue.id)
        .outerjoin(tallied, tallied.c.issue_id == Issue.id)
        .where(
            Issue.sending_started_at.is_not(None),
            Issue.state.in_(DONE),
            or_(
                counted_at.is_(None),
                Issue.completed_at > counted_at,
                *(getattr(ReportLine, end) != tallied.c[end] for end in ENDS),
                and_(Issue.sending_started_at > now - STILL_MOVES, counted_at <= now - AGAIN_AFTER),
                and_(counted_at <= now - SOONER_AFTER, last_bounce.c.at > counted_at),
            ),
        )
        .order_by(Issue.sending_started_at.desc())
        .limit(AT_ONCE)
    )
    return list(db.session.scalars(query))


def count_lines(issue_id: int) -> Lines:
    """Count all deliveries of an issue: some seconds for a million, outside of any transaction.

    Sections are named by their choice, the domains beyond the largest ones by `OTHERS`.
    """
    lines: Lines = defaultdict(Counter)
    lines[Dimension.ALL, ""] = Counter()
    names = _names_of_editions(issue_id)
    by_domain: dict[str, Counter[str]] = defaultdict(Counter)
    for edition_id, state, number in db.session.execute(_by_edition(issue_id)):
        _add(lines, names[edition_id], state, number)
    for domain, state, number in db.session.execute(_by_domain(issue_id)):
        by_domain[domain][state] += number
    later = {
        "bounced": _bounced(issue_id),
        "complained": _by_event(issue_id, COMPLAINED),
        "unsubscribed": _by_event(issue_id, LEFT),
    }
    for what, query in later.items():
        for edition_id, domain, number in db.session.execute(query):
            _add(lines, names[edition_id], what, number)
            by_domain[domain][what] += number
    for domain, counts in _largest(by_domain):
        lines[Dimension.DOMAIN, domain].update(counts)
    return lines


def keep_lines(issue_id: int, lines: Lines, *, now: datetime) -> None:
    """Put these counts, begun at `now`, in the place of earlier ones, but of none begun later."""
    execute(select(Issue.id).where(Issue.id == issue_id).with_for_update())  # two take turns
    begun = select(func.max(ReportLine.counted_at)).where(ReportLine.issue_id == issue_id)
    begun_later = db.session.scalar(begun)
    if begun_later and begun_later > now:
        return
    execute(delete(ReportLine).where(ReportLine.issue_id == issue_id))
    rows = [
        {"issue_id": issue_id, "dimension": dimension.value, "name": name, "counted_at": now}
        | {what: counts[what] for what in COUNTED}
        for (dimension, name), counts in lines.items()
    ]
    execute(insert(ReportLine), rows)


def lines_of(issue_id: int) -> dict[Dimension, list[ReportLine]]:
    """What was counted last, the largest groups first and the other domains at the end."""
    found: dict[Dimension, list[ReportLine]] = defaultdict(list)
    query = select(ReportLine).where(ReportLine.issue_id == issue_id)
    for line in sorted(db.session.scalars(query), key=_place):
        found[Dimension(line.dimension)].append(line)
    return found


def readers_in(line: ReportLine) -> int:
    """How many readers came to an end, whichever."""
    return line.sent + line.failed + line.skipped + line.in_doubt


def _last_bounces(*, since: datetime) -> Subquery:
    """By issue when one of its mails bounced last, if it did since then."""
    return (
        select(Delivery.issue_id, func.max(Bounce.at).label("at"))
        .join(Bounce, Bounce.delivery_id == Delivery.id)
        .where(Bounce.at > since)
        .group_by(Delivery.issue_id)
        .subquery()
    )


def _tallied() -> Subquery:
    """By issue how many deliveries came to which end."""
    ends = (func.sum(getattr(Tally, end)).label(end) for end in ENDS)
    return select(Tally.issue_id, *ends).group_by(Tally.issue_id).subquery()


def _place(line: ReportLine) -> tuple[bool, int, str]:
    return line.name == OTHERS, -readers_in(line), line.name


def _names_of_editions(issue_id: int) -> dict[int, list[tuple[Dimension, str]]]:
    rows = db.session.execute(
        select(Edition.id, Edition.language, Edition.choice, Edition.format).where(
            Edition.issue_id == issue_id
        )
    )
    return {
        edition_id: [
            (Dimension.ALL, ""),
            (Dimension.LANGUAGE, language),
            (Dimension.SECTIONS, str(choice)),
            (Dimension.FORMAT, format_.value),
        ]
        for edition_id, language, choice, format_ in rows
    }


def _add(lines: Lines, names: list[tuple[Dimension, str]], what: str, number: int) -> None:
    for name in names:
        lines[name][what] += number


def _by_edition(issue_id: int) -> Select[int, DeliveryState, int]:
    return (
        select(Delivery.edition_id, Delivery.state, func.count())
        .where(Delivery.issue_id == issue_id)
        .group_by(Delivery.edition_id, Delivery.state)
    )


def _by_domain(issue_id: int) -> Select[str, DeliveryState, int]:
    domain = _domain()
    return (
        select(domain, Delivery.state, func.count())
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id)
        .group_by(domain, Delivery.state)
    )


def _bounced(issue_id: int) -> Select[int, str, int]:
    """Each delivery once, however many reports came."""
    domain = _domain()
    return (
        select(Delivery.edition_id, domain, func.count(Delivery.id.distinct()))
        .join(Bounce, Bounce.delivery_id == Delivery.id)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id)
        .group_by(Delivery.edition_id, domain)
    )


def _by_event(issue_id: int, what: ColumnElement[bool]) -> Select[int, str, int]:
    """Who left by a link in this issue, or called it spam."""
    domain = _domain()
    return (
        select(Delivery.edition_id, domain, func.count(Delivery.id.distinct()))
        .join(
            ConsentEvent,
            and_(
                ConsentEvent.issue_id == Delivery.issue_id,
                ConsentEvent.subscriber_id == Delivery.subscriber_id,
                what,
            ),
        )
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id)
        .group_by(Delivery.edition_id, domain)
    )


def _domain() -> ColumnElement[str]:
    """What stands behind the @; empty for somebody erased."""
    if is_sqlite():
        return func.substr(Subscriber.address, func.instr(Subscriber.address, "@") + 1)
    return func.split_part(Subscriber.address, "@", 2)


def _largest(by_domain: dict[str, Counter[str]]) -> Iterator[tuple[str, Counter[str]]]:
    """The domains with most readers, and all others in one."""
    readers = {
        domain: sum(by_domain[domain][state] for state in DeliveryState) for domain in by_domain
    }
    ranked = sorted(by_domain, key=lambda domain: (-readers[domain], domain))
    named = [domain for domain in ranked if domain and readers[domain] >= FEWEST][:TOP_DOMAINS]
    for domain in named:
        yield domain, by_domain[domain]
    others: Counter[str] = Counter()
    for domain in by_domain.keys() - set(named):
        others.update(by_domain[domain])
    if others:
        yield OTHERS, others
