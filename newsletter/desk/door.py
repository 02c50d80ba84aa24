"""The door of the desk: nobody passes unknown, and no form without its token.

Every page of the blueprint is closed unless it stands in `OPEN`; what sends mail is closed to
authors by `may_send`, and what concerns people and settings to all but admins by `for_admins`.
Who has shown the password and not yet the second factor sees what is `HALF_OPEN`, nothing else.
Nothing here is kept by a browser or a proxy.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Any, cast

from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_babel import gettext, ngettext, refresh
from werkzeug.wrappers import Response as AnyResponse

from newsletter.background import hint
from newsletter.database import end_read, transaction
from newsletter.desk import second_factor
from newsletter.desk.door_mails import tell_of_tries
from newsletter.desk.known_browser import is_known, know_this_browser
from newsletter.desk.login import account_of, check_password, csrf, editor_at
from newsletter.desk.menu import menu
from newsletter.desk.models import Editor, EditorSession
from newsletter.desk.sessions import (
    SEEN_EVERY,
    end_session,
    note_seen,
    open_session,
    session_of,
)
from newsletter.desk.throttle import LoginLimits
from newsletter.errors import NewsletterError
from newsletter.locales import LANGUAGES
from newsletter.pages import HEADERS, moment, page_zone

OPEN = {
    *("desk.login", "desk.log_in", "desk.forgot", "desk.send_reset", "desk.reset"),
    *("desk.set_password", "desk.accept", "desk.take_place"),
}
TO_PROVE = {"desk.second_factor", "desk.prove"}
TO_SET_UP = {"desk.set_up", "desk.take_second_factor", "desk.picture"}
HALF_OPEN = TO_PROVE | TO_SET_UP | {"desk.log_out"}
KEY = "key"  # in the cookie: what the session is known by
WANTED = "wanted"  # in the cookie: the page somebody was on the way to
PASSWORD_AT = "password_at"  # noqa: S105  # in the cookie: when it was given last
FRESH = 600  # seconds
LONGEST_PASSWORD = 1000  # characters; nobody types more
SECONDS_FOR_A_MAIL = 0.1  # more than it takes to write one
HEADERS_HERE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": HEADERS["Content-Security-Policy"] + "; frame-src 'self'",
    "Referrer-Policy": "same-origin",  # over https a form must say where it comes from
    "X-Robots-Tag": "noindex",
}

pages = Blueprint("desk", __name__, url_prefix="/desk")


class NotAllowed(NewsletterError):
    """The editor's role does not reach so far."""

    page = "not_allowed"
    status = 403


def current_editor() -> Editor:
    """Who is at the desk; there is somebody on every page that is not `OPEN`."""
    return current_session().editor


def current_session() -> EditorSession:
    """The session of whoever is at the desk."""
    return cast(EditorSession, g.editor_session)


def may_send(view: Callable[..., Any]) -> Callable[..., Any]:
    """Close a page to authors; raises `NotAllowed`."""

    @wraps(view)
    def guarded(*args: object, **kwargs: object) -> Any:
        if not current_editor().may_send:
            raise NotAllowed("Authors look and upload; sending is for editors.")
        return view(*args, **kwargs)

    return guarded


def for_admins(view: Callable[..., Any]) -> Callable[..., Any]:
    """Close a page to authors and editors; raises `NotAllowed`."""

    @wraps(view)
    def guarded(*args: object, **kwargs: object) -> Any:
        if not current_editor().is_admin:
            raise NotAllowed("This is for admins.")
        return view(*args, **kwargs)

    return guarded


@pages.before_request
def ask_who_it_is() -> AnyResponse | None:
    """Send whoever is unknown to the login page, and refuse a form that is not ours."""
    key = session.get(KEY)
    g.editor_session = session_of(key, now=datetime.now(UTC)) if key else None
    if g.editor_session:
        speak_to(current_editor())
    if request.endpoint not in OPEN and (wanted := _where_to_first()):
        return redirect(wanted, 303)
    end_read()  # the rest of a large form may come slowly
    csrf.protect()
    return None


def speak_to(editor: Editor) -> None:
    """Make the page in the language of an editor, and by their clock."""
    g.language = editor.language if editor.language in LANGUAGES else None
    g.time_zone = editor.time_zone
    refresh()


def _where_to_first() -> str | None:
    """The page to be passed before the one that is asked for, if there is one."""
    if g.editor_session is None:
        here = request.full_path.rstrip("?") if request.method == "GET" else None
        return url_for("desk.login", next=here)
    _note_seen(current_session())
    has_one = current_editor().totp_secret is not None
    is_enough = has_one or not second_factor.is_required(current_editor())
    if current_session().proved_at and is_enough:
        return None
    if request.endpoint in HALF_OPEN - (TO_SET_UP if has_one else TO_PROVE):
        return None
    return url_for("desk.second_factor" if has_one else "desk.set_up")


def _note_seen(found: EditorSession) -> None:
    """Keep to the minute when a session was last used, for the list of its owner."""
    now = datetime.now(UTC)
    if now - found.seen_at > SEEN_EVERY:
        with transaction():
            note_seen(found.id, now=now)


@pages.after_request
def keep_private(response: Response) -> Response:
    """No cache keeps a page of the desk; it may frame what we serve, and nothing may frame it."""
    for name, value in HEADERS_HERE.items():
        response.headers.setdefault(name, value)
    return response


@pages.context_processor
def everywhere() -> dict[str, Any]:
    """What every page of the desk shows; refusals too stand in its frame."""
    editor = current_editor() if g.get("editor_session") else None
    return {
        "frame": "desk/layout.html",
        "editor": editor,
        "menu": menu(editor) if editor else [],
        "moment": moment,
        "time_zone": page_zone(),
    }


@pages.get("/login")
def login() -> str:
    """Ask for address and password."""
    return render_template("desk/login.html", next=request.args.get("next", ""), address="")


@pages.post("/login")
def log_in() -> AnyResponse:
    """Let an editor in, to the page they asked for; the same answer for whatever is wrong."""
    address, password = request.form.get("address", ""), request.form.get("password", "")
    account = account_of(address)
    if wait := seconds_to_wait(account):
        warn_owner(editor_at(address))
        return _ask_again(429, later(wait), {"Retry-After": str(wait)})
    editor = check_password(address, password[:LONGEST_PASSWORD])
    if editor is None:
        return _ask_again(401, gettext("Address and password do not match."))
    forget_tries(account)
    needs_more = editor.totp_secret is not None or second_factor.is_required(editor)
    let_in(editor, is_proved=not needs_more)
    here = page_at_the_desk(request.form.get("next", ""))
    session[WANTED] = here
    return redirect(url_for("desk.second_factor") if needs_more else here, 303)


def let_in(editor: Editor, *, is_proved: bool) -> None:
    """Begin a session in this browser; whoever planted one before gets nothing by it."""
    with transaction():
        key = open_session(
            editor, request.user_agent.string, is_proved=is_proved, now=datetime.now(UTC)
        )
    session.clear()
    session.permanent = True
    session[KEY] = key
    note_password()
    know_this_browser(editor.address_key)


def note_password() -> None:
    """Remember in the cookie that the password was given just now."""
    session[PASSWORD_AT] = int(time.time())


def gave_password_lately() -> bool:
    """Whether the password was given a moment ago, so that nobody need ask for it again."""
    return time.time() - cast(int, session.get(PASSWORD_AT, 0)) < FRESH


@pages.post("/logout")
def log_out() -> AnyResponse:
    """End this session: a copied cookie is worth nothing."""
    with transaction():
        end_session(current_editor().id, current_session().id)
    session.clear()
    return redirect(url_for("desk.login"), 303)


def _ask_again(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    html = render_template(
        "desk/login.html",
        next=request.form.get("next", ""),
        address=request.form.get("address", ""),
        error=sentence,
    )
    return Response(html, status, headers)


def later(seconds: int) -> str:
    """How long to wait, in words."""
    minutes = -(-seconds // 60)
    sentence: str = ngettext(
        "Too many tries. Please wait a minute.",
        "Too many tries. Please wait %(num)d minutes.",
        minutes,
    )
    return sentence


def page_at_the_desk(wanted: str) -> str:
    """The page somebody was on the way to, if it is one of ours."""
    is_ours = wanted.startswith(url_for("desk.week")) and wanted.isprintable()
    return wanted if is_ours else url_for("desk.week")


def seconds_to_wait(account: str) -> int:
    """Count a try at an account from here; 0 if it may be made."""
    return _limits().seconds_to_wait(account, request.remote_addr, is_known=is_known(account))


def forget_tries(account: str) -> None:
    """Count anew for somebody who got in."""
    _limits().forget(account, request.remote_addr, is_known=is_known(account))


def warn_owner(editor: Editor | None) -> None:
    """Let somebody know that their account is tried at, if it is an account."""
    with equally_long():
        if editor:
            with transaction():
                tell_of_tries(editor, now=datetime.now(UTC))
    hint("delivery.send_notices")


@contextmanager
def equally_long() -> Iterator[None]:
    """Take as long if a mail is written as if none is: time would tell who works here."""
    done_at = time.monotonic() + SECONDS_FOR_A_MAIL
    yield
    time.sleep(max(0.0, done_at - time.monotonic()))


def _limits() -> LoginLimits:
    return cast(LoginLimits, current_app.extensions["login_limits"])
