"""The checks of an issue: what is in the way, what to look at, and where links lead."""

from flask import flash, jsonify, redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.delivery.fanout import audience
from newsletter.desk import checks as everything
from newsletter.desk.door import current_editor, pages
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.issues import link_checks


@pages.get(ISSUE + "/checks")
def checks(number: int) -> str:
    """Say all that was found, each with its place and what to do."""
    issue, editor = find_issue(number), current_editor()
    found = everything.check(issue, audience(issue, now=now()), now=now())
    return render_template(
        "desk/checks.html",
        issue=issue,
        checked=everything.shown(found, issue, editor),
        tried=everything.tried(issue, now=now()),
    )


@pages.get(ISSUE + "/checks/progress")
def tried_now(number: int) -> Response:
    """How far the trying of links has come, for a page that waits for its end."""
    tried = everything.tried(find_issue(number), now=now())
    said = gettext("%(known)s of %(links)s are tried …", known=tried.known, links=tried.links)
    return jsonify(known=tried.known, waiting=tried.waiting, said=said)


@pages.post(ISSUE + "/checks/links")
def check_links(number: int) -> Response:
    """Let a worker try every link, and look at the sender's domain."""
    issue = find_issue(number)
    urls = everything.to_try(issue)
    if not urls:
        flash(gettext("There is no link in it."))
    elif not everything.tried(issue, now=now()).waiting:  # pressing twice asks once
        with transaction():
            link_checks.ask(urls, now=now())
        hint("desk.check_links")
    return redirect(url_for("desk.checks", number=number), 303)
