"""The part of an issue's page that moves while it is being sent, for itself."""

from collections.abc import Sequence
from datetime import datetime

from flask import Response, abort, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from newsletter.delivery.progress import full_progress
from newsletter.delivery.samples import Sample, samples
from newsletter.desk import charts
from newsletter.desk.door import pages
from newsletter.desk.lookup import ISSUE, find_issue, now


@pages.get(ISSUE + "/progress")
def progress_now(number: int) -> AnyResponse:
    """How an issue is going; nothing but 304 for a page that shows just this (RFC 9110, 13.1.2)."""
    issue = find_issue(number)
    if not issue.is_public:
        abort(404)
    block = render_template(
        "desk/_progress.html",
        progress=full_progress(issue.id, now=now()),
        samples=samples(issue.id),
    )
    answer = Response(block)
    answer.add_etag()
    return answer.make_conditional(request)


@pages.app_template_filter("paces")
def paces(of: Sequence[Sample], started_at: datetime) -> list[charts.Pace]:
    """How fast an issue went from its start to the last sample."""
    return charts.paces(of, started_at)
