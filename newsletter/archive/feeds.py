"""Atom feeds (RFC 4287) in full text: of whole issues, or of the articles of some sections.

An article has the same id in every feed that holds it, so that a program that follows two of
them meets it once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from babel.lists import format_list
from flask import render_template

from newsletter.archive.articles import in_feed
from newsletter.archive.public import published_at
from newsletter.issues.editions import articles_in
from newsletter.issues.markdown import tidy
from newsletter.issues.models import Article, Issue, Section
from newsletter.issues.sections import title_in
from newsletter.pages import absolute_url, settings

ENTRIES = 20  # issues
NOTHING_YET = datetime(2026, 1, 1, tzinfo=UTC)  # a feed needs a time even without an entry


@dataclass(frozen=True)
class Category:
    """A section as feed readers and partners' programs sort by it."""

    slug: str
    title: str


@dataclass(frozen=True)
class Entry:
    """One issue, or one article of it, in the feed of one language."""

    id: str
    language: str
    url: str
    title: str
    summary: str
    html: str
    published: datetime
    updated: datetime
    categories: tuple[Category, ...]


@dataclass(frozen=True)
class Feed:
    """What stands in a feed, newest first; `url` is its own address, `page` the one for people."""

    id: str
    language: str
    title: str
    url: str
    page: str
    entries: tuple[Entry, ...]

    @property
    def updated(self) -> datetime:
        """When there was last something new in it."""
        return max((entry.updated for entry in self.entries), default=NOTHING_YET)


def feed_of_issues(issues: Iterable[Issue], language: str) -> Feed:
    """The feed of these public issues, an entry each, for readers of a language."""
    return Feed(
        id=_id(f"feed/{language}"),
        language=language,
        title=settings().publication_name,
        url=absolute_url("archive.feed", language),
        page=absolute_url("archive.front", language),
        entries=tuple(_issue_entry(issue, language) for issue in issues),
    )


def feed_of_sections(issues: Iterable[Issue], sections: Sequence[Section], language: str) -> Feed:
    """The feed of some sections: an entry per article of these public issues."""
    slugs = ",".join(section.slug for section in sections)
    titles = format_list([section.title(language) for section in sections], locale=language)
    if len(sections) == 1:
        url = absolute_url("archive.section_feed", language, slug=slugs)
        page = absolute_url("archive.section_articles", language, slug=slugs)
    else:
        url = absolute_url("archive.choice_feed", language, choice=slugs)
        page = absolute_url("archive.front", language)
    return Feed(
        id=_id(f"feed/{slugs}/{language}"),
        language=language,
        title=f"{settings().publication_name} · {titles}",
        url=url,
        page=page,
        entries=tuple(
            _article_entry(issue, article, language)
            for issue in issues
            for article in articles_in(issue, language)
        ),
    )


def write(feed: Feed) -> str:
    """The feed as XML, which can't carry some characters that a text may hold."""
    return tidy(render_template("archive/feed.xml", feed=feed))


def last_change(issue: Issue) -> datetime:
    """When there was last something new to see of a public issue."""
    return max(issue.revised_at, published_at(issue))


def _issue_entry(issue: Issue, language: str) -> Entry:
    subject = issue.subject(language, settings().default_language)
    articles = articles_in(issue, language)
    url = absolute_url("archive.issue", language, number=issue.number)
    return Entry(
        id=_id(f"issue/{issue.number}/{language}"),
        language=subject.language,
        url=url,
        title=subject.subject,
        summary=subject.preheader,
        html=render_template(
            "archive/feed_entry.html",
            issue=issue,
            articles=articles,
            url=url,
            in_feed=in_feed,
            title_in=title_in,
        ),
        published=published_at(issue),
        updated=last_change(issue),
        categories=tuple(_category(issue, article, language) for article in articles),
    )


def _article_entry(issue: Issue, article: Article, language: str) -> Entry:
    slug = article.section.slug
    url = absolute_url("archive.section", language, number=issue.number, slug=slug)
    return Entry(
        id=_id(f"issue/{issue.number}/{slug}/{language}"),
        language=article.language,
        url=url,
        title=article.headline,
        summary="",
        html=render_template(
            "archive/feed_article.html",
            article=article,
            body=in_feed(article, url),
            report=absolute_url("archive.issue", language, number=issue.number),
        ),
        published=published_at(issue),
        updated=last_change(issue),
        categories=(_category(issue, article, language),),
    )


def _category(issue: Issue, article: Article, language: str) -> Category:
    return Category(article.section.slug, title_in(issue, article.section, language))


def _id(path: str) -> str:
    """The list id stays when the site moves; the address of a page would not (RFC 4151)."""
    return f"tag:{settings().list_id},2026:{path}"
