"""The pictures in articles, for everyone; what stands at an address never changes."""

from flask import Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive.views import pages
from newsletter.issues.images import EXTENSIONS, KEY_LENGTH, find_size
from newsletter.pages import FOR_EVER

KEY = f"<string(length={KEY_LENGTH}):key>"
EXTENSION = f"<any({','.join(EXTENSIONS.values())}):extension>"
WIDEST = 9999


@pages.get(f"/images/{KEY}.{EXTENSION}")
@pages.get(f"/images/{KEY}-<int(max={WIDEST}):width>.{EXTENSION}")
def image(key: str, extension: str, width: int | None = None) -> AnyResponse:
    """An image in a width, or in its largest."""
    size = find_size(key, width, extension) or abort(404)
    response = Response(size.data, content_type=size.media_type)
    response.headers["Cache-Control"] = FOR_EVER
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # mails and feeds show it
    response.set_etag(f"{key}-{size.width}")
    return response.make_conditional(request)
