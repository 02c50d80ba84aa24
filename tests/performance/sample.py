"""Readers by the million, and issues of a given size."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import String, case, cast, insert, literal, select, text
from sqlalchemy.sql.elements import ColumnElement

from newsletter.database import db, is_sqlite, transaction
from newsletter.issues import choice as choices
from newsletter.issues.editions import render_edition
from newsletter.issues.models import Article, Format, Issue, Subject
from newsletter.issues.sections import standing_sections
from newsletter.mail.message import Template
from newsletter.subscribers.models import Subscriber, SubscriberState, Subscription

KB = 1000  # bytes
DOMAINS = 200
JOINED = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
PARAGRAPH = (
    "The crossing at Ras Ajdir stayed closed for the third day. Lorries wait on both sides, and"
    " the municipality says that it expects no change before Sunday. Fuel has become scarce in the"
    " towns nearby, where bakeries open for two hours in the morning.\n\n"
)


def make_readers(number: int, *, mixed: bool) -> None:
    """So many confirmed readers over 200 domains, written by the database itself.

    All get the same edition, or `mixed`: every choice of sections, a fifth of them in Arabic, a
    tenth in plain text.
    """
    n = _numbers(number)
    address = (
        literal("reader-", String)
        + cast(n, String)
        + literal("@mail-", String)
        + cast(n % DOMAINS, String)
        + literal(".example", String)
    )
    joined = literal(JOINED, Subscriber.created_at.type)
    confirmed = literal(SubscriberState.CONFIRMED, Subscriber.state.type)
    with transaction():
        db.session.execute(
            insert(Subscriber).from_select(
                ["address", "address_key", "state", "created_at", "confirmed_at"],
                select(address, address, confirmed, joined, joined),
            )
        )
        db.session.execute(
            insert(Subscription).from_select(
                ["subscriber_id", "choice", "language", "format"],
                select(Subscriber.id, *(_mixed_tastes() if mixed else _one_taste())),
            )
        )
    _tidy()


def make_issue(size: int | None = None) -> Issue:
    """A draft in English and Arabic with all sections, or in English and of `size` bytes mailed."""
    languages = ("en",) if size else ("en", "ar")
    with transaction():
        issue = Issue(
            number=87,
            date=date(2026, 11, 17),
            created_at=JOINED,
            revised_at=JOINED,
            subjects=[
                Subject(language=language, subject="Ras Ajdir is closed", preheader="No fuel")
                for language in languages
            ],
            articles=[
                Article(
                    section=section,
                    language=language,
                    section_title=section.title(language),
                    headline="The crossing stays closed",
                    body=PARAGRAPH,
                )
                for section in (standing_sections()[:1] if size else standing_sections())
                for language in languages
            ],
        )
        db.session.add(issue)
        db.session.flush()
        while size and template_of(issue).size < size:
            issue.articles[0].body += PARAGRAPH
    return issue


def template_of(issue: Issue) -> Template:
    """What every reader of an issue in English with one section gets."""
    return render_edition(issue, "en", choices.ALL, Format.HTML).template


def _numbers(number: int) -> ColumnElement[int]:
    counted = select(literal(1).label("n")).cte("counted", recursive=True)
    return counted.union_all(select(counted.c.n + 1).where(counted.c.n < number)).c.n


def _one_taste() -> tuple[ColumnElement[Any], ...]:
    return _typed(literal(choices.ALL), literal("en"), literal(Format.HTML.value))


def _mixed_tastes() -> tuple[ColumnElement[Any], ...]:
    bits = [section.bit for section in standing_sections()]
    n = Subscriber.id
    chosen: ColumnElement[Any] = literal(0)
    for place, bit in enumerate(bits):
        chosen = chosen + n // 2**place % 2 * bit
    return _typed(
        chosen,
        case((n % 5 == 0, "ar"), else_="en"),
        case((n % 10 == 7, Format.TEXT.value), else_=Format.HTML.value),
    )


def _typed(*tastes: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    choice, language, format_ = tastes
    return choice, cast(language, String), cast(format_, String)


def _tidy() -> None:
    """What a database has done long before anybody presses Send: statistics, no fresh rows."""
    db.session.remove()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if is_sqlite() else "VACUUM ANALYZE"))
