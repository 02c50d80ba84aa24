"""When to try again, and when to stop.

A reader's mail server that says "not now" is asked again after a minute, then less and less
often, until a period is over that the operator sets. What a relay says about us, not about a
reader, uses up no reader's attempts: it is the business of `strikes` and `misgivings`.
"""

from datetime import datetime, timedelta

from newsletter.mail.smtp_answers import Answer, Outcome, Stage

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 40))
LONGEST_PAUSE = timedelta(hours=1)
JITTER = 0.1  # of a pause: what was refused together need not come back together
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ALMOST_A_SECOND = timedelta(microseconds=999_999)

CLOSING = 421  # the server ends the connection (RFC 5321 3.8); no word about the message
REFUSED_FOR_NOW = 4  # the first digit
NO_UTF8_THERE = {"5.6.7", "5.6.8", "5.6.9", "5.6.10"}  # RFC 6531 3.5: about this reader's address
ABOUT_A_MESSAGE = {Stage.RCPT, Stage.DATA, Stage.DOT}


def next_attempt(
    attempts: int,
    *,
    first_at: datetime,
    now: datetime,
    jitter: float,
    period: timedelta,
) -> datetime | None:
    """When to try again after so many attempts; None when the first was a `period` ago.

    But nobody is given up before the pauses have grown to their longest: an issue may have been
    paused for days, or a failed delivery sent again. `jitter`, from 0 to 1, makes the pause up to
    a tenth longer. A whole second, so that those that are due together can be written down
    together.
    """
    if attempts > len(PAUSES) and now - first_at >= period:
        return None
    pause = PAUSES[attempts - 1] if attempts <= len(PAUSES) else LONGEST_PAUSE
    pause *= 1 + JITTER * jitter
    return (now + pause + ALMOST_A_SECOND).replace(microsecond=0)


def is_about_the_message(answer: Answer) -> bool:
    """Whether this was said to one message and its reader, and proves that the relay works.

    Not so: what came before any message, an answer to MAIL, 421 anywhere, a line that broke, fell
    silent or made no sense.
    """
    if answer.outcome is Outcome.ACCEPTED or answer.status in NO_UTF8_THERE:
        return True
    if answer.code is None or answer.code == CLOSING or answer.stage not in ABOUT_A_MESSAGE:
        return False
    if answer.outcome is Outcome.NOT_NOW:
        return answer.code // 100 == REFUSED_FOR_NOW
    return answer.outcome is Outcome.NEVER


def is_final(answer: Answer) -> bool:
    """Whether a message is refused for good: 5yz, unless it is about us."""
    return answer.outcome is Outcome.NEVER and is_about_the_message(answer)


def given_up(words: str, period: timedelta) -> str:
    """What to keep of a delivery that was given up: for how long it was tried, and the last words.

    >>> given_up("451 4.7.1 try later", timedelta(days=3))
    'Gave up after 3 days. Last answer: 451 4.7.1 try later'
    """
    unit, name = (HOUR, "hour") if period % DAY else (DAY, "day")
    number = period // unit
    return f"Gave up after {number} {name}{'s' * (number != 1)}. Last answer: {words}"


def in_words(answer: Answer) -> str:
    """An answer to keep: both codes and what was said, on one line."""
    code = str(answer.code or "")
    return " ".join(filter(None, (code, answer.status, answer.text)))


def spread(number: int) -> float:
    """A jitter for the row of this number: always the same, and different from its neighbour's."""
    return number * 0.618 % 1
