"""`newsletter db`: the schema of the database."""

import click
from flask.cli import with_appcontext

from newsletter.operation import prepare_database


@click.group("db")
def database() -> None:
    """The schema of the database."""


@database.command()
@with_appcontext
def upgrade() -> None:
    """Bring the schema up to date; a new publication gets its four sections."""
    prepare_database()
    click.echo("The database is up to date.")
