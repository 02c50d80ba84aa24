"""The last page before readers get an issue: send it now, or at a set time."""

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.delivery import schedule as schedules
from newsletter.delivery.fanout import audience
from newsletter.delivery.local_time import BadTime
from newsletter.delivery.schedule import NotAsApproved
from newsletter.delivery.start import send_now
from newsletter.desk import checks, overview
from newsletter.desk.clock import as_typed, publications_time, typed_time
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.lookup import ISSUE, find_issue, now, typed_number
from newsletter.desk.places import names_of
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Issue
from newsletter.mail.publication import sender


@pages.get(ISSUE + "/send")
@may_send
def send(number: int) -> str | AnyResponse:
    """Say who will get it, and ask for one deliberate act."""
    issue = find_issue(number)
    if issue.is_public:
        return redirect(url_for("desk.issue", number=number), 303)
    return _send_page(issue)


@pages.post(ISSUE + "/send")
@may_send
def start(number: int) -> AnyResponse:
    """Start sending what was approved, if its number was typed and nobody was quicker."""
    issue = find_issue(number)
    if not issue.is_public and typed_number(request.form.get("number", "")) != number:
        return _once_more(issue, is_mistyped=True)
    try:
        send_now(issue.id, now=now(), who=current_editor().address, seen=_seen())
    except NotAsApproved as error:
        return Response(_send_page(find_issue(number), is_revised=True), error.status)
    except WrongStep as error:
        if error.state not in {IssueState.SENDING, IssueState.SENT}:
            raise
        flash(gettext("It was started already. Nobody gets it twice."))
    return redirect(url_for("desk.issue", number=number), 303)


@pages.post(ISSUE + "/schedule")
@may_send
def schedule(number: int) -> AnyResponse:
    """Set the time at which it goes out by itself, if it is what was approved."""
    issue = find_issue(number)
    typed = request.form.get("at", "")
    try:
        at = typed_time(typed)
        with transaction():
            schedules.check_as_approved(issue.id, _seen())
            schedules.schedule(issue.id, at, who=current_editor().address, now=now())
    except NotAsApproved as error:
        issue = find_issue(number)
        if issue.scheduled_at != at:  # unless the button was pressed twice
            return Response(_send_page(issue, at=typed, is_revised=True), error.status)
    except BadTime as error:
        return _once_more(issue, at=typed, time_error=gettext(error.flaw.value))
    flash(gettext("It goes out by itself at the time you chose. You may close this page."))
    return redirect(url_for("desk.issue", number=number), 303)


@pages.post(ISSUE + "/unschedule")
@may_send
def unschedule(number: int) -> AnyResponse:
    """Take it off the schedule: a draft again."""
    issue = find_issue(number)
    with transaction():
        schedules.unschedule(issue.id, who=current_editor().address, now=now())
    flash(gettext("It is a draft again and does not go out by itself."))
    return redirect(url_for("desk.issue", number=number), 303)


def _once_more(issue: Issue, **mistakes: Any) -> Response:
    """The page again after a slip of the pen; what is sent from it is what it shows now."""
    if _seen() != schedules.as_it_stands(issue):
        return Response(_send_page(issue, is_revised=True), 409)
    return Response(_send_page(issue, **mistakes), 400)


def _seen() -> str:
    """Which state of the issue stood on the page that was sent off."""
    return request.form.get("seen", "")


def _send_page(issue: Issue, *, at: str | None = None, **mistakes: object) -> str:
    readers, editor = audience(issue, now=now()), current_editor()
    found = checks.check(issue, readers, now=now())
    at = as_typed(issue.scheduled_at) if at is None else at
    return render_template(
        "desk/send.html",
        issue=issue,
        announced=overview.announced(issue, readers),
        audience=readers,
        checked=checks.shown(found, issue, editor),
        names=names_of([issue.approved_by]),
        in_words=overview.choice_in_words,
        sender=sender(),
        seen=schedules.as_it_stands(issue),
        is_late=schedules.is_late(issue, now=now()),
        at=at,
        publications_time=publications_time(issue.scheduled_at, at),
        **mistakes,
    )
