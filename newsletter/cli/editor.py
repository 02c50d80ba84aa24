"""`newsletter editor`: who works at the desk."""

import secrets
import sys

import click

from newsletter import audit
from newsletter.cli.nouns import Noun, Refusal, now
from newsletter.database import end_read, transaction
from newsletter.desk import assignments, people
from newsletter.desk.door_mails import News, tell
from newsletter.desk.login import add_editor, change_password, editor_at
from newsletter.desk.models import Editor, Role
from newsletter.desk.second_factor import turn_off
from newsletter.desk.sessions import end_sessions
from newsletter.mail.addresses import parse_address

PASSWORD_BYTES = 12


@click.group(cls=Noun)
def editor() -> None:
    """Who works at the desk."""


@editor.verb
@click.argument("address")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.EDITOR.value,
    show_default=True,
    help="What they may do.",
)
def add(address: str, role: str) -> None:
    """Let somebody in at the desk.

    Asks for a password; makes one up and prints it when there is nobody to ask.
    """
    parse_address(address)  # before anybody thinks of a password
    password = _ask_for_password()
    made_up = password or secrets.token_urlsafe(PASSWORD_BYTES)
    with transaction():
        added = add_editor(address, Role(role), made_up, now=now())
        audit.note(audit.COMMAND_LINE, f"Let {added.address} in as {role}.", now=now())
    click.echo(f"{added.address} may work at the desk now, as {added.role}.")
    if not password:
        click.echo(f"Password: {made_up}")


@editor.verb
def list_() -> None:
    """Who works at the desk, with their roles."""
    for one in assignments.people():
        factor = "second factor on" if one.totp_secret else "no second factor"
        click.echo(f"{one.address}  {one.role}  {factor}")


@editor.verb
@click.argument("address")
def end(address: str) -> None:
    """Close the desk to somebody, at once."""
    with transaction():
        people.let_go(_known(address).id, who=audit.COMMAND_LINE, now=now())
    click.echo(f"The desk is closed to {address}.")


@editor.verb
@click.argument("address")
def reset_password(address: str) -> None:
    """Give somebody another password, and log them out wherever they are."""
    found = _known(address)
    password = _ask_for_password()
    made_up = password or secrets.token_urlsafe(PASSWORD_BYTES)
    with transaction():
        change_password(found, made_up)
        tell(found, News.PASSWORD_CHANGED, now=now())
        audit.note(audit.COMMAND_LINE, f"Gave {found.address} a new password.", now=now())
    click.echo(f"{found.address} has another password now.")
    if not password:
        click.echo(f"Password: {made_up}")


@editor.verb
@click.argument("address")
def forget_second_factor(address: str) -> None:
    """Let somebody in who lost their phone and their codes; they set up another one."""
    found = _known(address)
    with transaction():
        turn_off(found)
        end_sessions(found.id)
        tell(found, News.SECOND_FACTOR_OFF, now=now())
        audit.note(audit.COMMAND_LINE, f"Forgot {found.address}'s second factor.", now=now())
    click.echo(f"{found.address} sets up a new second factor at their next login.")


def _known(address: str) -> Editor:
    found = editor_at(address)
    if found is None:
        raise Refusal(f"nobody works at the desk under {address}; see `newsletter editor list`")
    return found


def _ask_for_password() -> str:
    if not sys.stdin.isatty():
        return ""
    end_read()
    answer: str = click.prompt(
        "Password (empty: one is made up)",
        default="",
        show_default=False,
        hide_input=True,
        confirmation_prompt=True,
        err=True,
    )
    return answer
