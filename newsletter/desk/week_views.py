"""The page that the desk opens on: this week."""

from zoneinfo import ZoneInfo

from flask import render_template

from newsletter.delivery.progress import progress
from newsletter.desk import overview
from newsletter.desk.clock import as_typed
from newsletter.desk.door import current_editor, pages
from newsletter.desk.lookup import now
from newsletter.desk.places import names_of
from newsletter.desk.week import this_week
from newsletter.issues.skeleton import next_issue
from newsletter.pages import settings


@pages.get("/")
def week() -> str:
    """The issue in work, or how to start one; and what became of the last one."""
    at = now()
    zone = ZoneInfo(settings().time_zone)  # which week it is, is the same for all
    week = this_week(at.astimezone(zone).date())
    issue = week.in_work[0] if week.in_work else None
    parts = overview.section_parts(issue, current_editor()) if issue else []
    return render_template(
        "desk/week.html",
        issue=issue,
        subject=overview.words_of(issue) if issue else None,
        others=week.in_work[1:],
        parts=parts,
        names=names_of(who for part in parts for who in part.revised_by),
        left=overview.time_left(issue, now=at) if issue else None,
        in_words=overview.in_words,
        skeleton=None if issue else next_issue(zone, now=at),
        as_typed=as_typed,
        last=week.last,
        went=progress(week.last.id) if week.last else None,
        words_of=overview.words_of,
    )
