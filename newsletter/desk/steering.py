"""Steer an issue that is under way: pause, resume, cancel; and care for who did not get it."""

from collections.abc import Sequence

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import format_decimal, gettext, ngettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.delivery import steering
from newsletter.delivery.doubts import Decision, list_doubts, settle
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.resending import list_failed, resend_failed
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.lookup import ISSUE, find_issue, now, typed_id, typed_number
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue

MOST_SHOWN = 200
ALL = "all"


@pages.post(ISSUE + "/pause")
@may_send
def pause(number: int) -> AnyResponse:
    """Let nothing more leave until somebody resumes it."""
    with transaction():
        steering.pause(find_issue(number).id, who=current_editor().address, now=now())
    return _back(number)


@pages.post(ISSUE + "/resume")
@may_send
def resume(number: int) -> AnyResponse:
    """Go on where it stopped."""
    with transaction():
        steering.resume(find_issue(number).id, who=current_editor().address, now=now())
    hint("delivery.sweep_issues")
    return _back(number)


@pages.get(ISSUE + "/cancel")
@may_send
def ask_to_cancel(number: int) -> str | AnyResponse:
    """Say what cancelling means, and ask for one deliberate act."""
    issue = find_issue(number)
    if issue.state not in {IssueState.SENDING, IssueState.PAUSED}:
        return _back(number)
    return _cancel_page(issue)


@pages.post(ISSUE + "/cancel")
@may_send
def cancel(number: int) -> AnyResponse:
    """Let nothing more leave, ever, if its number was typed."""
    issue = find_issue(number)
    if typed_number(request.form.get("number", "")) != number:
        return Response(_cancel_page(issue, is_mistyped=True), 400)
    with transaction():
        steering.cancel(issue.id, who=current_editor().address, now=now())
    return _back(number)


@pages.get(ISSUE + "/doubts")
@may_send
def doubts(number: int) -> str:
    """Who may have got it or not."""
    issue = find_issue(number)
    return render_template(
        "desk/doubts.html",
        issue=issue,
        doubts=list_doubts(issue.id, limit=MOST_SHOWN),
        total=steering.counted(issue.id, DeliveryState.IN_DOUBT),
    )


@pages.post(ISSUE + "/doubts")
@may_send
def settle_doubts(number: int) -> AnyResponse:
    """Settle one doubt, or all that the page showed."""
    issue = find_issue(number)
    decision = Decision.AGAIN if Decision.AGAIN.value in request.form else Decision.DELIVERED
    chosen = request.form.get(decision.value, "")
    ids = _ids(request.form.getlist("id") if chosen == ALL else [chosen])
    with transaction():
        settled = settle(issue.id, ids, decision, who=current_editor().address, now=now())
    if decision is Decision.AGAIN:
        hint("delivery.sweep_issues")
    flash(_settled(settled, decision))
    if steering.counted(issue.id, DeliveryState.IN_DOUBT):
        return redirect(url_for("desk.doubts", number=number), 303)
    return _back(number)


@pages.get(ISSUE + "/failed")
@may_send
def failed(number: int) -> str:
    """Who did not get it, and why."""
    issue = find_issue(number)
    return render_template(
        "desk/failed.html",
        issue=issue,
        failures=list_failed(issue.id, limit=MOST_SHOWN),
        total=steering.counted(issue.id, DeliveryState.FAILED),
    )


@pages.post(ISSUE + "/resend")
@may_send
def resend(number: int) -> AnyResponse:
    """Send it again to those who failed, and to nobody else."""
    issue = find_issue(number)
    with transaction():
        queued = resend_failed(issue.id, who=current_editor().address, now=now())
    hint("delivery.sweep_issues")
    flash(
        ngettext(
            "It goes again to one reader.",
            "It goes again to %(readers)s readers.",
            queued,
            readers=format_decimal(queued),
        )
        if queued
        else gettext("Nobody failed any more, so nothing was sent.")
    )
    return _back(number)


def _cancel_page(issue: Issue, *, is_mistyped: bool = False) -> str:
    return render_template(
        "desk/cancel.html",
        issue=issue,
        waiting=steering.counted(issue.id, DeliveryState.QUEUED),
        is_mistyped=is_mistyped,
    )


def _settled(number: int, decision: Decision) -> str:
    if not number:
        words = gettext("Nothing was settled: an answer came meanwhile, or somebody was quicker.")
    elif decision is Decision.AGAIN:
        words = ngettext(
            "One is sent again.",
            "%(count)s are sent again.",
            number,
            count=format_decimal(number),
        )
    else:
        words = ngettext(
            "One was taken as delivered.",
            "%(count)s were taken as delivered.",
            number,
            count=format_decimal(number),
        )
    return str(words)


def _ids(typed: Sequence[str]) -> list[int]:
    return [id_ for one in typed if (id_ := typed_id(one)) is not None]


def _back(number: int) -> AnyResponse:
    return redirect(url_for("desk.issue", number=number), 303)
