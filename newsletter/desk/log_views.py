"""The log: everything that was done, by whom, and when. For admins."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from flask import render_template, request
from sqlalchemy import select

from newsletter import audit
from newsletter.audit import COMMAND_LINE, POLICY
from newsletter.database import db
from newsletter.desk.clock import zone
from newsletter.desk.door import for_admins, pages
from newsletter.desk.lookup import typed_id, typed_number
from newsletter.desk.models import Editor
from newsletter.issues.models import Issue

PER_PAGE = 100
NOBODY_ELSE = {"commands": COMMAND_LINE, "itself": POLICY}
"""Who acts without a place at the desk, by what stands in the address of the page."""


@pages.get("/log")
@for_admins
def log() -> str:
    """The latest acts, or those of one person, one issue, one day.

    A person stands in the address by number: no address of anybody is to be kept by a browser.
    """
    people = {str(editor.id): editor for editor in _people()}
    who, number, day = (request.args.get(name, "") for name in ("who", "issue", "day"))
    asked_for = {"who": who, "issue": number, "day": day}
    acts = audit.older_than(
        typed_id(request.args.get("before", "")),
        who=people[who].address if who in people else NOBODY_ELSE.get(who),
        issue_id=_issue_id(number),
        within=_whole_day(day),
        limit=PER_PAGE + 1,
    )
    shown = acts[:PER_PAGE]
    return render_template(
        "desk/log.html",
        acts=shown,
        numbers=_numbers(act.issue_id for act in shown),
        people=people,
        names={editor.address: editor.called for editor in people.values()},
        asked_for={name: value for name, value in asked_for.items() if value},
        older=shown[-1].id if len(acts) > PER_PAGE else None,
    )


def _people() -> list[Editor]:
    """Everybody who works or has worked here, by what they are called."""
    found = db.session.scalars(select(Editor))
    return sorted(found, key=lambda editor: (editor.called.casefold(), editor.id))


def _issue_id(typed: str) -> int | None:
    """The issue of a number; one that does not exist has no acts."""
    if not typed.strip():
        return None
    return db.session.scalar(select(Issue.id).where(Issue.number == typed_number(typed))) or 0


def _whole_day(typed: str) -> tuple[datetime, datetime] | None:
    """A day by the clock of whoever looks, from its first moment to the next day's."""
    try:
        day = date.fromisoformat(typed)
        first, last = (
            datetime.combine(one, time(), zone()).astimezone(UTC)
            for one in (day, day + timedelta(days=1))
        )
    except (ValueError, OverflowError):  # no day, or the first or last one there is
        return None
    return first, last


def _numbers(issue_ids: Iterable[int | None]) -> dict[int, int]:
    """The numbers of issues, by their ids."""
    asked = {issue_id for issue_id in issue_ids if issue_id}
    rows = db.session.execute(select(Issue.id, Issue.number).where(Issue.id.in_(asked)))
    return dict(iter(rows))
