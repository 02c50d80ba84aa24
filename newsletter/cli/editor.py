"""`newsletter editor`: who works at the desk."""

import secrets
import sys

import click

from newsletter.cli.nouns import Noun, now
from newsletter.database import transaction
from newsletter.desk.login import add_editor
from newsletter.desk.models import Role
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
    click.echo(f"{added.address} may work at the desk now, as {added.role}.")
    if not password:
        click.echo(f"Password: {made_up}")


def _ask_for_password() -> str:
    if not sys.stdin.isatty():
        return ""
    answer: str = click.prompt(
        "Password (empty: one is made up)",
        default="",
        show_default=False,
        hide_input=True,
        confirmation_prompt=True,
        err=True,
    )
    return answer
