"""The client's half of SMTP, without a socket: bytes in, bytes out, one answer per message.

A `Conversation` knows at each instant whether the final dot of a message can have left, which
is all that separates "nothing was sent" from "in doubt" when the line breaks. It never raises
for what a server says: whatever that is, every message begun ends in an `Answer`.

Commands wait in a script and leave one at a time, or in groups where the server offers
PIPELINING (RFC 2920): DATA ends a group, a final dot may begin one.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from newsletter.mail.smtp_address import RelayAddress
from newsletter.mail.smtp_answers import Answer, Answered, Message, Outcome, Stage
from newsletter.mail.smtp_opening import Broken, Extensions, Handshake, Say, open_session
from newsletter.mail.smtp_replies import Garbled, Reply, ReplyReader

_Handler = Callable[[Reply], None]
_MAY_BE_FOLLOWED = {Stage.RESET, Stage.MAIL, Stage.RCPT, Stage.DOT}
CLOSING = 421
_GO_AHEAD = 354
_FINAL_DOT = b".\r\n"
_SECURED = Reply(220, ("encrypted",))
_OUT_OF_TURN = "The server spoke out of turn."
_OUT_OF_ORDER = "The server answered out of order."


@dataclass(slots=True, eq=False)
class _Transaction:
    """A message on its way; `dot_at` is where in the stream of octets its final dot begins."""

    message: Message
    answer: Answer | None = None
    dot_at: int | None = None


class _Command(NamedTuple):
    """A line to be said (or nothing), and what its reply means."""

    stage: Stage
    line: bytes
    on_reply: _Handler
    transaction: _Transaction | None = None


class Conversation:
    """One connection to a relay, from the greeting to QUIT.

    The caller moves octets: it gives what it reads to `receive`, writes what stands in
    `outgoing` and reports it with `reached` (may leave now) and `written` (did leave). It does
    the TLS handshake when `wants_tls` is true, and takes finished messages from `answers`.
    """

    def __init__(self, address: RelayAddress, helo: str) -> None:
        self.outgoing: deque[bytes | memoryview] = deque()
        self.answers: deque[Answered] = deque()
        self.wants_tls = False
        self.is_over = False
        self._opening = open_session(address, helo)
        self._is_ready = False
        self._stage = Stage.CONNECT
        self._extensions: Extensions = {}
        self._replies = ReplyReader()
        self._script: deque[_Command] = deque()
        self._expected: deque[_Command] = deque()
        self._transactions: deque[_Transaction] = deque()
        self._octets_queued = 0
        self._octets_written = 0
        self._octets_reached = 0

    @property
    def stage(self) -> Stage:
        """What is being waited for."""
        return self._expected[0].stage if self._expected else self._stage

    @property
    def is_idle(self) -> bool:
        """Whether a message could be begun at once."""
        return self._is_ready and not self.is_over and not self._transactions

    @property
    def dot_can_have_left(self) -> bool:
        """Whether a message is in doubt until its answer comes."""
        return any(self._has_left(transaction) for transaction in self._transactions)

    def connected(self) -> None:
        """The socket is open."""
        self._do(next(self._opening))

    def secured(self) -> None:
        """The TLS handshake is done."""
        self.wants_tls = False
        self._go_on_opening(_SECURED)
        self._pump()

    def begin(self, message: Message) -> None:
        """Send a message as soon as the server is ready for it."""
        transaction = _Transaction(message)
        self._transactions.append(transaction)
        if self._is_ready:
            self._start(transaction)
            self._pump()

    def quit(self) -> None:
        """Say goodbye."""
        self._ask(Stage.QUIT, b"QUIT", self._on_quit)
        self._pump()

    def receive(self, data: bytes) -> None:
        """Take in what the server said."""
        if self.is_over:
            return
        self._replies.feed(data)
        try:
            while reply := self._replies.next():
                self._take(reply)
            self._refuse_what_nobody_asked_for()
        except Broken as end:
            self._end(str(end), end.reply)
        except Garbled as end:
            self._end(str(end))
        self._pump()

    def lose(self, reason: str) -> None:
        """The connection is gone: settle what was under way."""
        if not self.is_over:
            self._end(reason)

    def reached(self, octets: int) -> None:
        """So many octets of `outgoing` may leave from now on, whether we hear of it or not."""
        self._octets_reached = max(self._octets_reached, self._octets_written + octets)

    def written(self, octets: int) -> None:
        """So many octets of `outgoing` have left; the rest stays, uncopied."""
        self.reached(octets)
        self._octets_written += octets
        while self.outgoing and octets >= len(self.outgoing[0]):
            octets -= len(self.outgoing.popleft())
        if octets:
            self.outgoing[0] = memoryview(self.outgoing[0])[octets:]

    # Setting up

    def _go_on_opening(self, reply: Reply) -> None:
        try:
            step = self._opening.send(reply)
        except StopIteration as end:
            self._extensions = end.value
            self._is_ready = True
            for transaction in list(self._transactions):
                self._start(transaction)
        else:
            self._do(step)

    def _do(self, step: Say | Handshake) -> None:
        if step is Handshake.TLS:
            self._stage = Stage.TLS
            self._replies = ReplyReader()
            self.wants_tls = True
        elif step.line is None:
            self._expected.append(_Command(step.stage, b"", self._go_on_opening))
        else:
            self._ask(step.stage, step.line, self._go_on_opening)

    # One message

    def _start(self, transaction: _Transaction) -> None:
        message = transaction.message
        most = self._extensions.get("SIZE", "")
        if most.isdecimal() and 0 < int(most) < message.size:
            transaction.answer = Answer(
                Outcome.NEVER, Stage.MAIL, f"The relay takes at most {most} octets.", status="5.3.4"
            )
            self._finish(transaction)
            return
        size = f" SIZE={message.size}" if "SIZE" in self._extensions else ""
        on_envelope = partial(self._on_envelope, transaction)
        on_data = partial(self._on_data, transaction)
        mail = f"MAIL FROM:<{message.sender}>{size}".encode("ascii")
        rcpt = f"RCPT TO:<{message.recipient}>".encode("ascii")
        self._ask(Stage.MAIL, mail, on_envelope, transaction)
        self._ask(Stage.RCPT, rcpt, on_envelope, transaction)
        self._ask(Stage.DATA, b"DATA", on_data, transaction)

    def _on_envelope(self, transaction: _Transaction, reply: Reply) -> None:
        if reply.is_refused:
            self._refuse(transaction, reply)
        elif not reply.is_positive:
            raise Broken(_OUT_OF_ORDER, reply)

    def _on_data(self, transaction: _Transaction, reply: Reply) -> None:
        if reply.is_refused:
            self._refuse(transaction, reply)
        elif reply.code != _GO_AHEAD:
            raise Broken(_OUT_OF_ORDER, reply)
        else:
            if transaction.answer is None:
                self._queue(*transaction.message.parts)
            # after a refusal the dot stands alone and ends an empty message (RFC 2920 3.1)
            transaction.dot_at = self._octets_queued
            self._queue(_FINAL_DOT)
            on_dot = partial(self._on_dot, transaction)
            self._expected.append(_Command(Stage.DOT, b"", on_dot, transaction))

    def _on_dot(self, transaction: _Transaction, reply: Reply) -> None:
        is_complete = self._octets_written >= (transaction.dot_at or 0) + len(_FINAL_DOT)
        if transaction.answer is None and (reply.is_refused or (reply.is_positive and is_complete)):
            transaction.answer = Answer.to(reply, Stage.DOT)
        if transaction.answer is None or not is_complete:
            raise Broken(_OUT_OF_ORDER, reply)
        self._finish(transaction)

    def _refuse(self, transaction: _Transaction, reply: Reply) -> None:
        if transaction.answer is None:
            transaction.answer = Answer.to(reply, self.stage)
        self._script = deque(
            command for command in self._script if command.transaction is not transaction
        )
        others = islice(self._expected, 1, None)
        if not any(expected.transaction is transaction for expected in others):
            self._script.appendleft(_Command(Stage.RESET, b"RSET", self._on_reset))
            self._finish(transaction)

    def _finish(self, transaction: _Transaction) -> None:
        self._transactions.remove(transaction)
        if transaction.answer:
            self.answers.append(Answered(transaction.message.key, transaction.answer))

    def _on_reset(self, reply: Reply) -> None:
        if not reply.is_positive:
            raise Broken("The server did not forget the last message.", reply)

    def _on_quit(self, reply: Reply) -> None:
        raise Broken("We said goodbye.", reply)

    # The wire

    def _ask(
        self,
        stage: Stage,
        line: bytes,
        on_reply: _Handler,
        transaction: _Transaction | None = None,
    ) -> None:
        self._script.append(_Command(stage, line, on_reply, transaction))

    def _take(self, reply: Reply) -> None:
        if not self._expected:
            raise Broken(_OUT_OF_TURN, reply)
        stage, _, on_reply, transaction = self._expected[0]
        if reply.code == CLOSING:
            if transaction and transaction.answer is None:
                transaction.answer = Answer.to(reply, stage)
            raise Broken("The server closed the connection.", reply)
        on_reply(reply)
        self._stage = stage
        self._expected.popleft()

    def _refuse_what_nobody_asked_for(self) -> None:
        if self._replies.is_unfinished and not self._expected:
            raise Broken(_OUT_OF_TURN)

    def _pump(self) -> None:
        """Let the commands leave that may: one, or as many as go together in a group."""
        while self._script and self._may_ask_more():
            command = self._script.popleft()
            self._queue(command.line + b"\r\n")
            self._expected.append(command)

    def _may_ask_more(self) -> bool:
        if not self._expected:
            return True
        return "PIPELINING" in self._extensions and self._expected[-1].stage in _MAY_BE_FOLLOWED

    def _queue(self, *buffers: bytes) -> None:
        self.outgoing.extend(buffers)
        self._octets_queued += sum(map(len, buffers))

    def _has_left(self, transaction: _Transaction) -> bool:
        return transaction.dot_at is not None and self._octets_reached > transaction.dot_at

    def _end(self, text: str, reply: Reply | None = None) -> None:
        """Nothing more will be said or heard: settle every message by how far it had come."""
        stage = self.stage
        for transaction in self._transactions:
            outcome = Outcome.IN_DOUBT if self._has_left(transaction) else Outcome.NOT_NOW
            answer = transaction.answer or Answer.without(outcome, stage, text, reply)
            self.answers.append(Answered(transaction.message.key, answer))
        self.is_over = True
        self.wants_tls = False
        self._stage = stage
        for waiting in (self._transactions, self._script, self._expected, self.outgoing):
            waiting.clear()
