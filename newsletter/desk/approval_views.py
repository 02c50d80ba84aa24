"""Approve an issue or one of its articles at the desk, and take an approval back."""

from flask import Response, flash, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.issue_views import issue_page
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.desk.places import ARTICLE, find_article
from newsletter.issues import approval


@pages.post(ISSUE + "/approve")
@may_send
def approve(number: int) -> AnyResponse:
    """Approve the issue as it was shown, or show it again with what is in the way."""
    issue = find_issue(number)
    try:
        with transaction():
            approval.approve(
                issue.id,
                who=current_editor().address,
                now=now(),
                seen=request.form.get("seen", ""),
            )
    except approval.ChangedMeanwhile as error:
        return Response(issue_page(find_issue(number), is_revised=True), error.status)
    except approval.NotReady as error:
        return Response(issue_page(find_issue(number), is_refused=True), error.status)
    flash(gettext("Approved as it stands. Whoever changes it now takes the approval back."))
    return redirect(url_for("desk.issue", number=number), 303)


@pages.post(ISSUE + "/unapprove")
@may_send
def unapprove(number: int) -> AnyResponse:
    """Take the approval of an issue back."""
    issue = find_issue(number)
    with transaction():
        approval.unapprove(issue.id, who=current_editor().address, now=now())
    flash(gettext("The approval is taken back."))
    return redirect(url_for("desk.issue", number=number), 303)


@pages.post(ARTICLE + "/approve")
@may_send
def approve_article(number: int, slug: str, language: str) -> AnyResponse:
    """Approve one article, in the version that was read."""
    at = find_article(number, slug, language)
    seen = request.form.get("seen", -1, type=int)
    with transaction():
        approval.approve_article(at.place, who=current_editor().address, now=now(), seen=seen)
    flash(gettext("The article is approved."))
    return redirect(url_for("desk.issue", number=number), 303)
