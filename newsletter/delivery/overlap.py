"""A connection to PostgreSQL whose process has something to do while the server works."""

from collections.abc import Callable, Generator
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine

PLANNING = """
    SET plan_cache_mode = force_generic_plan;  -- planning takes longer than a small group
    SET enable_seqscan = off;  -- of a table that is small, or new, statistics mislead
    SET enable_memoize = off;  -- no row is looked up twice
"""

RV = TypeVar("RV")


class OverlappingConnection(psycopg.Connection[Any]):
    """Each statement is a transaction. Does `meanwhile`, once, when the next one is on its way."""

    meanwhile: Callable[[], None] | None = None

    @classmethod
    def like(cls, engine: Engine) -> Self:
        """Connect as an engine does, for statements that come again and name their rows."""
        arguments, options = engine.dialect.create_connect_args(engine.url)
        connection = cls.connect(*arguments, autocommit=True, **options)
        connection.execute(PLANNING)
        return connection

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
