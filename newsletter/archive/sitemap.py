"""What search engines are told: every public page with its languages, and what is not for them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from flask import Response, current_app, g, render_template
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive import public
from newsletter.archive.feeds import last_change
from newsletter.archive.keeping import kept
from newsletter.archive.views import pages
from newsletter.database import db
from newsletter.issues.models import Article, Issue, Section
from newsletter.locales import LANGUAGES
from newsletter.pages import absolute_url

MOST = 50_000  # addresses in one sitemap (sitemaps.org)
CLOSED = ("/api/", "/desk", "/mailbox", "/search", "/<language>/search")  # to robots
PREFIX = re.compile(r"<[^>]*language>")  # in a rule of the router


@dataclass(frozen=True)
class Page:
    """A page at its address in each language that it is written in."""

    addresses: Mapping[str, str]
    changed_at: datetime | None


@pages.get("/sitemap.xml")
def sitemap() -> AnyResponse:
    """Every public page; the oldest issues are left out where there are too many (sitemaps.org)."""
    issues = public.all_issues()
    changed_at = max(map(last_change, issues), default=None)
    shown = islice(_pages(issues, changed_at), MOST // len(LANGUAGES))
    xml = render_template("archive/sitemap.xml", pages=shown)
    return kept(Response(xml, content_type="application/xml"), changed_at)


@pages.get("/robots.txt")
def robots() -> AnyResponse:
    """Whatever holds a reader's token is for nobody else; nor is the desk (RFC 9309)."""
    lines = (
        "User-agent: *",
        *(f"Disallow: {path}" for path in _not_for_robots()),
        f"Sitemap: {absolute_url('archive.sitemap')}",
    )
    return kept(Response("\n".join(lines) + "\n", content_type="text/plain"), None)


def _pages(issues: Iterable[Issue], changed_at: datetime | None) -> Iterator[Page]:
    for endpoint in ("archive.front", "archive.issues"):
        yield _page(endpoint, LANGUAGES, changed_at)
    yield _page("archive.about", LANGUAGES, None)
    yield _page("subscribers.subscribe", LANGUAGES, None)
    for section in g.sections:
        yield _page("archive.section_articles", LANGUAGES, changed_at, slug=section.slug)
    written = _written()
    for issue in issues:
        changed_at = last_change(issue)
        yield _page("archive.issue", issue.languages, changed_at, number=issue.number)
        for slug, languages in written.get(issue.id, {}).items():
            yield _page("archive.section", languages, changed_at, number=issue.number, slug=slug)


def _page(
    endpoint: str, languages: Iterable[str], changed_at: datetime | None, **values: str | int
) -> Page:
    written = [tag for tag in LANGUAGES if tag in languages]
    return Page({tag: absolute_url(endpoint, tag, **values) for tag in written}, changed_at)


def _written() -> dict[int, dict[str, list[str]]]:
    """The languages of every section of every public issue, by the id of the issue and slug."""
    query = (
        select(Article.issue_id, Section.slug, Article.language)
        .join(Issue, Issue.id == Article.issue_id)
        .join(Section, Section.id == Article.section_id)
        .where(public.IS_PUBLIC)
        .order_by(Section.position)
    )
    written: dict[int, dict[str, list[str]]] = {}
    for issue_id, slug, language in db.session.execute(query):
        written.setdefault(issue_id, {}).setdefault(slug, []).append(language)
    return written


def _not_for_robots() -> list[str]:
    """What addresses begin with that no robot should ask for; simple robots know no wildcards."""
    rules = [rule for rule in current_app.url_map.iter_rules() if "token" in rule.arguments]
    beginnings = (*CLOSED, *(rule.rule.partition("<token>")[0] for rule in rules))
    return sorted({PREFIX.sub(tag, path) for path in beginnings for tag in LANGUAGES})
