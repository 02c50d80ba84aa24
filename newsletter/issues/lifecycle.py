"""Which state of an issue may follow which.

`draft → scheduled → sending → sent`, with `paused` and `cancelled` on the way. What was cancelled
stays cancelled. What was sent is sent once more only to those who did not get it: Send refuses it.
"""

from collections.abc import Mapping
from enum import StrEnum

from newsletter.errors import NewsletterError


class IssueState(StrEnum):
    """How far an issue has come."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    SENT = "sent"
    PAUSED = "paused"
    CANCELLED = "cancelled"


NEXT: Mapping[IssueState, tuple[IssueState, ...]] = {
    IssueState.DRAFT: (IssueState.SCHEDULED, IssueState.SENDING, IssueState.CANCELLED),
    IssueState.SCHEDULED: (IssueState.DRAFT, IssueState.SENDING, IssueState.CANCELLED),
    IssueState.SENDING: (IssueState.SENT, IssueState.PAUSED, IssueState.CANCELLED),
    IssueState.PAUSED: (IssueState.SENDING, IssueState.CANCELLED),
    IssueState.SENT: (IssueState.SENDING,),
    IssueState.CANCELLED: (),
}

STANDING: Mapping[IssueState, str] = {
    IssueState.DRAFT: "is a draft",
    IssueState.SCHEDULED: "is scheduled",
    IssueState.SENDING: "is being sent",
    IssueState.SENT: "has been sent",
    IssueState.PAUSED: "is paused",
    IssueState.CANCELLED: "was cancelled",
}

STEP: Mapping[IssueState, str] = {
    IssueState.DRAFT: "go back to draft",
    IssueState.SCHEDULED: "be scheduled",
    IssueState.SENDING: "be sent",
    IssueState.SENT: "count as sent",
    IssueState.PAUSED: "be paused",
    IssueState.CANCELLED: "be cancelled",
}


class WrongStep(NewsletterError):
    """The issue is in no state from which it can go there; `act` is what was asked for instead."""

    page = "wrong_step"
    status = 409

    def __init__(
        self, number: int, state: IssueState, to: IssueState, act: str | None = None
    ) -> None:
        if act:
            sentence = f"Issue {number} {STANDING[state]}, so it can't {act}."
        elif state is to or (state, to) == (IssueState.SENT, IssueState.SENDING):
            sentence = f"Issue {number} {STANDING[state]} already."
        else:
            sentence = f"Issue {number} {STANDING[state]}, so it can't {STEP[to]}."
        super().__init__(sentence)
        self.number = number
        self.state = state
        self.to = to


def may_follow(state: IssueState, to: IssueState) -> bool:
    """Whether an issue in `state` may go to `to`."""
    return to in NEXT[state]


def check_step(number: int, state: IssueState, to: IssueState) -> None:
    """Raise `WrongStep`, naming the issue by its number, unless it may go from `state` to `to`."""
    if not may_follow(state, to):
        raise WrongStep(number, state, to)
