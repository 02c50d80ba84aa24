"""Readers and issues for the tests: each with what it takes, and unlike the others made."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import count

from sqlalchemy import insert, select

from newsletter.database import db
from newsletter.issues import choice as choices
from newsletter.issues.models import Article, Format, Issue, Section, Subject
from newsletter.subscribers.models import Subscriber, SubscriberState, Subscription

NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)

_numbers = count(1)


def make_subscriber(
    address: str | None = None,
    *,
    sections: Sequence[str] = (),
    language: str = "en",
    format: Format = Format.HTML,  # noqa: A002  # the word of the field
    state: SubscriberState = SubscriberState.CONFIRMED,
    suppressed_at: datetime | None = None,
    paused_until: datetime | None = None,
) -> Subscriber:
    """Somebody who reads us; `sections` are slugs, none means all."""
    address = address or f"reader{next(_numbers)}@example.org"
    has_left = state is SubscriberState.UNSUBSCRIBED
    subscriber = Subscriber(
        address=address,
        address_key=address,
        state=state,
        created_at=NOON,
        confirmed_at=NOON if state is not SubscriberState.PENDING else None,
        unsubscribed_at=NOON if has_left else None,
        suppressed_at=suppressed_at,
        paused_until=paused_until,
        subscription=Subscription(choice=choice_of(*sections), language=language, format=format),
    )
    db.session.add(subscriber)
    db.session.flush()
    return subscriber


def make_subscribers(number: int) -> None:
    """So many readers of everything at once: reader-0@example.org, reader-1@example.org …"""
    if not number:
        return
    readers = [
        {
            "address": f"reader-{n}@example.org",
            "address_key": f"reader-{n}@example.org",
            "state": SubscriberState.CONFIRMED,
            "created_at": NOON,
            "confirmed_at": NOON,
        }
        for n in range(number)
    ]
    ids = db.session.scalars(insert(Subscriber).returning(Subscriber.id), readers)
    taken = [{"subscriber_id": id_, "choice": choices.ALL, "language": "en"} for id_ in ids]
    db.session.execute(insert(Subscription), taken)


def make_issue(
    number: int = 87,
    *,
    sections: Sequence[str] = ("isis-in-action", "western-response"),
    languages: Sequence[str] = ("en",),
) -> Issue:
    """A draft that may be sent, with an article in each of the sections and languages."""
    issue = Issue(
        number=number,
        date=date(2026, 11, 17),
        created_at=NOON,
        revised_at=NOON,
        subjects=[
            Subject(language=language, subject=f"Issue {number}", preheader="What happened")
            for language in languages
        ],
        articles=[
            Article(
                section=section_called(slug),
                language=language,
                section_title=section_called(slug).title(language),
                headline=f"News of {slug}",
                body=f"This week in {slug} ({language}).",
            )
            for slug in sections
            for language in languages
        ],
    )
    db.session.add(issue)
    db.session.flush()
    return issue


def section_called(slug: str) -> Section:
    """A section by its slug."""
    return db.session.scalars(select(Section).where(Section.slug == slug)).one()


def choice_of(*slugs: str) -> int:
    """The choice of these sections."""
    return choices.of(section_called(slug).id for slug in slugs)
