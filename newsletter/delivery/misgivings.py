"""When to stop an issue because its refusals are about us, not about its readers.

A list must not be used up on a sender address that the relay does not know, or on a block list
that we stand on: the issue pauses, and the editor is told what was said and what to do.
"""

from collections import Counter, deque
from typing import NamedTuple

from newsletter.delivery.retry import NO_UTF8_THERE, in_words, is_about_the_message
from newsletter.mail.smtp_answers import Answer, Outcome

IN_A_ROW = 20
LATEST = 400  # answers that count
TOO_MANY = 20  # of them: 5 %
SEVERAL_DOMAINS = 3

TOO_LARGE = "5.3.4"  # RFC 3463 3.4: larger than the relay takes, whoever it is for
OF_THE_READER = ("5.1.", "5.2.")  # RFC 3463 3.2, 3.3: the address, the mailbox
OF_THE_SENDER = {"5.1.7", "5.1.8"}  # ... but these are about our own address
POLICY = "5.7."  # RFC 3463 3.8


class _Refusal(NamedTuple):
    """What makes two refusals the same: the words differ from reader to reader."""

    code: int | None
    status: str | None


class Misgivings:
    """What one process has heard about one issue; kept from task to task.

    Once it gave a reason it begins anew, so that a resumed issue gets its chance.
    """

    def __init__(self, issue_number: int) -> None:
        self._number = issue_number
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._last: _Refusal | None = None
        self._in_a_row: Counter[str] = Counter()  # how often from which domain
        self._heard = 0
        self._latest: deque[tuple[int, _Refusal, str]] = deque()  # with the numbers of the answers
        self._often: dict[_Refusal, Counter[str]] = {}

    def take(self, answer: Answer, domain: str) -> str | None:
        """Look at the next answer and the reader's domain; a reason to pause, or None.

        The reason is for an editor: what was said, how often, and what to do.
        """
        if answer.outcome is Outcome.NEVER and not is_about_the_message(answer):
            return self._refused_at_all(answer)
        if answer.outcome not in (Outcome.ACCEPTED, Outcome.NEVER):
            return None
        self._heard += 1
        refusal = _doubtful(answer)
        if refusal is None:
            self._last = None
            return None
        reason = self._count_row(refusal, answer, domain) or self._count_latest(
            refusal, answer, domain
        )
        if reason:
            self._begin_anew()
        return reason

    def _refused_at_all(self, answer: Answer) -> str:
        said = _quoted(answer)
        if answer.status == TOO_LARGE:
            return (
                f"The issue is larger than the mail relay takes: {said}. Nobody has failed by that."
                " Ask the operator to raise the limit and resume the issue, or cancel it and send a"
                " shorter one."
            )
        return (
            f"The mail relay does not take mail from our sender address: {said}. Nobody has failed"
            " by that. Resume the issue when the operator has put it right."
        )

    def _count_row(self, refusal: _Refusal, answer: Answer, domain: str) -> str | None:
        if refusal != self._last:
            self._last = refusal
            self._in_a_row.clear()
        self._in_a_row[domain] += 1
        if self._in_a_row.total() < IN_A_ROW:
            return None
        if not _is_surely_about_us(refusal) and len(self._in_a_row) < SEVERAL_DOMAINS:
            return None
        return self._reason(f"{self._in_a_row.total()} readers in a row", answer)

    def _count_latest(self, refusal: _Refusal, answer: Answer, domain: str) -> str | None:
        if not _is_surely_about_us(refusal):
            return None
        while self._latest and self._latest[0][0] <= self._heard - LATEST:
            _, oldest, its_domain = self._latest.popleft()
            self._often[oldest] -= Counter([its_domain])
        self._latest.append((self._heard, refusal, domain))
        domains = self._often.setdefault(refusal, Counter())
        domains[domain] += 1
        if domains.total() < TOO_MANY or len(domains) < SEVERAL_DOMAINS:
            return None
        latest = min(self._heard, LATEST)
        often = f"{domains.total()} of the last {latest} readers, in several domains"
        return self._reason(often, answer)

    def _reason(self, whom: str, answer: Answer) -> str:
        return (
            f"The mail relay refused {whom} with the same answer: {_quoted(answer)}. That is about"
            " us rather than about them. When the operator has put it right, resume the issue; once"
            " it is sent, those who failed get it by newsletter issue resend"
            f" {self._number}."
        )


def _doubtful(answer: Answer) -> _Refusal | None:
    """A refusal that may be about us, with what makes it the same as another; else None."""
    if answer.outcome is Outcome.ACCEPTED or answer.status in NO_UTF8_THERE:
        return None
    status = answer.status or ""
    if status.startswith(OF_THE_READER) and status not in OF_THE_SENDER:
        return None
    return _Refusal(answer.code, answer.status)


def _is_surely_about_us(refusal: _Refusal) -> bool:
    status = refusal.status or ""
    return status.startswith(POLICY) or status in OF_THE_SENDER


def _quoted(answer: Answer) -> str:
    return f"“{in_words(answer).rstrip('.')}”"
