"""Plan an issue at the desk: start the next one, set its date and deadline, say who writes what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.lists import format_list
from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import get_locale, gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.delivery.local_time import BadTime
from newsletter.desk.assignments import people
from newsletter.desk.clock import as_typed, publications_time, typed_time
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.lookup import ISSUE, find_issue, now, typed_id, typed_number
from newsletter.desk.planning import Plan, plan_issue, plan_of, start_next
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.front_matter import read_day
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue, Section
from newsletter.issues.sections import sections_to_write
from newsletter.issues.skeleton import NumberTaken, next_issue
from newsletter.pages import day, moment, page_language, settings

THIS_CENTURY = "20"  # as a year begins; there are weeks before and after it
WRITERS = "writers-"  # then the slug of a section: its field in the form


@dataclass
class Dates:
    """What was typed of an issue's number, date and deadline, and what is wrong with it."""

    number: str
    day: str
    deadline: str
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def typed(cls) -> "Dates":
        """As it came in the form."""
        form = request.form
        return cls(
            number=form.get("number", "").strip(),
            day=form.get("date", "").strip(),
            deadline=form.get("deadline", "").strip(),
        )

    def read_number(self) -> int:
        """The number; notes what is wrong with it."""
        number = typed_number(self.number)
        if not number:
            self.errors["number"] = gettext("Please give a number, like 87.")
        return number or 0

    def read_day(self) -> date:
        """The date; notes what is wrong with it."""
        day = read_day(self.day) if self.day.startswith(THIS_CENTURY) else None
        if day is None:
            self.errors["date"] = gettext("Please give a date, like 2026-11-24.")
        return day or date.min

    def read_deadline(self, known: datetime | None = None) -> datetime | None:
        """The deadline, to come unless it is the `known` one; notes what is wrong with it."""
        if not self.deadline:
            return None
        try:
            return typed_time(self.deadline, known=known)
        except BadTime as error:
            self.errors["deadline"] = gettext(error.flaw.value)
            return None


@pages.route("/issues/new", methods=["GET", "POST"])
@may_send
def new_issue() -> AnyResponse:
    """Start an issue: with what the last one suggests, or with what was typed."""
    if request.method == "GET":
        bones = next_issue(_publication_zone(), now=now())
        dates = Dates(str(bones.number), bones.date.isoformat(), as_typed(bones.deadline_at))
        return _new_page(dates, 200)
    dates = Dates.typed()
    number, day, deadline_at = dates.read_number(), dates.read_day(), dates.read_deadline()
    if dates.errors:
        return _new_page(dates, 400)
    try:
        with transaction():
            start_next(number, day, deadline_at, who=current_editor().address, now=now())
    except NumberTaken as error:
        dates.errors["number"] = gettext("There is an issue of this number already.")
        return _new_page(dates, error.status)
    flash(gettext("The issue is started: the same people write the same sections."))
    return redirect(url_for("desk.issue", number=number), 303)


@pages.route(ISSUE + "/plan", methods=["GET", "POST"])
@may_send
def plan(number: int) -> AnyResponse:
    """Set the date and the deadline of an issue, and who writes what."""
    issue = find_issue(number)
    if request.method == "GET":
        standing = plan_of(issue)
        dates = Dates(str(number), standing.date.isoformat(), as_typed(standing.deadline_at))
        return _plan_page(issue, dates, standing.writers, seen=standing.version)
    dates = Dates.typed()
    writers = {section.id: _typed_writers(section) for section in sections_to_write(issue)}
    seen = request.form.get("seen", "")
    date_, deadline_at = dates.read_day(), dates.read_deadline(issue.deadline_at)
    if dates.errors:
        return _plan_page(issue, dates, writers, seen=seen)
    wanted, who = Plan(date_, deadline_at, writers), current_editor().address
    try:
        with transaction():
            other = plan_issue(issue.id, wanted, seen=seen, who=who, now=now())
    except FrozenIssue:
        return _plan_page(issue, dates, writers, seen=seen)
    if other is not None:
        return _plan_page(issue, dates, writers, seen=other.version, standing=other)
    flash(gettext("The plan is saved."))
    return redirect(url_for("desk.issue", number=number), 303)


def _typed_writers(section: Section) -> frozenset[int]:
    ticked = request.form.getlist(WRITERS + section.slug)
    return frozenset(id_ for one in ticked if (id_ := typed_id(one)) is not None)


def _new_page(dates: Dates, status: int) -> Response:
    bones = next_issue(_publication_zone(), now=now())
    html = render_template(
        "desk/new_issue.html",
        dates=dates,
        publications_time=publications_time(bones.deadline_at, dates.deadline),
        last=bones.last,
    )
    return Response(html, status)


def _plan_page(
    issue: Issue,
    dates: Dates,
    writers: Mapping[int, frozenset[int]],
    *,
    seen: str,
    standing: Plan | None = None,
) -> Response:
    """The form; with what is wrong, or the plan that is `standing` since it was opened.

    What was chosen for an issue that is frozen since then is given back.
    """
    is_draft = issue.state is IssueState.DRAFT
    is_frozen = request.method == "POST" and not is_draft
    html = render_template(
        "desk/plan.html",
        issue=issue,
        dates=dates,
        publications_time=publications_time(issue.deadline_at, dates.deadline),
        sections=sections_to_write(issue),
        writers=writers,
        seen=seen,
        stands=dict(_stands_otherwise(issue, standing, dates, writers)) if standing else {},
        people=people(),
        is_draft=is_draft,
        is_frozen=is_frozen,
        field=WRITERS,
    )
    return Response(html, 409 if standing or is_frozen else 400 if dates.errors else 200)


def _stands_otherwise(
    issue: Issue, standing: Plan, dates: Dates, writers: Mapping[int, frozenset[int]]
) -> Iterator[tuple[str, str]]:
    """What stands and is not what was typed, each with its name, in words."""
    if standing.date.isoformat() != dates.day:
        yield gettext("Date of the issue"), day(standing.date)
    if as_typed(standing.deadline_at) != dates.deadline:
        at = standing.deadline_at
        yield gettext("Deadline"), moment(at) if at else gettext("none")
    nobody = frozenset[int]()
    for section in sections_to_write(issue):
        ids = standing.writers.get(section.id, nobody)
        if ids != writers.get(section.id, nobody):
            names = [person.called for person in people() if person.id in ids]
            words = (
                format_list(names, locale=get_locale() or "en") if names else gettext("Nobody yet")
            )
            yield section.title(page_language()), words


def _publication_zone() -> ZoneInfo:
    """By whose clocks issues are a week apart, whoever looks."""
    return ZoneInfo(settings().time_zone)
