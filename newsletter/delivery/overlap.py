"""A connection to PostgreSQL whose process has something to do while the server works."""

from collections.abc import Callable, Generator
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine

RV = TypeVar("RV")


class OverlappingConnection(psycopg.Connection[Any]):
    """Each statement is a transaction. Does `meanwhile`, once, when the next one is on its way."""

    meanwhile: Callable[[], None] | None = None

    @classmethod
    def like(cls, engine: Engine) -> Self:
        """Connect as an engine does."""
        arguments, options = engine.dialect.create_connect_args(engine.url)
        return cls.connect(*arguments, autocommit=True, **options)

    def wait(self, gen: PQGen[RV], *arguments: Any, **options: Any) -> RV:
        """Run a step of the driver, which says what it wants to wait for."""
        work, self.meanwhile = self.meanwhile, None
        return super().wait(_overlap(gen, work) if work else gen, *arguments, **options)


def _overlap(steps: PQGen[RV], work: Callable[[], None]) -> Generator[Any, Any, RV]:
    """Work before the first wait: by then everything was said to the server."""
    try:
        awaited = next(steps)
        work()
        while True:
            awaited = steps.send((yield awaited))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # what the driver's step gives
