"""Send an issue: offer, mark, clear, record, whatever the relay and the database do meanwhile.

A delivery's envelope is offered to the relay; when the relay waits for the body, the delivery is
marked; when the mark is durable, the body may leave. So a process that dies leaves at most one
delivery per connection in doubt: marked, without an answer. Whatever happened since the last
transaction is one group and goes into the next one, short and never open while the relay thinks; a
thread renews the leases. When something breaks in here, the leases are left to run out, and the
clock sorts out what they held.
"""

import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic

from newsletter import audit
from newsletter.background import is_stopping
from newsletter.database import db, transaction
from newsletter.delivery import ledger, slots, steering
from newsletter.delivery.answers import AnswerCounts
from newsletter.delivery.books import Books
from newsletter.delivery.fleet import Fleet, Line
from newsletter.delivery.group import Group
from newsletter.delivery.hand import Hand, Item
from newsletter.delivery.heartbeat import heartbeat
from newsletter.delivery.ledger import Lease, Verdict
from newsletter.delivery.maker import Maker
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.pace import NEAR
from newsletter.delivery.patience import LOST, patiently
from newsletter.delivery.slots import Slot
from newsletter.delivery.splice import Splicer
from newsletter.delivery.verdicts import judge
from newsletter.issues.editions import template_of
from newsletter.issues.lifecycle import WrongStep
from newsletter.issues.models import Issue
from newsletter.mail.smtp import Answered, Turn
from newsletter.pages import links, settings

SENDING_TIME = timedelta(seconds=30)  # of a task; the next one goes on
OVERTIME = timedelta(minutes=10)  # for the others, while an answer is late: it is waited for anyway
LONGEST_WAIT = 1.0  # s between two looks at whether to go on
LINGER, MOMENT = 0.020, 0.001  # s to wait for half of what is under way, and for the rest
MOST = 0.5
SHORT_WAIT = 0.02  # s, where there are several relays to listen to
CHOICE = timedelta(seconds=1)  # for which a relay that was chosen is the best there is
UPKEEP = 5.0  # s between two times of writing down what helps to look at

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


def send_issue(issue_id: int, fleet: Fleet, *, clock: Clock) -> bool:
    """Take a free slot of the issue and send until half a minute is over or nothing is left.

    Says whether it ended for want of time alone, so that another task should go on at once.

    Without a free slot there are senders enough. A worker that is stopped finishes what is on the
    wire and gives the rest back. When all relays rest, what waits stays as it was, and the clock
    calls again.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    with transaction():
        slot = slots.take_slot(issue_id, holder, clock())
    if slot is None:
        return False
    sender = Sender(slot, fleet, clock)
    with heartbeat(sender.beat):
        sender.send(until=clock() + SENDING_TIME)
    with transaction():
        slots.leave_slot(slot)
        steering.complete(issue_id, now=clock())
    return sender.had_no_time


class Sender:
    """One process with a slot, sending batch after batch."""

    def __init__(self, slot: Slot, fleet: Fleet, clock: Clock) -> None:
        issue = db.session.get_one(Issue, slot.issue_id)
        self._period = timedelta(hours=settings().give_up_after_hours)
        self._misgivings = fleet.misgivings_about(issue.number)
        self._slot = slot
        self._fleet = fleet
        self._clock = clock
        self._books = Books(slot, clock)
        self._maker = Maker(Splicer(issue.id, issue.message_key, settings(), links()))
        self._counts = AnswerCounts()
        self._hand = Hand()
        self._offered: dict[int, tuple[Line, Item]] = {}
        self._cleared: dict[int, tuple[Line, Item]] = {}
        self._lines: list[Line] = []  # the last is the one in use
        self._used: set[Line] = set()
        self._group = Group()
        self._objection: str | None = None  # why the issue must pause
        self.had_no_time = False
        self._is_over = False
        self._is_dry = False  # no batch was left to claim
        self._closed_until = 0.0
        self._choose_again_at = clock()
        self._kept_up_at = monotonic()

    def beat(self) -> None:
        """Renew the slot, and the leases that are held."""
        now = self._clock()
        slots.renew_slot(self._slot, now)
        ledger.renew(self._hand.leases, now)

    def send(self, *, until: datetime) -> None:
        """Send until there is nothing left or the time is over; then wait for the last answers."""
        try:
            with self._books:
                while self._goes_on(until):
                    self._listen(self._offer())
                    self._keep_up()
                self._end()
        except BaseException:
            for line in self._used:
                line.abandon()  # nobody is left who would hear the answers
            self._fleet.pace.abandon()
            raise

    def _goes_on(self, until: datetime) -> bool:
        if not self._is_over and (is_stopping() or self._is_time_over(until)):
            self.had_no_time = True
            self._take_no_more()
        if is_stopping():
            self._stop()
        if self._offered or self._cleared:
            return True
        return not (self._is_over or (self._is_dry and self._hand.is_empty))

    def _is_time_over(self, until: datetime) -> bool:
        now = self._clock()
        if now < until:
            return False
        return now >= until + OVERTIME or not any(line.relay.is_late for line in self._lines)

    # What leaves

    def _offer(self) -> float:
        """Give the relay as much as it has room for; says when there may be more to give."""
        if self._is_over:
            return LONGEST_WAIT
        now = monotonic()
        next_at = self._hand.ripen(now)
        if now < self._closed_until:
            return min(LONGEST_WAIT, self._closed_until - now)
        line = self._usable_line()
        if line is None:
            return LONGEST_WAIT
        while line.is_usable and len(self._hand) < line.relay.room() and self._claim():
            line = self._lines[-1]
        for item in self._admitted(line, self._hand.take(line.relay.room())):
            self._offer_one(line, item)
        if not self._offered and not self._cleared and self._hand.is_empty:
            return 0.0  # there is nothing left to wait for
        return min(LONGEST_WAIT, next_at - now) if next_at else LONGEST_WAIT

    def _usable_line(self) -> Line | None:
        """The relay in use, or the next one; when all of them rest, it is over for now."""
        if not self._lines or not self._lines[-1].is_usable:
            self._choose()
        return None if self._is_over else self._lines[-1]

    def _choose(self) -> None:
        """Ask which relay is the best by now; not for every batch, there are many in a second."""
        now = self._clock()
        self._choose_again_at = now + CHOICE
        self._use(patiently(lambda: self._fleet.choose(self._slot.holder, now)))

    def _use(self, line: Line | None) -> None:
        if line and (not self._lines or self._lines[-1] is not line):
            self._used.add(line)
            line.renew(self._slot.holder)
            if self._lines:
                self._recall(self._lines[-1])
            self._lines = [one for one in self._lines if one.under_way and one is not line]
            self._lines.append(line)
        if line is None or not line.is_usable:
            self._stop()

    def _claim(self) -> bool:
        """Lease one batch more, for the best relay there is by now."""
        if self._clock() >= self._choose_again_at:
            self._choose()
        if self._is_dry or self._is_over:
            return False
        claimed = self._books.claim()
        if claimed is None:
            self._is_dry = True
            return False
        lease, deliveries = claimed
        self._hand.add(lease, deliveries)
        if lease.edition_id not in self._maker.templates:
            edition_id = lease.edition_id
            self._maker.templates[edition_id] = patiently(lambda: template_of(edition_id))
        return True

    def _admitted(self, line: Line, items: Sequence[Item]) -> Iterable[Item]:
        """Those that the pace lets go now; of the others some wait in hand, some in the ledger."""
        delays, closed_for = self._fleet.pace.admit(line.name, [item.domain for item in items])
        if closed_for:
            self._closed_until = monotonic() + closed_for
        self._hand.put_back(items[len(delays) :])
        for item, delay in zip(items, delays, strict=False):
            if not delay:
                yield item
            elif delay <= NEAR:
                self._hand.keep(item, monotonic() + delay)
            else:
                due_at = self._clock() + timedelta(seconds=delay)
                self._group.postpone(item.lease, item.delivery.id, due_at)
                self._hand.done(item.lease)

    def _offer_one(self, line: Line, item: Item) -> None:
        try:
            message = self._maker.make(item)
        except ValueError as error:
            verdict = Verdict(item.delivery.id, DeliveryState.FAILED, str(error))
            self._group.settle(item.lease, verdict, was_marked=False)
            self._hand.done(item.lease)
            self._fleet.pace.done([item.domain])
            return
        line.relay.offer(message)
        line.under_way += 1
        self._offered[message.key] = line, item

    def _make_ahead(self) -> None:
        """Use a wait: of what was offered, each leaves room for another when it may leave."""
        self._maker.make_ahead(self._hand.peek(len(self._offered)))

    # What comes back

    def _listen(self, timeout: float) -> None:
        """Hear what happened on every relay in use, and write it down."""
        busy = [line for line in self._lines if line.under_way or line is self._lines[-1]]
        for line in busy:
            self._hear_out(line, timeout if len(busy) == 1 else SHORT_WAIT)
            line.mind_silence()
        self._write_down()

    def _hear_out(self, line: Line, timeout: float) -> None:
        """Once something happened, wait a little for more: a transaction costs more than that.

        Connections that are heard together are answered together, so they keep step; those that
        are much slower than most are not waited for.
        """
        to_come = line.under_way
        heard = self._take(line, line.relay.wait(min(MOMENT, timeout)))
        if not heard:
            self._make_ahead()
            heard = self._take(line, line.relay.wait(timeout))
        until = monotonic() + LINGER
        while 0 < heard < to_come and (now := monotonic()) < until:
            if heard >= MOST * to_come:
                until = min(until, now + MOMENT)
            heard += self._take(line, line.relay.wait(until - now))

    def _take(self, line: Line, turn: Turn) -> int:
        """Sort out what happened; says how much."""
        for key in turn.ready:
            self._group.ready[self._offered[key][1].lease].append(key)
        now = self._clock()
        domains = [self._take_answer(line, answered, now) for answered in turn.answers]
        self._fleet.pace.done(domains)
        return len(turn.ready) + len(turn.answers)

    def _take_answer(self, line: Line, answered: Answered, now: datetime) -> str:
        """Note what an answer means for its delivery, the relay and the issue; give the domain."""
        answer, was_cleared = answered.answer, answered.was_cleared
        item = (self._cleared if was_cleared else self._offered).pop(answered.key)[1]
        line.under_way -= 1
        self._counts.add(line.name, item.domain, answer, now)
        line.hear(answer)
        self._objection = self._objection or self._misgivings.take(answer, item.domain)
        verdict = judge(
            item.delivery, answer, was_cleared=was_cleared, period=self._period, now=now
        )
        if not was_cleared:
            self._group.lose(item.lease, answered.key)
        if verdict is None:
            self._hand.put_back([item])
        else:
            self._group.settle(item.lease, verdict, was_marked=was_cleared)
            self._hand.done(item.lease)
        return item.domain

    def _write_down(self) -> None:
        """Record the group in one transaction; then what it marked may leave."""
        self._group.finished = self._hand.finished
        if not (self._group or self._objection or any(line.has_news for line in self._lines)):
            return
        group, self._group = self._group, Group()
        ready = dict(group.ready)
        may_mark = self._objection is None
        self._tell()
        cleared = self._books.write(group, may_mark=may_mark, meanwhile=self._make_ahead)
        self._hand.forget(group.finished)
        self._let_leave(ready, cleared.ids)
        if not cleared.goes_on:
            self._stop()
        for line in self._lines:
            if not line.is_usable:
                self._recall(line)

    def _tell(self) -> None:
        """Write down what others must know: why the issue has to pause, which relay may be used."""
        if self._objection or any(line.has_news for line in self._lines):
            patiently(self._write_news)
            self._objection = None  # it is written down; an editor may resume from now on
            for line in self._lines:
                line.told()

    def _write_news(self) -> None:
        now = self._clock()
        for line in self._lines:
            line.tell(now)
        if self._objection:
            self._pause(self._objection, now)

    def _let_leave(self, ready: Mapping[Lease, Sequence[int]], marked: frozenset[int]) -> None:
        """Clear what is marked; of the rest that was ready nothing may leave any more."""
        for lease, keys in ready.items():
            for key in keys:
                line, item = self._offered.pop(key)
                if key in marked:
                    line.relay.clear([key])
                    self._cleared[key] = line, item
                else:
                    self._withdraw(line, item)
                    self._hand.done(lease)

    def _recall(self, line: Line) -> None:
        """Take everything back into the hand that was offered and may not leave yet."""
        items = [item for other, item in self._offered.values() if other is line]
        for item in items:
            del self._offered[item.delivery.id]
            self._withdraw(line, item)
        self._hand.put_back(items)

    def _withdraw(self, line: Line, item: Item) -> None:
        line.relay.withdraw([item.delivery.id])
        line.under_way -= 1
        self._fleet.pace.done([item.domain])

    def _pause(self, objection: str, now: datetime) -> None:
        try:
            steering.pause(self._slot.issue_id, who=audit.POLICY, now=now, because=objection)
        except WrongStep:
            return  # an editor, or another sender, was faster

    # When it ends

    def _take_no_more(self) -> None:
        """Offer nothing more; what the relay was offered may still go, however slow it is."""
        self._is_over = True
        self._hand.drop()

    def _stop(self) -> None:
        """Let nothing more leave; what may have left already is still waited for."""
        for line in self._lines:
            self._recall(line)
        self._take_no_more()

    def _end(self) -> None:
        """Give back what is held."""
        self._hand.drop()
        self._write_down()
        self._books.give_back(self._hand.leases)
        patiently(self._leave_probes)
        for line in self._used:
            line.leave(self._slot.holder)
        self._flush()

    def _leave_probes(self) -> None:
        for line in self._used:
            line.leave_probe(self._slot.holder)

    def _keep_up(self) -> None:
        if monotonic() >= self._kept_up_at + UPKEEP:
            self._kept_up_at = monotonic()
            for line in self._lines:
                line.renew(self._slot.holder)
            self._flush()

    def _flush(self) -> None:
        """Write down what relays said; only for looking at, so it may fail."""
        try:
            self._counts.flush(self._slot.issue_id)
        except LOST as error:
            log.warning("the counts of answers wait: %s", error.__class__.__name__)
