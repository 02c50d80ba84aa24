"""What all pages of readers share: their blueprint, and the care for addresses that hold a token.

GET shows and POST acts, because link scanners open every link in every mail. The token in the
path is all the authority that is needed: no cookie, no session, nothing to log in to.
"""

from flask import Response, g, request

from newsletter.database import db
from newsletter.locales import offered_or
from newsletter.pages import ReaderPages, settings
from newsletter.subscribers.models import Subscriber

pages = ReaderPages("subscribers", __name__)


@pages.after_request
def keep_private(response: Response) -> Response:
    """A page with somebody's token in its address is kept by nobody."""
    if "token" in (request.view_args or {}):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Robots-Tag"] = "noindex"
    return response


def language_of(subscriber_id: int) -> str:
    """The language that a reader chose, or the publication's own."""
    subscriber = db.session.get(Subscriber, subscriber_id)  # and what they chose, in one question
    g.subscriber = subscriber  # the session alone would forget it, and ask again
    chosen = subscriber.subscription if subscriber else None
    return offered_or(chosen.language if chosen else None, settings().default_language)
