"""What is handed to a relay, and what can become of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

from newsletter.mail.international import may_travel
from newsletter.mail.smtp_replies import Reply, printable

_ADDRESS = re.compile(r"[!-;=?-~]*")


class Stage(StrEnum):
    """How far a connection had come; from `MAIL` to `DOT` it is about one message."""

    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    RESET = "reset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Outcome(StrEnum):
    """What became of a message, as far as we can know.

    `NOT_NOW`: certainly not sent, may be tried again. `NEVER`: refused for good (5yz from MAIL
    on; a relay that refuses us before that says nothing about the message). `IN_DOUBT`: its
    final dot can have left and no answer came.
    """

    ACCEPTED = "accepted"
    NOT_NOW = "not_now"
    NEVER = "never"
    IN_DOUBT = "in_doubt"


_OUTCOMES = {2: Outcome.ACCEPTED, 4: Outcome.NOT_NOW, 5: Outcome.NEVER}  # RFC 5321 4.2.1


class Answer(NamedTuple):
    """What the relay said to a message, or what happened instead.

    `stage` tells who is meant: a 5yz to MAIL is about us, one to RCPT about the reader.
    `status` is the enhanced code of RFC 3463. `text` is one printable line, at most 500 long.
    """

    outcome: Outcome
    stage: Stage
    text: str
    code: int | None = None
    status: str | None = None

    @classmethod
    def to(cls, reply: Reply, stage: Stage) -> Self:
        """The meaning of a reply to a message, as its first digit says."""
        outcome = _OUTCOMES.get(reply.code // 100, Outcome.NOT_NOW)
        return cls(outcome, stage, reply.text, reply.code, reply.status)

    @classmethod
    def without(cls, outcome: Outcome, stage: Stage, text: str, reply: Reply | None) -> Self:
        """The connection ended, perhaps with a last reply that was not about this message."""
        if reply is None:
            return cls(outcome, stage, printable(text))
        return cls(outcome, stage, printable(f"{text} {reply.text}"), reply.code, reply.status)


@dataclass(slots=True)  # frozen, it would take twice as long to make
class Message:
    """One mail in its envelope; `key` is the caller's own number for it.

    The parts are sent as they are: they end with CRLF, no line begins with a dot. The recipient
    alone may hold letters beyond ASCII, before the @; then the message needs SMTPUTF8 (RFC 6531).
    """

    key: int
    sender: str
    recipient: str
    parts: Sequence[bytes]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.sender):
            raise ValueError("An envelope sender must be plain ASCII without white space.")
        if not (_ADDRESS.fullmatch(self.recipient) or may_travel(self.recipient)):
            raise ValueError("An envelope recipient must be one address without white space.")
        if not self.parts or not self.parts[-1].endswith(b"\r\n"):
            raise ValueError("A message must end with CRLF.")
        self.size = sum(map(len, self.parts))


class Answered(NamedTuple):
    """The answer to the message with this key.

    Without `was_cleared` it can be neither accepted nor in doubt.
    """

    key: int
    answer: Answer
    was_cleared: bool


class Turn(NamedTuple):
    """What happened since the last turn.

    `ready` holds the keys of messages that wait for our word: all but the body is with the relay.
    """

    answers: list[Answered]
    ready: list[int]
