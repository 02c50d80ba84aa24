"""What is to be done next about an issue that no reader has yet, by whoever looks at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from newsletter.desk.models import Editor
from newsletter.desk.overview import SectionPart, Text, TextState
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.issues.preflight import Preflight


class Act(StrEnum):
    """The one thing to do next."""

    WRITE = "write"
    MEND = "mend"
    LOOK = "look"
    APPROVE = "approve"
    SEND = "send"
    WAIT = "wait"


@dataclass(frozen=True)
class NextStep:
    """An act, and for writing the text that is still empty."""

    act: Act
    part: SectionPart | None = None
    text: Text | None = None


def next_step(
    issue: Issue, editor: Editor, parts: Sequence[SectionPart], preflight: Preflight
) -> NextStep | None:
    """What this editor may do next about a draft; None for an issue that is a draft no more."""
    if issue.state is not IssueState.DRAFT:
        return None
    is_bare = not issue.articles
    if is_bare or not editor.may_send:
        for part in parts:
            if part.is_open and part.texts[0].state is TextState.EMPTY:
                return NextStep(Act.WRITE, part, part.texts[0])
        return NextStep(Act.WAIT if is_bare else Act.LOOK)
    if preflight.blocking:
        return NextStep(Act.MEND)
    return NextStep(Act.SEND if issue.approved_at else Act.APPROVE)
