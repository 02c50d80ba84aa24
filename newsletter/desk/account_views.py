"""One's own account: password, second factor, sessions."""

import io
from collections.abc import Callable
from functools import cache
from zoneinfo import available_timezones

import segno
from flask import Response, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter import audit
from newsletter.background import hint
from newsletter.database import transaction
from newsletter.desk import second_factor as factor
from newsletter.desk.door import (
    LONGEST_PASSWORD,
    WANTED,
    current_editor,
    current_session,
    forget_tries,
    gave_password_lately,
    later,
    let_in,
    note_password,
    page_at_the_desk,
    pages,
    seconds_to_wait,
    speak_to,
    warn_owner,
)
from newsletter.desk.door_mails import News, tell
from newsletter.desk.login import Flaw, WeakPassword, change_password, check_password
from newsletter.desk.lookup import now
from newsletter.desk.models import Editor
from newsletter.desk.second_factor import WrongCode
from newsletter.desk.sessions import end_session, end_sessions, sessions_of
from newsletter.issues.markdown import tidy
from newsletter.locales import LANGUAGES

SECRET = "secret"  # noqa: S105 - in the cookie: what a phone is being told
LONGEST_CODE = 50  # characters, with blanks and hyphens
LONGEST_NAME = 80  # characters


@pages.get("/account")
def account() -> str:
    """Who one is here, and where one is logged in."""
    return _account_page()


@pages.post("/account/name")
def change_name() -> AnyResponse:
    """Be called otherwise on the pages of the desk."""
    editor, name = current_editor(), read_name()
    with transaction():
        editor.name = name
        audit.note(editor.address, f"Is called {editor.called} now.", now=now())
    flash(gettext("That is how the others see you now."))
    return redirect(url_for("desk.account"), 303)


@pages.post("/account/clock")
def change_clock() -> AnyResponse:
    """Have the desk in another language, and its times by another clock."""
    editor, language = current_editor(), request.form.get("language", "")
    zone = request.form.get("time_zone", "").strip()
    if zone and zone not in time_zones():
        sentence = gettext("Please choose a time zone from the list, such as Africa/Tripoli.")
        return Response(_account_page(zone_error=sentence), 400)
    with transaction():
        editor.language = language if language in LANGUAGES else None
        editor.time_zone = zone or None
        audit.note(editor.address, _clock_in_words(editor), now=now())
    speak_to(editor)
    flash(gettext("That is how the desk speaks to you now."))
    return redirect(url_for("desk.account"), 303)


@pages.post("/account/password")
def new_password() -> AnyResponse:
    """Choose another password; ends all other sessions."""
    editor = current_editor()
    if wait := seconds_to_wait(editor.address_key):
        return Response(_account_page(error=later(wait)), 429, {"Retry-After": str(wait)})
    old = request.form.get("old", "")[:LONGEST_PASSWORD]
    if check_password(editor.address, old) is None:
        return Response(_account_page(error=gettext("This is not your old password.")), 400)
    forget_tries(editor.address_key)
    try:
        with transaction():
            change_password(editor, typed_password())
            tell(editor, News.PASSWORD_CHANGED, now=now())
            audit.note(editor.address, "Changed their password.", now=now())
    except WeakPassword as error:
        return Response(_account_page(error=gettext(error.flaw.value)), 400)
    hint("delivery.send_notices")
    let_in(editor, is_proved=True)
    flash(gettext("From now on the new password lets you in. Elsewhere you are logged out."))
    return redirect(url_for("desk.account"), 303)


@pages.post("/account/sessions/<int(max=2147483647):session_id>/end")
def end_one(session_id: int) -> AnyResponse:
    """Log out in another browser."""
    editor = current_editor()
    with transaction():
        end_session(editor.id, session_id)
        audit.note(editor.address, "Logged out in another browser.", now=now())
    flash(gettext("That browser is logged out."))
    return redirect(url_for("desk.account"), 303)


@pages.post("/account/sessions/end")
def end_others() -> AnyResponse:
    """Log out in all other browsers."""
    editor = current_editor()
    with transaction():
        end_sessions(editor.id, but=current_session().id)
        audit.note(editor.address, "Logged out in all other browsers.", now=now())
    flash(gettext("All other browsers are logged out."))
    return redirect(url_for("desk.account"), 303)


@pages.get("/second-factor")
def second_factor() -> str | AnyResponse:
    """Ask for a code."""
    if current_editor().totp_secret is None:
        return redirect(url_for("desk.set_up"), 303)
    return render_template("desk/second_factor.html")


@pages.post("/second-factor")
def prove() -> AnyResponse:
    """Let somebody in who has the second factor."""
    editor = current_editor()
    counted = f"code {editor.id}"
    if wait := seconds_to_wait(counted):
        warn_owner(editor)  # who tries at codes has the password
        html = render_template("desk/second_factor.html", error=later(wait))
        return Response(html, 429, {"Retry-After": str(wait)})
    try:
        with transaction():
            is_spare = factor.prove(current_session(), _code(), now=now())
            if is_spare:
                tell(editor, News.CODE_USED, now=now())
                audit.note(editor.address, "Came in by a recovery code.", now=now())
    except WrongCode:
        sentence = gettext("This code does not fit, or was used already. Wait for the next one.")
        return Response(render_template("desk/second_factor.html", error=sentence), 400)
    forget_tries(counted)
    if is_spare:
        hint("delivery.send_notices")
    return redirect(page_at_the_desk(session.pop(WANTED, "")), 303)


@pages.get("/second-factor/set-up")
def set_up() -> str | AnyResponse:
    """Show what a phone needs to know; the secret counts only once a code was shown."""
    if current_editor().totp_secret:
        return redirect(url_for("desk.account"), 303)
    session.setdefault(SECRET, factor.new_secret())
    return _set_up_page()


@pages.get("/second-factor/picture.svg")
def picture() -> AnyResponse:
    """The picture that a phone reads the secret from: made here, kept nowhere."""
    secret = session.get(SECRET)
    if secret is None:
        return redirect(url_for("desk.set_up"), 303)
    drawn = io.BytesIO()
    made = segno.make(factor.address_of(current_editor(), secret), error="m")
    made.save(drawn, kind="svg", scale=5, border=4, dark="#000", light="#fff", svgclass=None)
    return Response(drawn.getvalue(), content_type="image/svg+xml")


@pages.post("/second-factor/set-up")
def take_second_factor() -> AnyResponse:
    """Take the second factor once a code of it fits, and show the recovery codes this once.

    The password too is asked for, unless it was given a moment ago: who finds a browser that
    somebody left logged in cannot make the account theirs.
    """
    editor, secret = current_editor(), session.get(SECRET)
    if secret is None or editor.totp_secret:
        return redirect(url_for("desk.set_up"), 303)
    if not gave_password_lately() and (refused := _refused_password(_set_up_page)):
        return refused
    try:
        with transaction():
            codes = factor.set_up(editor, secret, _code(), now=now())
            current_session().proved_at = now()
            end_sessions(editor.id, but=current_session().id)  # they began with less
            tell(editor, News.SECOND_FACTOR_SET_UP, now=now())
            audit.note(editor.address, "Set up their second factor.", now=now())
    except WrongCode:
        sentence = gettext("This code does not fit. Is the clock of your phone right?")
        return Response(_set_up_page(error=sentence), 400)
    del session[SECRET]
    hint("delivery.send_notices")
    return Response(_codes_page(codes))


@pages.post("/account/second-factor/off")
def turn_off() -> AnyResponse:
    """Do without the second factor, after the password; where it is required, set up another."""
    return _with_password(_turn_off)


@pages.post("/account/recovery-codes")
def new_codes() -> AnyResponse:
    """Ten new recovery codes, after the password."""
    return _with_password(_new_codes)


def typed_password() -> str:
    """The password typed twice; raises `WeakPassword` if they differ."""
    password = request.form.get("password", "")[:LONGEST_PASSWORD]
    if password != request.form.get("again", "")[:LONGEST_PASSWORD]:
        raise WeakPassword(Flaw.UNLIKE)
    return password


def read_name() -> str:
    """A name as it was typed, in one line."""
    return " ".join(tidy(request.form.get("name", "")).split())[:LONGEST_NAME]


def _with_password(act: Callable[[Editor], AnyResponse]) -> AnyResponse:
    if refused := _refused_password(_account_page):
        return refused
    answer = act(current_editor())
    hint("delivery.send_notices")
    return answer


def _refused_password(page: Callable[..., str]) -> AnyResponse | None:
    """The page again, unless the password in the form is that of whoever is here."""
    editor = current_editor()
    if wait := seconds_to_wait(editor.address_key):
        return Response(page(error=later(wait)), 429, {"Retry-After": str(wait)})
    typed = request.form.get("old", "")[:LONGEST_PASSWORD]
    if check_password(editor.address, typed) is None:
        return Response(page(error=gettext("This is not your password.")), 400)
    forget_tries(editor.address_key)
    note_password()
    return None


def _turn_off(editor: Editor) -> AnyResponse:
    with transaction():
        factor.turn_off(editor)
        end_sessions(editor.id, but=current_session().id)
        tell(editor, News.SECOND_FACTOR_OFF, now=now())
        audit.note(editor.address, "Turned their second factor off.", now=now())
    flash(gettext("The second factor is off. Set up another one now."))
    return redirect(url_for("desk.set_up"), 303)


def _new_codes(editor: Editor) -> AnyResponse:
    if editor.totp_secret is None:
        return redirect(url_for("desk.set_up"), 303)
    with transaction():
        codes = factor.make_recovery_codes(editor)
        tell(editor, News.CODES_MADE, now=now())
        audit.note(editor.address, "Made their recovery codes anew.", now=now())
    return Response(_codes_page(codes))


@cache
def time_zones() -> tuple[str, ...]:
    """The zones of places, by their names in the tz database."""
    return tuple(
        sorted(name for name in available_timezones() if "/" in name and name[:4] != "Etc/")
    )


def _clock_in_words(editor: Editor) -> str:
    language, zone = (one or "the publication's" for one in (editor.language, editor.time_zone))
    return f"Has the desk in this language: {language}; by this clock: {zone}."


def _account_page(*, error: str | None = None, zone_error: str | None = None) -> str:
    editor = current_editor()
    return render_template(
        "desk/account.html",
        zones=time_zones(),
        zone_error=zone_error,
        chosen=request.form if zone_error else editor,
        sessions=sessions_of(editor, now=now()),
        here=current_session().id,
        error=error,
    )


def _set_up_page(*, error: str | None = None) -> str:
    return render_template(
        "desk/set_up.html",
        secret=session[SECRET],
        is_required=factor.is_required(current_editor()),
        asks_password=not gave_password_lately(),
        error=error,
    )


def _codes_page(codes: list[str]) -> str:
    wanted = page_at_the_desk(session.pop(WANTED, ""))
    return render_template("desk/recovery_codes.html", codes=codes, wanted=wanted)


def _code() -> str:
    return request.form.get("code", "")[:LONGEST_CODE]
