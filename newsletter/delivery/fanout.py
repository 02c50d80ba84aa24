"""From an issue to its deliveries: who gets which edition, written down in one statement.

The transaction that starts the sending also writes one delivery per reader and cuts them into
batches, so an issue is either not begun or wholly accounted for. It must see one state of the
database throughout: open it with `transaction(snapshot=True)`, or call `start.send_now`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Subquery, and_, case, func, insert, literal, or_, select
from sqlalchemy.sql.selectable import FromClause

from newsletter.database import db, execute
from newsletter.delivery import steering
from newsletter.delivery.models import Batch, Delivery, DeliveryState, SenderSlot, Tally
from newsletter.errors import NewsletterError
from newsletter.issues import choice as choices
from newsletter.issues import preflight, search
from newsletter.issues.editions import issue_choice
from newsletter.issues.findings import Finding
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Edition, Format, Issue
from newsletter.locales import LANGUAGES
from newsletter.pages import settings
from newsletter.subscribers.models import Subscriber, SubscriberState, Subscription

BATCH_SIZE = 500


class Blocked(NewsletterError):
    """The issue cannot be sent as it is; `sentences` say why and what to do."""

    page = "blocked"
    status = 422

    def __init__(self, number: int, findings: Iterable[Finding]) -> None:
        self.sentences = tuple(str(finding) for finding in findings)
        super().__init__(f"Issue {number} can't be sent yet. " + " ".join(self.sentences))
        self.number = number


@dataclass(frozen=True)
class Group:
    """So many readers get the same edition."""

    language: str
    choice: int
    format: Format
    readers: int


@dataclass(frozen=True)
class Audience:
    """Who would get an issue if it were sent now."""

    groups: tuple[Group, ...]

    @property
    def total(self) -> int:
        """How many readers."""
        return sum(group.readers for group in self.groups)

    @property
    def by_language(self) -> Counter[str]:
        """How many read each language, whether the issue is written in it or not."""
        return self._by("language")

    @property
    def by_choice(self) -> Counter[int]:
        """How many get which of its sections."""
        return self._by("choice")

    @property
    def by_format(self) -> Counter[Format]:
        """How many get HTML, and how many plain text."""
        return self._by("format")

    def _by(self, name: str) -> Counter[Any]:
        readers: Counter[Any] = Counter()
        for group in self.groups:
            readers[getattr(group, name)] += group.readers
        return readers


def audience(issue: Issue, *, now: datetime) -> Audience:
    """Count the readers of an issue, edition by edition; who pauses is none."""
    taken = _takers(issue, now)
    edition = (taken.c.language, taken.c.choice, taken.c.format)
    rows = execute(select(*edition, func.count()).group_by(*edition).order_by(*edition))
    return Audience(tuple(Group(*row) for row in rows))


def start_sending(issue_id: int, *, now: datetime) -> Issue:
    """Begin to send an issue: from here on it is public, and every reader is accounted for.

    Raises `WrongStep` unless it is a draft or scheduled, and `Blocked` by its preflight. An issue
    that nobody takes is sent at once.
    """
    before = [IssueState.DRAFT, IssueState.SCHEDULED]
    issue = steering.step(issue_id, before, IssueState.SENDING, sending_started_at=now)
    if blocking := preflight.check(issue, now=now).blocking:
        raise Blocked(issue.number, blocking)

    readers = audience(issue, now=now)
    _make_batches(issue, readers)
    deliveries = _make_deliveries(issue, now)
    if deliveries != readers.total:
        raise RuntimeError("the readers changed during fan-out: it needs a snapshot")
    _make_tallies(issue, deliveries)
    search.index(issue.id)
    steering.complete(issue.id, now=now)
    return db.session.get_one(Issue, issue_id, populate_existing=True)


def _takers(issue: Issue, now: datetime) -> Subquery:
    """Everybody who gets the issue today, with the language, choice and format of their edition.

    The language is their own, whatever the issue is written in: their edition says so.
    """
    default = literal(settings().default_language)
    language = Subscription.language
    bits = literal(issue_choice(issue), Subscription.choice.type)
    choice = case(
        (Subscription.choice == choices.ALL, bits),
        else_=Subscription.choice.bitwise_and(bits),
    )
    return (
        select(
            Subscriber.id.label("subscriber_id"),
            case((language.in_(LANGUAGES), language), else_=default).label("language"),
            choice.label("choice"),
            Subscription.format.label("format"),
        )
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .where(
            Subscriber.state == SubscriberState.CONFIRMED,
            Subscriber.suppressed_at.is_(None),
            or_(Subscriber.paused_until.is_(None), Subscriber.paused_until <= now),
            choice > 0,
        )
        .subquery()
    )


def _make_batches(issue: Issue, readers: Audience) -> None:
    """An edition for each group, and its batches, counted from 0."""
    editions = [
        Edition(issue_id=issue.id, language=g.language, choice=g.choice, format=g.format)
        for g in readers.groups
    ]
    db.session.add_all(editions)
    db.session.flush()
    batches = [
        {"issue_id": issue.id, "edition_id": edition.id, "ordinal": ordinal}
        for edition, group in zip(editions, readers.groups, strict=True)
        for ordinal in range(-(-group.readers // BATCH_SIZE))
    ]
    if batches:
        db.session.connection().execute(insert(Batch), batches)


def _make_deliveries(issue: Issue, now: datetime) -> int:
    """One delivery per reader, consecutive ones in the same batch; says how many."""
    numbered = _numbered(_takers(issue, now), issue.id)
    rows = select(
        literal(issue.id, Delivery.issue_id.type),
        numbered.c.subscriber_id,
        numbered.c.edition_id,
        Batch.id,
        literal(DeliveryState.QUEUED, Delivery.state.type),
        literal(0, Delivery.attempts.type),
    ).join(
        Batch,
        and_(Batch.edition_id == numbered.c.edition_id, Batch.ordinal == numbered.c.ordinal),
    )
    columns = ["issue_id", "subscriber_id", "edition_id", "batch_id", "state", "attempts"]
    written = insert(Delivery).from_select(columns, rows)
    return execute(written.execution_options(preserve_rowcount=True)).rowcount


def _numbered(taken: FromClause, issue_id: int) -> Subquery:
    """Each taker's edition, and the ordinal of the batch within it."""
    number = func.row_number(type_=Integer)  # a division of integers may use the batches' index
    place = number.over(partition_by=Edition.id, order_by=taken.c.subscriber_id)
    return (
        select(
            taken.c.subscriber_id,
            Edition.id.label("edition_id"),
            ((place - 1) // BATCH_SIZE).label("ordinal"),
        )
        .join(
            Edition,
            and_(
                Edition.issue_id == issue_id,
                Edition.language == taken.c.language,
                Edition.choice == taken.c.choice,
                Edition.format == taken.c.format,
            ),
        )
        .subquery()
    )


def _make_tallies(issue: Issue, deliveries: int) -> None:
    """All counts at zero but one: everything is queued; and leave for so many senders."""
    slots = range(1, settings().senders_per_issue + 1)
    db.session.add(Tally(issue_id=issue.id, slot=steering.CLOCKS_SLOT, queued=deliveries))
    db.session.add_all(Tally(issue_id=issue.id, slot=slot) for slot in slots)
    db.session.add_all(SenderSlot(issue_id=issue.id, slot=slot) for slot in slots)
    db.session.flush()
