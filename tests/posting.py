"""What the tests of sending share: a clock to turn, a relay, and the sums that must hold."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Thread

from sqlalchemy import func, select

from newsletter.database import db, transaction
from newsletter.delivery import ledger, sending, slots, sweep
from newsletter.delivery.fleet import Fleet
from newsletter.delivery.ledger import Lease
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.delivery.pace import pace_of
from newsletter.delivery.progress import progress
from newsletter.delivery.slots import Slot
from newsletter.delivery.start import send_now
from newsletter.issues.models import Issue
from newsletter.mail.smtp import Limits, Relay, RelayAddress
from newsletter.pages import settings
from newsletter.subscribers.models import Subscriber
from tests.factories import NOON, make_issue, make_subscriber, make_subscribers


class TestClock:
    """A clock that stands still until it is turned."""

    __test__ = False

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


SHORT = Limits(connect=5, before_dot=5, after_dot=5)


def relay_to(url: str, *, connections: int = 4, limits: Limits = SHORT) -> Relay:
    """A relay that does not wait long."""
    return Relay(
        RelayAddress.parse(url), helo="tests.example", connections=connections, limits=limits
    )


@contextmanager
def fleet_to(*urls: str, connections: int = 4, limits: Limits = SHORT) -> Iterator[Fleet]:
    """Relays in order of preference, that do not wait long and have no limits of pace."""
    relays = [relay_to(url, connections=connections, limits=limits) for url in urls]
    fleet = Fleet(relays, pace_of(settings()))
    yield fleet
    fleet.close()


def start_issue(*addresses: str, readers: int = 0) -> Issue:
    """An issue that is being sent to these, and to so many more."""
    with transaction():
        issue = make_issue()
        for address in addresses:
            make_subscriber(address)
        make_subscribers(readers)
    return send_now(issue.id, now=NOON)


def send(issue: Issue, url: str, clock: TestClock, *, connections: int = 4) -> None:
    """What one task does."""
    with fleet_to(url, connections=connections) as fleet:
        send_by(fleet, issue, clock)


def send_by(fleet: Fleet, issue: Issue, clock: TestClock) -> None:
    """What one task does in a process that has these relays."""
    sending.send_issue(issue.id, fleet, clock=clock)


def take_slot(issue: Issue, holder: str, clock: TestClock) -> Slot:
    """A free slot of the issue."""
    slot = slots.take_slot(issue.id, holder, clock())
    assert slot, "no free slot"
    return slot


def take_batch(issue: Issue, clock: TestClock, holder: str = "a worker") -> Lease:
    """The first free batch of the issue, in the hands of a new sender."""
    lease = ledger.claim(take_slot(issue, holder, clock), clock())
    assert lease, "no free batch"
    return lease


def tick(clock: TestClock) -> None:
    """What the clock does, but for calling workers."""
    for step in (sweep.expire_leases, sweep.cut_retries, sweep.close_issues):
        with transaction():
            step(now=clock())


def states(issue: Issue) -> Counter[str]:
    """How many deliveries are in which state; the tallies must say the same."""
    query = select(Delivery.state, func.count()).where(Delivery.issue_id == issue.id)
    with transaction(snapshot=True):
        rows = dict(db.session.execute(query.group_by(Delivery.state)).all())
        counted = progress(issue.id)
    assert counted.counts == {state: rows.get(state, 0) for state in DeliveryState}
    return Counter({state.value: count for state, count in rows.items()})


def delivery_to(address: str) -> Delivery:
    """The only delivery to an address, as it stands now."""
    query = select(Delivery).join(Subscriber, Subscriber.id == Delivery.subscriber_id)
    return db.session.scalars(
        query.where(Subscriber.address == address).execution_options(populate_existing=True)
    ).one()


def run_together(*jobs: Callable[[], None]) -> None:
    """Run jobs in threads of their own; a failure in one is a failure."""
    failures: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    threads = [Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
