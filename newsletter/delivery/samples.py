"""How far an issue had come from time to time: for the rate and the chart.

The clock takes a sample every few seconds. An issue keeps a few hundred of them, spread over all
its time, however long it takes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select

from newsletter.database import db, execute
from newsletter.delivery.models import ProgressSample, Tally
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue

WINDOW = timedelta(minutes=1)  # what the rate is about
INTERVAL = timedelta(seconds=5)  # between two samples, as the clock takes them
EARLIEST = timedelta(seconds=2)  # after it began: before that a rate would be a guess
MOST = 400  # samples of an issue
SPREAD = 200  # what is left when there are more, and what a chart shows


class Sample(NamedTuple):
    """How many deliveries were settled at one moment."""

    at: datetime
    settled: int


def take_samples(*, now: datetime) -> None:
    """Note how far each issue has come that is being sent, if that has changed."""
    settled = func.sum(Tally.sent + Tally.failed + Tally.skipped + Tally.in_doubt)
    being_sent = (
        select(Issue.id, settled)
        .join(Tally, Tally.issue_id == Issue.id)
        .where(Issue.state == IssueState.SENDING)
        .group_by(Issue.id)
    )
    for issue_id, count in execute(being_sent).all():
        known = _all(issue_id)
        if known and (known[-1].settled == count or known[-1].at >= now):
            continue
        execute(insert(ProgressSample).values(issue_id=issue_id, at=now, settled=count))
        if len(known) >= MOST:
            _thin(issue_id, [sample for sample in known if sample.at < now - 2 * WINDOW])


def samples(issue_id: int) -> list[Sample]:
    """How far an issue had come from time to time, in at most 200 steps."""
    return thinned(_all(issue_id), SPREAD)


def rate(issue_id: int, settled: int, *, started_at: datetime, now: datetime) -> float | None:
    """How many messages a second were settled in about the last minute.

    None when it is too early to say. Between two samples that lie apart nothing had moved. When
    some were queued again meanwhile, fewer are settled than before: it counts from there.
    """
    edge = now - WINDOW
    of_issue = ProgressSample.issue_id == issue_id
    last_before = select(func.max(ProgressSample.at)).where(of_issue, ProgressSample.at <= edge)
    fewest = db.session.execute(
        select(ProgressSample.at, ProgressSample.settled)
        .where(of_issue, ProgressSample.at >= last_before.scalar_subquery())
        .order_by(ProgressSample.settled, ProgressSample.at)
        .limit(1)
    ).first()
    at, count = fewest or (started_at, 0)
    since = max(at, edge - INTERVAL)
    if settled < count or now - since < EARLIEST:
        return None
    return (settled - count) / (now - since).total_seconds()


def thinned(of: Sequence[Sample], most: int) -> list[Sample]:
    """The last sample of each of so many equal stretches of time."""
    if len(of) <= most:
        return list(of)
    first, stretch = of[0].at, (of[-1].at - of[0].at) / most
    kept = {min(int((sample.at - first) / stretch), most - 1): sample for sample in of}
    return list(kept.values())


def _all(issue_id: int) -> list[Sample]:
    query = select(ProgressSample.at, ProgressSample.settled)
    rows = db.session.execute(
        query.where(ProgressSample.issue_id == issue_id).order_by(ProgressSample.at)
    )
    return [Sample(*row) for row in rows]


def _thin(issue_id: int, of: Sequence[Sample]) -> None:
    dropped = {sample.at for sample in of} - {sample.at for sample in thinned(of, SPREAD)}
    execute(
        delete(ProgressSample).where(
            ProgressSample.issue_id == issue_id, ProgressSample.at.in_(dropped)
        )
    )
