"""The feeds, for programs that fetch what is new (Atom, RFC 4287)."""

from flask import Response
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive import public
from newsletter.archive.feeds import ENTRIES, atom, last_change
from newsletter.archive.keeping import kept
from newsletter.archive.views import pages
from newsletter.pages import page_language


@pages.page("/feed.xml")
def feed() -> AnyResponse:
    """The newest issues in full."""
    newest = public.newest_in_full(ENTRIES)
    response = Response(atom(newest, page_language()), content_type="application/atom+xml")
    return kept(response, max(map(last_change, newest), default=None))
