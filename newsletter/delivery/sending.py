"""Send an issue: mark, hand over, record, a group at a time.

The mark is durable before the final dot leaves, so a process that dies leaves at most one
delivery per connection in doubt: marked, without an answer. No transaction is open while the
relay thinks; a thread renews the lease meanwhile. When something breaks in here, the lease is
left to run out, and the clock sorts out what it held.
"""

import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from newsletter.background import is_stopping
from newsletter.database import db, transaction
from newsletter.delivery import ledger, retry, slots, steering
from newsletter.delivery.heartbeat import heartbeat
from newsletter.delivery.ledger import Cleared, Lease, Verdict, Waiting
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.slots import Slot
from newsletter.delivery.splice import Splicer
from newsletter.issues.editions import template_of
from newsletter.issues.models import Issue
from newsletter.mail.message import Template
from newsletter.mail.smtp import Answer, Message, Outcome, Relay
from newsletter.pages import links, settings

SENDING_TIME = timedelta(seconds=30)  # of a task; the next one goes on
REST = timedelta(seconds=30)  # of a slot, after the relay refused us

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


def send_issue(issue_id: int, relay: Relay, *, clock: Clock) -> None:
    """Take a free slot of the issue and send until half a minute is over or nothing is left.

    Without a free slot there are senders enough. A worker that is stopped finishes what is on the
    wire and gives the rest back. A relay that refuses us ends it: the slot rests, what waits stays
    as it was, and the clock calls again.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    with transaction():
        slot = slots.take_slot(issue_id, holder, clock())
    if slot is None:
        return
    sender = Sender(slot, relay, clock)
    with heartbeat(sender.beat):
        sender.send(until=clock() + SENDING_TIME)
    with transaction():
        now = clock()
        slots.leave_slot(slot)
        steering.complete(issue_id, now=now)
    if sender.refusal:
        log.error("issue %d waits: the relay refuses us: %s", sender.number, sender.refusal)


class Sender:
    """One process with a slot, sending batch after batch."""

    def __init__(self, slot: Slot, relay: Relay, clock: Clock) -> None:
        issue = db.session.get_one(Issue, slot.issue_id)
        self.number = issue.number
        self.refusal: str | None = None  # what the relay said, if it refuses us
        self._splicer = Splicer(issue.id, issue.message_key, settings(), links())
        self._slot = slot
        self._relay = relay
        self._clock = clock
        self._lease: Lease | None = None
        self._templates: dict[int, Template] = {}

    def beat(self) -> None:
        """Renew the slot, and the lease if there is one."""
        slots.renew_slot(self._slot, self._clock())
        ledger.renew([self._lease] if self._lease else [], self._clock())

    def send(self, *, until: datetime) -> None:
        """Lease batches and drain them; no new group is begun after `until`."""
        goes_on = True
        while goes_on and not self._is_over(until) and (lease := self._claim()):
            goes_on = self._drain(lease, until)
            self._lease = None

    def _is_over(self, until: datetime) -> bool:
        return is_stopping() or self._clock() >= until

    def _claim(self) -> Lease | None:
        with transaction():
            lease = self._lease = ledger.claim(self._slot, self._clock())
        if lease and lease.edition_id not in self._templates:
            with transaction():
                self._templates[lease.edition_id] = template_of(lease.edition_id)
        return lease

    def _drain(self, lease: Lease, until: datetime) -> bool:
        """Send a leased batch, every dot preceded by its mark; says whether to claim another."""
        with transaction():
            deliveries = ledger.waiting(lease)
        goes_on = True
        verdicts: list[Verdict] = []
        for group in _groups(deliveries, self._relay.connections):
            with transaction():
                now = self._clock()
                with ledger.entry(self._slot, now) as entry:
                    entry.record(lease, verdicts, were_marked=True)
                    cleared = entry.mark(lease, [delivery.id for delivery in group])
            verdicts = self._hand_over(lease, group, cleared)
            goes_on = cleared.goes_on and not self.refusal and not self._is_over(until)
            if not goes_on:
                break
        with transaction():
            now = self._clock()
            with ledger.entry(self._slot, now) as entry:
                entry.record(lease, verdicts, were_marked=True)
                entry.give_back(lease)
        return goes_on

    def _hand_over(self, lease: Lease, group: Sequence[Waiting], cleared: Cleared) -> list[Verdict]:
        marked = {d.id: d for d in group if d.id in cleared.ids}
        verdicts: list[Verdict] = []
        messages: list[Message] = []
        for delivery in marked.values():
            dated_at = delivery.dated_at or lease.dated_at
            template = self._templates[lease.edition_id]
            try:
                messages.append(self._splicer.message(template, delivery, dated_at))
            except ValueError as error:
                verdicts.append(Verdict(delivery.id, DeliveryState.FAILED, str(error)))
        answers = self._relay.hand_over(messages)
        self._listen([answer for _key, answer in answers])
        for key, answer in answers:
            dated_at = marked[key].dated_at or lease.dated_at
            verdicts.append(judge(marked[key], answer, dated_at=dated_at, now=self._clock()))
        return verdicts

    def _listen(self, answers: Sequence[Answer]) -> None:
        about_us = [answer for answer in answers if retry.is_about_us(answer)]
        if not about_us and retry.are_about_us(answers, connections=self._relay.connections):
            about_us = list(answers)
        if about_us:
            self.refusal = retry.in_words(about_us[0])


def judge(delivery: Waiting, answer: Answer, *, dated_at: datetime, now: datetime) -> Verdict:
    """What the answer to a delivery's attempt means for it.

    `delivery` as it was before the attempt; `dated_at` is when the first one was made.
    """
    words = retry.in_words(answer)
    match answer.outcome:
        case Outcome.ACCEPTED:
            return Verdict(delivery.id, DeliveryState.SENT, words)
        case Outcome.IN_DOUBT:
            return Verdict(delivery.id, DeliveryState.IN_DOUBT, words)
    due_at = None
    if not retry.is_final(answer):
        due_at = retry.next_attempt(
            delivery.attempts + 1, first_at=dated_at, now=now, jitter=retry.spread(delivery.id)
        )
    state = DeliveryState.QUEUED if due_at else DeliveryState.FAILED
    return Verdict(delivery.id, state, words, due_at)


def _groups(deliveries: Sequence[Waiting], size: int) -> Iterator[Sequence[Waiting]]:
    for start in range(0, len(deliveries), size):
        yield deliveries[start : start + size]
