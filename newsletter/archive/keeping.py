"""Public pages are the same for everybody: made once, kept here, by proxies and by browsers.

What they say changes only when an issue becomes public, or a section is called otherwise. Both
show in the `Stamp` of the archive, which is asked for with the first statement of every page.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import cast

from flask import Response, current_app, g, request
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive.sections import Stamp

KEEP = 300  # seconds for which a proxy or a browser need not ask again
ROOM = 32 * 1024 * 1024  # octets of finished pages in each web process
LONGEST_KEY = 300  # characters of an address; ours are shorter


@dataclass(frozen=True)
class Page:
    """A finished page."""

    body: bytes
    headers: Headers


class Shelf:
    """The finished pages of one web process; the longest unused ones make room for others."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._octets = 0
        self._stamp: Stamp | None = None
        self._lock = Lock()

    def find(self, address: str, stamp: Stamp) -> Page | None:
        """The page as it was made, unless the archive has changed since."""
        with self._lock:
            if stamp != self._stamp:
                self._pages.clear()
                self._octets, self._stamp = 0, stamp
            page = self._pages.get(address)
            if page:
                self._pages.move_to_end(address)
            return page

    def put(self, address: str, stamp: Stamp, page: Page) -> None:
        """Keep a page that was made of an archive that had this stamp."""
        if len(address) > LONGEST_KEY or len(page.body) > self._room:
            return
        with self._lock:
            if stamp != self._stamp or address in self._pages:
                return
            self._pages[address] = page
            self._octets += len(page.body)
            while self._octets > self._room:
                _, oldest = self._pages.popitem(last=False)
                self._octets -= len(oldest.body)


def kept(response: Response, changed_at: datetime | None) -> AnyResponse:
    """Keep a page here, and let proxies and browsers keep it for a while and then ask again."""
    response.cache_control.public = True
    response.cache_control.max_age = KEEP
    response.last_modified = changed_at
    response.add_etag()
    page = Page(response.get_data(), response.headers.copy())
    _shelf().put(request.full_path, g.archive_stamp, page)
    return response.make_conditional(request)


def from_shelf() -> AnyResponse | None:
    """The answer to this request, if it was made before and is still true."""
    if page := _shelf().find(request.full_path, g.archive_stamp):
        return Response(page.body, headers=page.headers).make_conditional(request)
    return None


def _shelf() -> Shelf:
    return cast(Shelf, current_app.extensions["shelf"])
