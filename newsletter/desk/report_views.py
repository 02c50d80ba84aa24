"""The report of an issue that went out, on a page and as a file; and all issues side by side."""

import csv
from collections.abc import Iterator
from io import StringIO

from flask import Response, abort, render_template, request

from newsletter.delivery.models import ReportLine
from newsletter.delivery.report import COUNTED, OTHERS, Dimension, lines_of, readers_in
from newsletter.delivery.samples import samples
from newsletter.desk import overview
from newsletter.desk.charts import columns, per_thousand, pieces
from newsletter.desk.door import current_editor, pages
from newsletter.desk.lookup import ISSUE, find_issue, typed_number
from newsletter.desk.report import outcomes, reasons, usual
from newsletter.issues import choice as choices
from newsletter.issues.models import Issue
from newsletter.issues.sections import sections_of
from newsletter.pages import download

ISSUES_PER_PAGE = 30
SHARES = ("sent", "skipped", "failed", "in_doubt")  # of a bar, in their order


@pages.get(ISSUE + "/report")
def report(number: int) -> str:
    """What became of an issue, and beside the ones before it."""
    beside = outcomes(until=number)
    this = next((outcome for outcome in beside if outcome.issue.number == number), None)
    if this is None:
        abort(404)
    issue = this.issue
    return render_template(
        "desk/report.html",
        issue=issue,
        subject=overview.words_of(issue),
        this=this,
        beside=beside[::-1],
        before=[outcome for outcome in beside if outcome is not this],
        usual=usual,
        columns=columns,
        per_thousand=per_thousand,
        lines=lines_of(issue.id),
        bar=_bar,
        readers_in=readers_in,
        choice_in_words=overview.choice_in_words,
        others=OTHERS,
        reasons=reasons(issue.id),
        samples=samples(issue.id),
        may_read=current_editor().may_send,
    )


@pages.get(ISSUE + "/report.csv")
def report_file(number: int) -> Response:
    """What was counted of an issue, as a file for a spreadsheet; sections by their slugs."""
    issue = find_issue(number)
    if not issue.is_public:
        abort(404)
    text = StringIO(newline="")
    csv.writer(text).writerows(_rows(issue))
    return download(text.getvalue(), "text/csv", f"issue-{issue.number}-report.csv")


@pages.get("/reports")
def reports() -> str:
    """The issues that went out, beside each other."""
    before = typed_number(request.args.get("before", ""))
    found = outcomes(until=before, most=ISSUES_PER_PAGE + 1)
    if before is not None and not found:
        abort(404)
    return render_template(
        "desk/reports.html",
        outcomes=found[:ISSUES_PER_PAGE],
        older=found[ISSUES_PER_PAGE:],
        columns=columns,
        words_of=overview.words_of,
    )


def _bar(line: ReportLine, longest: int) -> list[object]:
    return list(pieces({share: getattr(line, share) for share in SHARES}, longest))


def _rows(issue: Issue) -> Iterator[list[object]]:
    yield ["by", "name", *COUNTED, "counted_at"]
    slugs = {section.id: section.slug for section in sections_of(issue)}
    for dimension, lines in sorted(lines_of(issue.id).items()):
        for line in lines:
            name = line.name
            if dimension is Dimension.SECTIONS:
                name = " ".join(s for i, s in slugs.items() if choices.takes(int(name), i))
            counts = [getattr(line, what) for what in COUNTED]
            yield [dimension.value, name, *counts, line.counted_at.isoformat()]
