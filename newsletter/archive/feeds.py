"""The Atom feed (RFC 4287): the full text of the newest issues."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import render_template

from newsletter.archive.articles import in_feed
from newsletter.archive.public import published_at
from newsletter.issues.editions import articles_in
from newsletter.issues.markdown import tidy
from newsletter.issues.models import Issue
from newsletter.issues.sections import title_in
from newsletter.pages import absolute_url, settings

ENTRIES = 20
NOTHING_YET = datetime(2026, 1, 1, tzinfo=UTC)  # a feed needs a time even without an entry


@dataclass(frozen=True)
class Entry:
    """One issue in the feed of one language."""

    id: str
    language: str
    url: str
    subject: str
    preheader: str
    html: str
    published: datetime
    updated: datetime


def atom(issues: Iterable[Issue], language: str) -> str:
    """Write the feed of these public issues, newest first, for readers of a language."""
    entries = [_entry(issue, language) for issue in issues]
    # XML can't carry some characters that a text may hold, not even escaped.
    return tidy(
        render_template(
            "archive/feed.xml",
            entries=entries,
            updated=max((entry.updated for entry in entries), default=NOTHING_YET),
        )
    )


def last_change(issue: Issue) -> datetime:
    """When there was last something new to see of a public issue."""
    return max(issue.revised_at, published_at(issue))


def _entry(issue: Issue, language: str) -> Entry:
    config = settings()
    subject = issue.subject(language, config.default_language)
    url = absolute_url("archive.issue", language, number=issue.number)
    return Entry(
        # The list id stays when the site moves; the address of the page would not (RFC 4151).
        id=f"tag:{config.list_id},2026:issue/{issue.number}/{language}",
        language=subject.language,
        url=url,
        subject=subject.subject,
        preheader=subject.preheader,
        html=render_template(
            "archive/feed_entry.html",
            issue=issue,
            articles=articles_in(issue, language),
            url=url,
            in_feed=in_feed,
            title_in=title_in,
        ),
        published=published_at(issue),
        updated=last_change(issue),
    )
