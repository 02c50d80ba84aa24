"""The client's half of SMTP, without a socket: bytes in, bytes out, one answer per message.

A `Conversation` holds at most two messages: one that is `leaving` (its final dot is queued or
gone) and behind it one that is `upcoming` (its envelope waits, is under way, or is done). Of the
upcoming one no octet of the body leaves before `clear`. It knows at each instant whether the
final dot of the leaving one can have left, which is all that separates "nothing was sent" from
"in doubt" when the line breaks. It never raises for what a server says.

Where the server offers PIPELINING (RFC 2920), an envelope goes in one group, and a final dot may
begin that group. Elsewhere every command waits for the reply to the one before.
"""

import math
from collections import deque
from dataclasses import dataclass

from newsletter.mail.smtp_address import RelayAddress
from newsletter.mail.smtp_answers import Answer, Answered, Message, Outcome, Stage, Turn
from newsletter.mail.smtp_opening import Broken, Extensions, Handshake, Say, open_session
from newsletter.mail.smtp_replies import Garbled, Reply, ReplyReader

_ENVELOPE = (Stage.MAIL, Stage.RCPT, Stage.DATA)
_CLOSING = 421
_GO_AHEAD = 354
_FINAL_DOT = b".\r\n"
_UTF8 = " BODY=8BITMIME SMTPUTF8"  # with the second comes the first (RFC 6531 3.1, item 8)
_NO_UTF8 = "The relay does not take addresses with letters like these (SMTPUTF8)."
_SECURED = Reply(220, None, ("encrypted",))
_OUT_OF_TURN = "The server spoke out of turn."
_OUT_OF_ORDER = "The server answered out of order."


@dataclass(slots=True, eq=False)
class _Transaction:
    """A message on its way.

    `asked` counts the commands of its envelope that were said; `dot_at` is where in the stream
    of octets its final dot begins. It `may_move` to a new connection if this one, which was good
    for others before, proves to be dead.
    """

    message: Message
    may_move: bool
    asked: int = 0
    is_ready: bool = False
    is_cleared: bool = False
    is_withdrawn: bool = False
    answer: Answer | None = None
    dot_at: float = math.inf


class Conversation:
    """One connection to a relay, from the greeting to QUIT.

    The caller moves octets: it gives what it reads to `receive`, writes what stands in
    `outgoing` and reports it with `reached` (may leave now) and `written` (did leave). It does
    the TLS handshake when `wants_tls` is true. What happens to messages is told in the turn. A
    message that the server had left before it heard of it stands in `unheard` at the end instead.
    When `is_outgrown`, a message was larger than the server once said it would take.
    """

    def __init__(self, address: RelayAddress, helo: str, turn: Turn) -> None:
        self.outgoing: list[bytes | memoryview] = []
        self.unheard: Message | None = None
        self.settled = 0
        self.wants_tls = False
        self.is_over = False
        self.is_outgrown = False
        self._turn = turn
        self._opening = open_session(address, helo)
        self.is_open = False
        self._is_used = False
        self._is_pipelining = False
        self._tells_size = False
        self._takes_utf8 = False
        self._most_octets: float = math.inf
        self._stage = Stage.CONNECT
        self._replies = ReplyReader()
        self._expected: deque[Stage] = deque()
        self._leaving: _Transaction | None = None
        self._upcoming: _Transaction | None = None
        self._octets_queued = 0
        self._octets_written = 0
        self._octets_reached = 0

    @property
    def stage(self) -> Stage:
        """What is being waited for, or what was heard last."""
        return self._expected[0] if self._expected else self._stage

    @property
    def has_room(self) -> bool:
        """Whether a message may be offered."""
        return self._upcoming is None and not self.is_over

    @property
    def is_leaving(self) -> bool:
        """Whether there is a message whose final dot is queued or gone."""
        return self._leaving is not None

    @property
    def owes_answers(self) -> bool:
        """Whether a message is to get an answer yet: one that was not withdrawn."""
        return any(one and not one.is_withdrawn for one in (self._leaving, self._upcoming))

    @property
    def is_idle(self) -> bool:
        """Whether it is open and nothing is under way."""
        return self.is_open and not (self._leaving or self._upcoming or self.is_over)

    @property
    def is_waiting(self) -> bool:
        """Whether it is the server's turn to say something."""
        return not self.is_over and (not self.is_open or bool(self._expected))

    @property
    def dot_can_have_left(self) -> bool:
        """Whether a message is in doubt until its answer comes."""
        return self._leaving is not None and self._has_left(self._leaving)

    # What the caller wants

    def connected(self) -> None:
        """The socket is open."""
        self._do(next(self._opening))

    def secured(self) -> None:
        """The TLS handshake is done."""
        self.wants_tls = False
        self._go_on_opening(_SECURED)

    def offer(self, message: Message) -> None:
        """Say its envelope with the next `pump`, as soon as the server is ready for it."""
        if not self.has_room:
            raise ValueError("There is no room for a message on this connection.")
        self._upcoming = _Transaction(message, may_move=self._is_used)
        self._is_used = True

    def clear(self) -> None:
        """Let the body and the final dot of the message that is ready leave."""
        if self._upcoming is None or not self._upcoming.is_ready:
            raise ValueError("Only a message that is ready can be cleared.")
        self._upcoming.is_cleared = True
        self.outgoing += self._upcoming.message.parts
        self._octets_queued += self._upcoming.message.size
        self._queue_dot(self._upcoming)

    def withdraw(self, key: int) -> None:
        """Let nothing more of an uncleared message leave, and give no answer for it.

        After 354 there is no way back in SMTP but to close the connection.
        """
        upcoming = self._upcoming
        if upcoming is None or upcoming.message.key != key:
            if self._leaving:  # with a lone dot: there is no body to be held back
                self._leaving.is_withdrawn = True
        elif not upcoming.asked:
            self._upcoming = None
        else:
            upcoming.is_withdrawn = True
            if upcoming.is_ready:
                self._end("The message was withdrawn.")

    def pump(self) -> None:
        """Queue the commands that may leave: the next one, or an envelope as a group."""
        upcoming = self._upcoming
        if upcoming is None or not self.is_open or upcoming.asked == len(_ENVELOPE):
            return
        if not upcoming.asked and self._refuses(upcoming):
            return
        if self._is_pipelining:
            self._queue("".join(self._envelope(upcoming.message)).encode())
            self._expected.extend(_ENVELOPE)
            upcoming.asked = len(_ENVELOPE)
        elif not self._expected:
            line = self._envelope(upcoming.message)[upcoming.asked]
            self._say(_ENVELOPE[upcoming.asked], line.encode())
            upcoming.asked += 1

    def quit(self) -> None:
        """Say goodbye; nobody waits for the reply."""
        self._queue(b"QUIT\r\n")

    # What the wire does

    def receive(self, data: bytes) -> None:
        """Take in what the server said."""
        if self.is_over:
            return
        try:
            for reply in self._replies.read(data):
                self._take(reply)
                if self.wants_tls:
                    return
            self._refuse_what_nobody_asked_for()
        except Broken as end:
            self._end(str(end), end.reply)
        except Garbled as end:
            self._end(str(end))
        else:
            self.pump()

    def lose(self, reason: str) -> None:
        """The connection is gone: settle what was under way."""
        if not self.is_over:
            self._end(reason)

    def give_up(self, reason: str) -> None:
        """The server took too long: settle what was under way, for nothing is left to try."""
        if self._upcoming:
            self._upcoming.may_move = False
        self.lose(reason)

    def reached(self, octets: int) -> None:
        """So many octets of `outgoing` may leave from now on, whether we hear of it or not."""
        self._octets_reached = max(self._octets_reached, self._octets_written + octets)

    def written(self, octets: int) -> None:
        """So many octets of `outgoing` have left; the rest stays, uncopied."""
        self.reached(octets)
        self._octets_written += octets
        if self._octets_written == self._octets_queued:
            self.outgoing.clear()
            return
        gone = 0
        while octets >= len(self.outgoing[gone]):
            octets -= len(self.outgoing[gone])
            gone += 1
        del self.outgoing[:gone]
        self.outgoing[0] = memoryview(self.outgoing[0])[octets:]

    # What the server said

    def _take(self, reply: Reply) -> None:
        if reply.code == _CLOSING:
            self._note_refusal(self.stage, reply)
            raise Broken("The server closed the connection.", reply)
        if not self._expected:
            raise Broken(_OUT_OF_TURN, reply)
        stage = self._expected[0]
        if stage is Stage.DOT and self._leaving:
            self._on_dot(self._leaving, reply)
        elif stage in _ENVELOPE and self._upcoming:
            self._on_envelope(self._upcoming, stage, reply)
        elif stage is Stage.RESET:
            self._on_reset(reply)
        else:
            self._go_on_opening(reply)
        self._stage = stage
        self._expected.popleft()

    def _refuse_what_nobody_asked_for(self) -> None:
        if self._replies.is_unfinished and not self._expected:
            raise Broken(_OUT_OF_TURN)

    def _go_on_opening(self, reply: Reply) -> None:
        try:
            step = self._opening.send(reply)
        except StopIteration as end:
            self._use(end.value)
        else:
            self._do(step)

    def _use(self, extensions: Extensions) -> None:
        self.is_open = True
        self._is_pipelining = "PIPELINING" in extensions
        self._tells_size = "SIZE" in extensions
        self._takes_utf8 = "SMTPUTF8" in extensions
        most = extensions.get("SIZE", "")
        if most.isdecimal() and int(most):
            self._most_octets = int(most)

    def _do(self, step: Say | Handshake) -> None:
        if step is Handshake.TLS:
            self._stage = Stage.TLS
            self._replies = ReplyReader()
            self.wants_tls = True
        elif step.line is None:
            self._expected.append(step.stage)
        else:
            self._say(step.stage, step.line + b"\r\n")

    def _on_envelope(self, upcoming: _Transaction, stage: Stage, reply: Reply) -> None:
        if stage is Stage.DATA and reply.code == _GO_AHEAD:
            self._on_go_ahead(upcoming)
            return
        if reply.is_refused:
            self._note_refusal(stage, reply)
        elif stage is Stage.DATA or not reply.is_positive:
            raise Broken(_OUT_OF_ORDER, reply)
        is_last = len(self._expected) == 1
        if is_last and (upcoming.answer or upcoming.is_withdrawn):
            self._say(Stage.RESET, b"RSET\r\n")
            self._upcoming = None
            self._tell(upcoming)

    def _on_go_ahead(self, upcoming: _Transaction) -> None:
        if upcoming.is_withdrawn:
            raise Broken("The message was withdrawn.")
        if upcoming.answer is None:
            upcoming.is_ready = True
            self._turn.ready.append(upcoming.message.key)
        elif upcoming.answer.stage is Stage.RCPT:
            # the dot stands alone and ends a message to nobody (RFC 2920 3.1)
            self._queue_dot(upcoming)
        else:
            raise Broken("The server refused the sender, but not the message.")

    def _on_dot(self, leaving: _Transaction, reply: Reply) -> None:
        is_complete = self._octets_written >= leaving.dot_at + len(_FINAL_DOT)
        if leaving.answer is None and (reply.is_refused or (reply.is_positive and is_complete)):
            leaving.answer = Answer.to(reply, Stage.DOT)
        if leaving.answer is None or not is_complete:
            raise Broken(_OUT_OF_ORDER, reply)
        self._leaving = None
        self._tell(leaving)

    def _on_reset(self, reply: Reply) -> None:
        if not reply.is_positive:
            raise Broken("The server did not forget the last message.", reply)

    def _note_refusal(self, stage: Stage, reply: Reply) -> None:
        """The first no to a message is its answer."""
        concerned = self._leaving if stage is Stage.DOT else self._upcoming
        if stage not in (*_ENVELOPE, Stage.DOT):
            return
        if concerned and concerned.answer is None:
            concerned.answer = Answer.to(reply, stage)

    # What we say

    def _envelope(self, message: Message) -> tuple[str, str, str]:
        size = f" SIZE={message.size}" if self._tells_size else ""
        utf8 = "" if message.recipient.isascii() else _UTF8
        return (
            f"MAIL FROM:<{message.sender}>{size}{utf8}\r\n",
            f"RCPT TO:<{message.recipient}>\r\n",
            "DATA\r\n",
        )

    def _refuses(self, transaction: _Transaction) -> bool:
        """Whether the relay said beforehand that it cannot take this message."""
        message = transaction.message
        if message.size > self._most_octets:
            text, status = f"The relay takes at most {self._most_octets} octets.", "5.3.4"
            self.is_outgrown = True
        elif not (self._takes_utf8 or message.recipient.isascii()):
            text, status = _NO_UTF8, "5.6.7"
        else:
            return False
        transaction.answer = Answer(Outcome.NEVER, Stage.MAIL, text, status=status)
        self._upcoming = None
        self._tell(transaction)
        return True

    def _say(self, stage: Stage, line: bytes) -> None:
        self._queue(line)
        self._expected.append(stage)

    def _queue_dot(self, transaction: _Transaction) -> None:
        transaction.dot_at = self._octets_queued
        self._say(Stage.DOT, _FINAL_DOT)
        self._leaving, self._upcoming = transaction, None

    def _queue(self, octets: bytes) -> None:
        self.outgoing.append(octets)
        self._octets_queued += len(octets)

    def _has_left(self, transaction: _Transaction) -> bool:
        return self._octets_reached > transaction.dot_at

    # What becomes of a message

    def _tell(self, transaction: _Transaction) -> None:
        self.settled += 1
        message, answer = transaction.message, transaction.answer
        if answer and not transaction.is_withdrawn:
            self._turn.answers.append(Answered(message.key, answer, transaction.is_cleared))

    def _end(self, text: str, reply: Reply | None = None) -> None:
        """Nothing more will be said or heard: settle both messages by how far they had come."""
        leaving, upcoming = self._leaving, self._upcoming
        if leaving:
            outcome = Outcome.NOT_NOW
            if leaving.is_cleared and self._has_left(leaving):
                outcome = Outcome.IN_DOUBT
            leaving.answer = leaving.answer or Answer.without(outcome, Stage.DOT, text, reply)
            self._tell(leaving)
        if upcoming and upcoming.is_ready and upcoming.message.key in self._turn.ready:
            self._turn.ready.remove(upcoming.message.key)
        if upcoming and self._is_unheard(upcoming, reply):
            self.unheard = upcoming.message
        elif upcoming:
            stage = Stage.MAIL if leaving else self.stage
            about_it = None if leaving else reply
            upcoming.answer = upcoming.answer or Answer.without(
                Outcome.NOT_NOW, stage, text, about_it
            )
            self._tell(upcoming)
        self._stage = self.stage
        self.is_over = True
        self.wants_tls = False
        self._leaving = self._upcoming = None
        self._expected.clear()
        self.outgoing.clear()
        self._octets_queued = self._octets_written

    def _is_unheard(self, upcoming: _Transaction, reply: Reply | None) -> bool:
        """Whether a server that was spoken to before had left when this message came."""
        has_replied = upcoming.asked > 0 and Stage.MAIL not in self._expected
        return (
            self.is_open
            and upcoming.may_move
            and not (self._leaving or upcoming.is_withdrawn or has_replied)
            and (reply is None or reply.code == _CLOSING)
        )
