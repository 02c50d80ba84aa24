"""Who works at the desk: invite, change roles, let go; and the pages that their mails lead to."""

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.desk import assignments, invitations
from newsletter.desk import people as staff
from newsletter.desk.account_views import read_name, typed_password
from newsletter.desk.door import (
    current_editor,
    equally_long,
    for_admins,
    later,
    let_in,
    pages,
    seconds_to_wait,
)
from newsletter.desk.login import EditorExists, WeakPassword, account_of
from newsletter.desk.lookup import now
from newsletter.desk.models import Role
from newsletter.desk.password_reset import ask_for_reset, reset_password, who_may_reset
from newsletter.desk.second_factor import is_required
from newsletter.mail.addresses import BadAddress

PERSON = "/people/<int(max=2147483647):editor_id>"
INVITATION = "/invitation/<token>"
RESET = "/reset/<token>"


@pages.get("/people")
@for_admins
def people() -> str:
    """Everybody at the desk, and who is invited."""
    return _people_page()


@pages.post("/people/invite")
@for_admins
def invite() -> AnyResponse:
    """Invite somebody by mail."""
    address, role = request.form.get("address", ""), _role()
    if role is None:
        return Response(_people_page(error=gettext("Please choose a role.")), 400)
    try:
        with transaction():
            invitations.invite(address, read_name(), role, by=current_editor(), now=now())
    except BadAddress as error:
        return Response(_people_page(error=gettext(error.flaw.value)), error.status)
    except EditorExists as error:
        sentence = gettext("Somebody with this address works at the desk already.")
        return Response(_people_page(error=sentence), error.status)
    hint("delivery.send_notices")
    flash(gettext("The invitation is on its way. It can be taken for seven days."))
    return redirect(url_for("desk.people"), 303)


@pages.post("/people/invitations/<int(max=2147483647):invitation_id>/withdraw")
@for_admins
def withdraw(invitation_id: int) -> AnyResponse:
    """Take an invitation back."""
    with transaction():
        invitations.withdraw(invitation_id, by=current_editor(), now=now())
    flash(gettext("The invitation is withdrawn: its link leads nowhere any more."))
    return redirect(url_for("desk.people"), 303)


@pages.post(f"{PERSON}/role")
@for_admins
def change_role(editor_id: int) -> AnyResponse:
    """Let somebody do more, or less."""
    role = _role()
    if role is None:
        return Response(_people_page(error=gettext("Please choose a role.")), 400)
    with transaction():
        staff.change_role(editor_id, role, who=current_editor().address, now=now())
    return redirect(url_for("desk.people"), 303)


@pages.get(f"{PERSON}/let-go")
@for_admins
def ask_to_let_go(editor_id: int) -> str | AnyResponse:
    """Say what it means to let somebody go."""
    found = next((one for one in assignments.people() if one.id == editor_id), None)
    if found is None:
        return redirect(url_for("desk.people"), 303)
    return render_template("desk/let_go.html", person=found)


@pages.post(f"{PERSON}/let-go")
@for_admins
def let_go(editor_id: int) -> AnyResponse:
    """Close the desk to somebody, at once."""
    with transaction():
        staff.let_go(editor_id, who=current_editor().address, now=now())
    flash(gettext("The desk is closed to them; what they wrote stays."))
    return redirect(url_for("desk.people"), 303)


@pages.get(INVITATION)
def accept(token: str) -> str:
    """Ask who was invited for a name and a password."""
    with transaction():
        invitation = invitations.find_invitation(token, now=now())
    return render_template("desk/accept.html", invitation=invitation, name=invitation.name)


@pages.post(INVITATION)
def take_place(token: str) -> AnyResponse:
    """Let somebody in who was invited."""
    try:
        with transaction():
            editor = invitations.accept(token, read_name(), typed_password(), now=now())
    except WeakPassword as error:
        with transaction():
            invitation = invitations.find_invitation(token, now=now())
        html = render_template(
            "desk/accept.html",
            invitation=invitation,
            name=request.form.get("name", ""),
            error=gettext(error.flaw.value),
        )
        return Response(html, 400)
    let_in(editor, is_proved=not is_required(editor))
    return redirect(url_for("desk.set_up" if is_required(editor) else "desk.week"), 303)


@pages.get("/forgot")
def forgot() -> str:
    """Ask for the address of somebody who lost their password."""
    return render_template("desk/forgot.html")


@pages.post("/forgot")
def send_reset() -> AnyResponse:
    """Mail a link, if there is such an editor; the same answer for everybody."""
    address = request.form.get("address", "")
    if wait := seconds_to_wait(f"forgot {account_of(address)}"):
        html = render_template("desk/forgot.html", error=later(wait))
        return Response(html, 429, {"Retry-After": str(wait)})
    with equally_long(), transaction():
        ask_for_reset(address, now=now())
    hint("delivery.send_notices")
    return Response(render_template("desk/forgot.html", is_asked=True))


@pages.get(RESET)
def reset(token: str) -> str:
    """Ask for a new password."""
    return _reset_page(token)


@pages.post(RESET)
def set_password(token: str) -> AnyResponse:
    """Take a new password; one logs in with it, as always."""
    try:
        with transaction():
            reset_password(token, typed_password(), now=now())
    except WeakPassword as error:
        return Response(_reset_page(token, error=gettext(error.flaw.value)), 400)
    hint("delivery.send_notices")
    flash(gettext("The new password is set. Log in with it now."))
    return redirect(url_for("desk.login"), 303)


def _role() -> Role | None:
    typed = request.form.get("role", "")
    return Role(typed) if typed in set(Role) else None


def _reset_page(token: str, *, error: str | None = None) -> str:
    with transaction():
        found = who_may_reset(token, now=now())
    return render_template("desk/reset.html", address=found.address, error=error)


def _people_page(*, error: str | None = None) -> str:
    return render_template(
        "desk/people.html",
        people=assignments.people(),
        invitations=invitations.open_invitations(now=now()),
        roles=list(Role),
        typed=request.form,
        error=error,
    )
