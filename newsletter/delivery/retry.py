"""When to try again, and when to stop.

A reader's mail server that says "not now" is asked again after a minute, then less and less
often, for three days. What a relay says about us, not about a reader, stops the sending instead.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from newsletter.mail.smtp import Answer, Outcome, Stage

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 40))
LONGEST_PAUSE = timedelta(hours=1)
JITTER = 0.1  # of a pause: what was refused together need not come back together
PERIOD = timedelta(days=3)

BEFORE_ANY_MESSAGE = {Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.TLS, Stage.AUTH}
WITH_THE_MESSAGE = {Stage.DATA, Stage.DOT}


def next_attempt(
    attempts: int, *, first_at: datetime, now: datetime, jitter: float
) -> datetime | None:
    """When to try again after so many attempts; None when the first was three days ago.

    `jitter`, from 0 to 1, makes the pause up to a tenth longer.
    """
    if now - first_at >= PERIOD:
        return None
    pause = PAUSES[attempts - 1] if attempts <= len(PAUSES) else LONGEST_PAUSE
    return now + pause * (1 + JITTER * jitter)


def is_about_us(answer: Answer) -> bool:
    """Whether the relay would say the same whoever the reader is: stop asking for a while."""
    if answer.stage in BEFORE_ANY_MESSAGE:
        return True
    return answer.stage is Stage.MAIL and answer.outcome is Outcome.NEVER


def are_about_us(answers: Sequence[Answer], *, connections: int) -> bool:
    """Whether a group failed as one, so that the relay is to blame and not each of its messages.

    That is: the line broke after every dot, or every message was refused for good with the same
    code, after its reader was accepted. One message among several connections tells nothing.
    """
    if len(answers) < min(2, connections):
        return False
    if all(answer.outcome is Outcome.IN_DOUBT for answer in answers):
        return True
    return len({answer.code for answer in answers}) == 1 and all(
        answer.outcome is Outcome.NEVER and answer.stage in WITH_THE_MESSAGE for answer in answers
    )


def is_final(answer: Answer) -> bool:
    """Whether a message is refused for good: 5yz, unless it is about us."""
    return answer.outcome is Outcome.NEVER and not is_about_us(answer)


def in_words(answer: Answer) -> str:
    """An answer to keep: both codes and what was said, on one line."""
    return " ".join(str(part) for part in (answer.code, answer.status, answer.text) if part)


def spread(number: int) -> float:
    """A jitter for the row of this number: always the same, and different from its neighbour's."""
    return number * 0.618 % 1
