"""Bring subscribers in from a file, and take them out into one.

A line with a recorded consent is confirmed at once and nobody is mailed; one without is a signup
like any other and waits for its confirmation. Nobody who left or is suppressed is brought back.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice

from sqlalchemy import insert, select

from newsletter.database import db, end_read
from newsletter.errors import NewsletterError
from newsletter.issues.sections import standing_sections
from newsletter.mail.addresses import Address, parse_address
from newsletter.pages import settings
from newsletter.subscribers.import_file import COLUMNS, ImportLine, Problem, guard
from newsletter.subscribers.lookup import hold_addresses, insert_unless_there
from newsletter.subscribers.models import (
    ConsentEvent,
    ConsentKind,
    Subscriber,
    SubscriberState,
    Subscription,
)
from newsletter.subscribers.signup import request_signup
from newsletter.subscribers.suppression import suppressed_among
from newsletter.subscribers.wishes import Wish, read_wish, slugs_of

CHUNK = 500  # lines, or subscribers, at a time: a transaction stays short
WORDING = "(imported from a list without a recorded consent)"
SUPPRESSED = "suppressed"  # written by the export in place of a state
MAY_COME = {"", SubscriberState.PENDING, SubscriberState.CONFIRMED}


class BadLine(NewsletterError):
    """One line of an import cannot be taken; the rest can."""

    page = "bad_import_file"


@dataclass
class ImportReport:
    """What became of the lines."""

    imported: int = 0
    invited: int = 0
    known: int = 0
    refused: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """One line, understood."""

    line: int
    address: Address
    wish: Wish
    consented_at: datetime | None
    source: str


class Import:
    """One file on its way in; `report` tells how far it has come.

    The caller opens a transaction around each `take`, so that what was good is kept.
    """

    def __init__(self, file_name: str, *, now: datetime) -> None:
        self.report = ImportReport()
        self._source = f"import:{file_name}"
        self._now = now
        self._sections = standing_sections()
        self._lines: dict[str, int] = {}

    def take(self, lines: Sequence[ImportLine | Problem]) -> None:
        """Take some lines; what cannot be taken is listed in the report."""
        entries = self._may_come([entry for line in lines for entry in self._understand(line)])
        created = self._create([entry for entry in entries if entry.consented_at])
        rest = [entry for entry in entries if entry.address.key not in created]
        held = hold_addresses([entry.address.key for entry in rest])
        for entry in rest:
            self._admit(entry, held.get(entry.address.key))

    def _understand(self, line: ImportLine | Problem) -> Iterator[Entry]:
        """One entry, or none and a problem in the report."""
        if isinstance(line, Problem):
            self.report.refused.append(line)
            return
        try:
            yield self._read(line)
        except NewsletterError as error:
            self._refuse(line.line, str(error))

    def _read(self, line: ImportLine) -> Entry:
        address = parse_address(line.address)
        first = self._lines.setdefault(address.key, line.line)
        if first != line.line:
            raise BadLine(f"This address stands in line {first} already.")
        if line.state not in MAY_COME:
            raise BadLine(f"The file itself says that this address is {line.state!a}.")
        return Entry(
            line=line.line,
            address=address,
            wish=read_wish(
                line.sections.split(), line.language or settings().default_language, self._sections
            ),
            consented_at=(None if line.state == SubscriberState.PENDING else self._read_time(line)),
            source=line.source or self._source,
        )

    def _read_time(self, line: ImportLine) -> datetime | None:
        if not line.consented_at:
            return None
        try:
            at = datetime.fromisoformat(line.consented_at)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # in UTC, the first and the last day may not exist
            raise BadLine(
                "The time of consent must look like 2025-05-14 or 2025-05-14T09:30:00+02:00."
            ) from None
        if at > self._now:
            raise BadLine("The time of consent lies in the future.")
        return at

    def _may_come(self, entries: list[Entry]) -> list[Entry]:
        suppressed = suppressed_among([entry.address.key for entry in entries])
        for entry in entries:
            if entry.address.key in suppressed:
                self._refuse(entry.line, "This address is suppressed: no issue may go to it.")
        return [entry for entry in entries if entry.address.key not in suppressed]

    def _create(self, entries: list[Entry]) -> dict[str, int]:
        """Write subscribers who are new and have consented; whoever is known already stays.

        Returns the ids of the new ones by their keys.
        """
        if not entries:
            return {}
        rows = [
            {
                "address": entry.address.smtp,
                "address_key": entry.address.key,
                "state": SubscriberState.CONFIRMED,
                "created_at": self._now,
                "confirmed_at": entry.consented_at,
            }
            for entry in sorted(entries, key=lambda entry: entry.address.key)
        ]  # in one order, so that two imports at once never wait for each other
        statement = insert_unless_there(Subscriber).returning(Subscriber.address_key, Subscriber.id)
        created: dict[str, int] = dict(iter(db.session.execute(statement, rows)))
        _record(entries, created)
        self.report.imported += len(created)
        return created

    def _admit(self, entry: Entry, subscriber: Subscriber | None) -> None:
        if subscriber is not None and subscriber.state is SubscriberState.CONFIRMED:
            self.report.known += 1
        elif subscriber is not None and subscriber.state is SubscriberState.UNSUBSCRIBED:
            self._refuse(entry.line, "This address has left; only its owner can bring it back.")
        elif subscriber is not None and entry.consented_at is not None:
            subscriber.state = SubscriberState.CONFIRMED
            subscriber.confirmed_at = entry.consented_at
            _record([entry], {entry.address.key: subscriber.id})
            self.report.imported += 1
        else:
            request_signup(
                entry.address, entry.wish, source=self._source, wording=WORDING, now=self._now
            )
            self.report.invited += 1

    def _refuse(self, line: int, sentence: str) -> None:
        self.report.refused.append(Problem(line, sentence))


def in_chunks(
    lines: Iterable[ImportLine | Problem],
) -> Iterator[list[ImportLine | Problem]]:
    """As many lines at a time as go into one transaction."""
    rest = iter(lines)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def export_subscribers() -> Iterator[str]:
    """All subscribers as lines of CSV without line ends, the names of the columns first.

    The columns are those of an import; cells that a spreadsheet would run are guarded. Whoever
    takes the lines may take their time.
    """
    yield _csv_line(COLUMNS)
    slugs_by_choice = lru_cache(slugs_of)
    after = 0
    while page := _page_of_subscribers(after):
        consents = _consents([subscriber.id for subscriber in page])
        lines = []
        for subscriber in page:
            chosen = subscriber.subscription
            slugs = slugs_by_choice(chosen.choice) if chosen else []
            lines.append(_csv_line(_cells(subscriber, consents.get(subscriber.id), slugs)))
        after = page[-1].id
        end_read()
        db.session.expunge_all()  # a list of any length passes through the same memory
        yield from lines


def _record(entries: list[Entry], ids: dict[str, int]) -> None:
    """Write what they chose and what they agreed to, for those who have an id."""
    known = [(ids[entry.address.key], entry) for entry in entries if entry.address.key in ids]
    if not known:
        return
    db.session.execute(
        insert(Subscription),
        [
            {"subscriber_id": id_, "choice": entry.wish.choice, "language": entry.wish.language}
            for id_, entry in known
        ],
    )
    db.session.execute(
        insert(ConsentEvent),
        [
            {
                "subscriber_id": id_,
                "kind": ConsentKind.IMPORTED,
                "at": entry.consented_at,
                "source": entry.source,
                "language": entry.wish.language,
                "choice": entry.wish.choice,
            }
            for id_, entry in known
        ],
    )


def _page_of_subscribers(after: int) -> Sequence[Subscriber]:
    query = select(Subscriber).where(
        Subscriber.id > after, Subscriber.state != SubscriberState.ERASED
    )
    return db.session.scalars(query.order_by(Subscriber.id).limit(CHUNK)).all()


def _consents(subscriber_ids: list[int]) -> dict[int, ConsentEvent]:
    """The last consent of each."""
    query = select(ConsentEvent).where(
        ConsentEvent.subscriber_id.in_(subscriber_ids),
        ConsentEvent.kind.in_([ConsentKind.CONFIRMED, ConsentKind.IMPORTED]),
    )
    return {e.subscriber_id: e for e in db.session.scalars(query.order_by(ConsentEvent.id))}


def _cells(
    subscriber: Subscriber, consent: ConsentEvent | None, slugs: list[str]
) -> tuple[str, ...]:
    chosen = subscriber.subscription
    return (
        subscriber.address,
        chosen.language if chosen else "",
        " ".join(slugs),
        consent.at.isoformat() if consent else "",
        consent.source if consent else "",
        SUPPRESSED if subscriber.suppressed_at else subscriber.state,
    )


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([guard(cell) for cell in cells])
    return line.getvalue()
