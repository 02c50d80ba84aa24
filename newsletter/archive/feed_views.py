"""The feeds, for programs that fetch what is new (Atom, RFC 4287)."""

from collections.abc import Sequence

from flask import Response, abort, g
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive import public
from newsletter.archive.choosing import newest_with, sections_named, slugs_in
from newsletter.archive.feeds import ENTRIES, Feed, feed_of_issues, feed_of_sections, write
from newsletter.archive.keeping import kept
from newsletter.archive.views import pages
from newsletter.pages import page_language


@pages.page("/feed.xml")
def feed() -> AnyResponse:
    """The newest issues in full."""
    return _answer(feed_of_issues(public.newest_in_full(ENTRIES), page_language()))


@pages.page("/sections/<slug>/feed.xml")
def section_feed(slug: str) -> AnyResponse:
    """What the newest issues say in one section."""
    return _feed_of([slug])


@pages.page("/feeds/<choice>.xml")
def choice_feed(choice: str) -> AnyResponse:
    """What the newest issues say in a choice of sections: their slugs, with commas between."""
    return _feed_of(slugs_in([choice]))


def _feed_of(slugs: Sequence[str]) -> AnyResponse:
    sections = sections_named(slugs, g.sections) or abort(404)
    issues = newest_with(sections, ENTRIES)
    return _answer(feed_of_sections(issues, sections, page_language()))


def _answer(feed: Feed) -> AnyResponse:
    response = Response(write(feed), content_type="application/atom+xml")
    return kept(response, feed.updated if feed.entries else None)
