"""What all commands share: the application around them, and a no that is clear."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import update_wrapper
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError

from newsletter.errors import NewsletterError
from newsletter.operation import is_database_current
from newsletter.settings import SettingsError

Command = Callable[..., Any]


class Refusal(click.ClickException):
    """What went wrong, in a line of its own for each thing; exit status 1."""

    def show(self, file: Any = None) -> None:
        """Say it on stderr."""
        click.echo(f"newsletter: {self.message}", file=file, err=True)


class Interrupted(Refusal):
    """Ctrl-C, and what has become of the work; exit status as a shell has it for SIGINT."""

    exit_code = 130


class Refusing(click.Group):
    """A group in which an expected no is a line on stderr, not a stack trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (NewsletterError, SettingsError) as error:
            raise Refusal(str(error)) from error
        except (click.UsageError, Refusal):
            raise
        except click.ClickException as error:
            raise Refusal(error.message) from error
        except DBAPIError as error:
            raise Refusal(f"the database refuses: {_first_line(error.orig)}") from error
        except BrokenPipeError:
            raise  # who reads us has seen enough; click ends without a word
        except OSError as error:
            raise Refusal(_reason(error)) from error
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted") from error


class Noun(click.Group):
    """Commands that work in the application, on a database whose schema is today's."""

    def verb(self, function: Command) -> click.Command:
        """Add a command of the function's name, with hyphens; a trailing underscore is dropped."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if not is_database_current():
                raise Refusal("the database is not up to date; run `newsletter db upgrade`")
            return function(*args, **kwargs)

        name = function.__name__.removesuffix("_").replace("_", "-")
        return self.command(name)(with_appcontext(update_wrapper(run, function)))


def now() -> datetime:
    """The clock of the command line."""
    return datetime.now(UTC)


def _reason(error: OSError) -> str:
    sentence = error.strerror or str(error)
    return f"{error.filename}: {sentence}" if error.filename else sentence


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "it does not say why"
