"""A full archive: years of weekly issues, each as long as the samples, in two languages."""

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import insert, literal, select

from newsletter.database import db, transaction
from newsletter.issues import search
from newsletter.issues.editing import import_issue
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, Issue, Subject
from tests.issue_files import sample

WEEK = timedelta(weeks=1)
LANGUAGES = ("en", "ar")


def make_past_issues(number: int) -> None:
    """So many issues that were sent, one a week, the newest as young as the sample."""
    with transaction():
        for language in LANGUAGES:
            model = import_issue(_numbered(number, language), now=_now())
    with transaction():
        db.session.execute(
            insert(Issue),
            [
                {"number": n, "created_at": model.created_at} | _sent(model.date, number - n)
                for n in range(1, number)
            ],
        )
        for what in (Subject, Article):
            _copy(what, model)
        for name, value in _sent(model.date, 0).items():
            setattr(model, name, value)
    with transaction():
        for issue_id in db.session.scalars(select(Issue.id)).all():
            search.index(issue_id)
            db.session.expunge_all()


def _numbered(number: int, language: str) -> bytes:
    return sample(language).replace(b"number: 87", b"number: %d" % number, 1)


def _sent(newest: date, weeks_ago: int) -> dict[str, object]:
    """What an issue is that was sent so long before the newest."""
    day = newest - weeks_ago * WEEK
    at = datetime.combine(day, time(7), UTC)
    return {
        "date": day,
        "state": IssueState.SENT,
        "revised_at": at,
        "sending_started_at": at,
        "completed_at": at,
    }


def _copy(what: type[Subject | Article], model: Issue) -> None:
    """Give every other issue what the model says."""
    columns = [c for c in what.__table__.columns if c.name not in {"id", "issue_id"}]
    names = ["issue_id", *(column.name for column in columns)]
    said = select(Issue.id, *columns).join_from(what, Issue, literal(value=True))
    chosen = said.where(what.issue_id == model.id, Issue.id != model.id)
    db.session.execute(insert(what).from_select(names, chosen))


def _now() -> datetime:
    return datetime.now(UTC)
