"""The command line: a noun, a verb, the same functions as the web."""

import sys

import click

from newsletter.run import service
from newsletter.settings import SettingsError


@click.group()
def newsletter() -> None:
    """A weekly publication in sections, by mail and on the web."""


@newsletter.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where the web server listens."
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def run(host: str, port: int) -> None:
    """Run everything: web, workers, clock, Valkey, and in a trial the mail catcher."""
    service.run(host, port)


def main() -> None:
    """Run the command line; a wrong setting is one line."""
    try:
        newsletter()
    except SettingsError as error:
        click.echo(f"newsletter: {error}", err=True)
        sys.exit(1)
