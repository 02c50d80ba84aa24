"""Read the mail caught in a trial.

It holds everybody's links, so it answers this machine alone: the server must listen on loopback,
and the host asked for must be loopback too, or a page elsewhere could read it by DNS rebinding.
"""

from email.message import EmailMessage
from itertools import islice
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from newsletter.mailbox.folder import MailFolder
from newsletter.pages import HEADERS, settings
from newsletter.settings import LOOPBACK

PER_PAGE = 50
LAST_PAGE = 1_000_000
CONTENT_SECURITY = "Content-Security-Policy"
FRAMED = (
    "sandbox allow-top-navigation-by-user-activation allow-popups; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'self'"
)

pages = Blueprint("mailbox", __name__, url_prefix="/mailbox")


@pages.before_request
def answer_this_machine_alone() -> None:
    """Act as if there were nothing here for anybody else."""
    listens_on = request.environ["SERVER_NAME"]
    asked_for = urlsplit(f"//{request.host}").hostname
    if not {listens_on, asked_for} <= LOOPBACK:
        abort(404)


@pages.get("")
def messages() -> str:
    """List what was caught, the newest first, to one address if wanted."""
    address = request.args.get("to", "")
    page = min(max(1, request.args.get("page", 1, type=int)), LAST_PAGE)
    found = islice(_folder().summaries(address), (page - 1) * PER_PAGE, page * PER_PAGE + 1)
    shown = list(found)
    return render_template(
        "mailbox/messages.html",
        messages=shown[:PER_PAGE],
        address=address,
        page=page,
        has_more=len(shown) > PER_PAGE,
    )


@pages.get("/<key>")
def message(key: str) -> Response:
    """Show one message: subject, headers, both parts."""
    found = _message(key)
    html = render_template(
        "mailbox/message.html",
        key=key,
        subject=found["Subject"],
        headers=[(name, str(value)) for name, value in found.items()],
        text=_part(found, "plain"),
        has_html=_part(found, "html") is not None,
    )
    response = make_response(html)
    response.headers[CONTENT_SECURITY] = HEADERS[CONTENT_SECURITY] + "; frame-src 'self'"
    return response


@pages.get("/<key>/html")
def html_part(key: str) -> Response:
    """The HTML of a message at an address of its own: it has inline styles, our pages may not."""
    html = _part(_message(key), "html")
    if html is None:
        abort(404)
    links_leave_the_frame = html.replace("<head>", '<head><base target="_top">', 1)
    response = make_response(links_leave_the_frame)
    response.headers[CONTENT_SECURITY] = FRAMED
    return response


@pages.get("/<key>/source")
def source(key: str) -> AnyResponse:
    """A message as it came."""
    try:
        return Response(_folder().source(key), mimetype="text/plain")
    except KeyError:
        abort(404)


def _folder() -> MailFolder:
    return MailFolder(settings().mailbox_path)


def _message(key: str) -> EmailMessage:
    try:
        return _folder().message(key)
    except KeyError:
        abort(404)


def _part(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body(preferencelist=(subtype,))
    if part is None:
        return None
    content: str = part.get_content()
    return content
