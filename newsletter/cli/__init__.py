"""The command line: a noun, a verb, the same functions as the web.

Results go to stdout, progress and complaints to stderr. Exit status 0; 1 for a refusal, in one
clear line; 2 for wrong usage.
"""

import click
from flask.cli import ScriptInfo

from newsletter import create_app
from newsletter.cli import steering as _steering  # noqa: F401  # adds its verbs to `issue`
from newsletter.cli.database import database
from newsletter.cli.editor import editor
from newsletter.cli.issue import issue
from newsletter.cli.nouns import Refusing
from newsletter.cli.subscriber import subscriber
from newsletter.demo import story
from newsletter.run import service

PORT = click.IntRange(0, 65535)


@click.group(cls=Refusing)
def newsletter() -> None:
    """A weekly publication in sections, by mail and on the web."""


@newsletter.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where the web server listens."
)
@click.option("--port", default=8000, show_default=True, type=PORT, help="0 for any free one.")
def run(host: str, port: int) -> None:
    """Run everything: web, workers, clock, Valkey, and in a trial the mail catcher."""
    service.run(host, port)


@newsletter.command()
@click.option("--port", type=PORT, help="Default: 8000, or a free one.")
@click.option(
    "--exit", "ends", is_flag=True, help="End after the story, without waiting for Ctrl-C."
)
def demo(port: int | None, *, ends: bool) -> None:
    """Show the main job from signing up to the sent issue, on data made anew each time."""
    story.tell(port, ends=ends)


for noun in (database, editor, issue, subscriber):
    newsletter.add_command(noun)


def main() -> None:
    """Run the command line."""
    newsletter(obj=ScriptInfo(create_app=create_app, set_debug_flag=False), prog_name="newsletter")
