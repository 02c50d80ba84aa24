"""Public pages may be kept for a while: they are the same for everybody."""

from datetime import datetime

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

KEEP = 300  # seconds for which a proxy or a browser need not ask again


def kept(response: Response, changed_at: datetime | None) -> AnyResponse:
    """Let proxies and browsers keep a page for a while, and then ask whether it has changed."""
    response.cache_control.public = True
    response.cache_control.max_age = KEEP
    response.last_modified = changed_at
    response.add_etag()
    return response.make_conditional(request)
