"""What is measured besides pushing: fan-out, the first message, editions, a worker's memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from time import monotonic

from newsletter.background import ISSUES, is_consumed
from newsletter.database import transaction
from newsletter.delivery.fanout import start_sending
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.progress import progress
from newsletter.delivery.start import send_now
from newsletter.issues.editions import issue_choice, render_edition
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Format
from newsletter.issues.sections import standing_sections
from tests.performance.databases import Databases, Kind, application
from tests.performance.processes import peak_mb
from tests.performance.pushing import WrongCounts
from tests.performance.sample import KB, make_issue, make_readers
from tests.performance.service import Service
from tests.performance.sink import Sink
from tests.running import wait_until

CONNECTIONS = 50
SIZE = 10 * KB
RENDERING_TIME = 5.0  # seconds
LONGEST = 1800.0  # seconds until a worker's issue is given up


@dataclass(frozen=True)
class Sent:
    """An issue sent by a real worker: from Send to the first message, and what it took in all."""

    readers: int
    first_after: float  # seconds
    seconds: float
    worker_peak: float  # MB

    @property
    def rate(self) -> float:
        """Messages a second, everything included."""
        return self.readers / self.seconds


def fan_out(kind: Kind, readers: int, databases: Databases) -> float:
    """Seconds of the transaction that starts the sending, to readers of every taste."""
    with databases.fresh(kind) as url, application(url, databases.folder):
        make_readers(readers, mixed=True)
        issue = make_issue()
        begun = monotonic()
        with transaction(snapshot=True):
            start_sending(issue.id, now=_now())
        seconds = monotonic() - begun
        if progress(issue.id).counts[DeliveryState.QUEUED] != readers:
            raise WrongCounts(f"fan-out on {kind}: {progress(issue.id).counts}")
    return seconds


def send_by_worker(kind: Kind, readers: int, databases: Databases) -> Sent:
    """Press Send with a real worker waiting, and wait until the issue is sent."""
    with (
        databases.fresh(kind) as url,
        Sink() as sink,
        Service(databases.folder, url, sink.url, CONNECTIONS) as service,
        application(url, databases.folder, **_without_database(service.settings)),
    ):
        make_readers(readers, mixed=False)
        issue = make_issue(SIZE)
        wait_until(lambda: is_consumed(ISSUES), "a worker")
        begun = monotonic()
        send_now(issue.id, now=_now())
        wait_until(lambda: _is_sent(issue.id), "the issue is sent", LONGEST)
        counts = sink.counts()
        if (counts.messages, counts.distinct) != (readers, readers):
            raise WrongCounts(f"a worker on {kind}: {counts}")
        return Sent(
            readers,
            first_after=counts.first_at - begun,
            seconds=counts.last_at - begun,
            worker_peak=peak_mb(service.pid),
        )


def editions(databases: Databases) -> float:
    """Editions rendered and encoded per second: two languages, every choice, both formats."""
    with databases.fresh(Kind.SQLITE) as url, application(url, databases.folder):
        issue = make_issue()
        with transaction():
            bits = [section.bit for section in standing_sections()]
            chosen = {sum(some) for some in product(*((0, bit) for bit in bits))} - {0}
            assert issue_choice(issue) in chosen
            made = list(product(issue.languages, sorted(chosen), Format))

            def render() -> int:
                for language, choice, format_ in made:
                    render_edition(issue, language, choice, format_)
                return len(made)

            return _per_second(render)


def _per_second(work: Callable[[], int]) -> float:
    work()
    done, begun = 0, monotonic()
    while monotonic() < begun + RENDERING_TIME:
        done += work()
    return done / (monotonic() - begun)


def _is_sent(issue_id: int) -> bool:
    time.sleep(0.2)  # looking costs, on two cores
    with transaction():
        return progress(issue_id).state is IssueState.SENT


def _without_database(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name != "database_url"}


def _now() -> datetime:
    return datetime.now(UTC)
