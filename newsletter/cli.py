"""The command line: a noun, a verb, the same functions as the web."""

import sys

import click
from flask.cli import FlaskGroup

from newsletter import create_app
from newsletter.settings import SettingsError


@click.group(
    cls=FlaskGroup,
    create_app=create_app,
    add_default_commands=False,
    add_version_option=False,
)
def newsletter() -> None:
    """A weekly publication in sections, by mail and on the web."""


def main() -> None:
    """Run the command line; a wrong setting is one line."""
    try:
        newsletter()
    except SettingsError as error:
        click.echo(f"newsletter: {error}", err=True)
        sys.exit(1)
