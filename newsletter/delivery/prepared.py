"""Statements of the sending path, compiled once and run past SQLAlchemy's execution.

What SQLAlchemy does around a statement, a session and its pool costs a sender more than the
statement itself, and they come with every group.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import CompoundSelect, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor

from newsletter.database import UtcDateTime, db

Statement = Insert | Update | Select[*tuple[Any, ...]] | CompoundSelect[Any]

_TIME = UtcDateTime()


class _Compiled(NamedTuple):
    """A statement for one database: its text, what is always the same in it, how to give the rest.

    `order` names the parameters one by one where they have no names in the text.
    """

    text: str
    constants: dict[str, Any]
    processors: Mapping[str, Callable[[Any], Any] | None]
    order: list[str] | None


class Pen(NamedTuple):
    """What statements are written with: a cursor of the driver, and which database it is."""

    cursor: DBAPICursor
    dialect: Dialect

    def read_time(self, value: Any) -> datetime | None:
        """A time as the driver gives it, with its zone."""
        if value is None:
            return None
        read = _TIME.dialect_impl(self.dialect).result_processor(self.dialect, None)
        return cast(datetime, read(value) if read else value)


def session_pen() -> Pen:
    """A pen in the open transaction of the session."""
    connection = db.session.connection()
    return Pen(connection.connection.cursor(), connection.dialect)


class Prepared:
    """One statement with named parameters; errors are those of the database's own driver."""

    def __init__(
        self, statement: Insert | Update | Select[*tuple[Any, ...]] | CompoundSelect[Any]
    ) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, pen: Pen, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it; gives what it returns as the driver gives it, times in its own way."""
        self.run(pen, values)
        return list(pen.cursor.fetchall())

    def row(self, pen: Pen, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run it; gives the first of `rows`, None if there is none."""
        return next(iter(self.rows(pen, values)), None)

    def run(self, pen: Pen, values: Mapping[str, Any]) -> int:
        """Run it; says how many rows it changed.

        Where that is enough, let it return none: SQLite takes a fifth longer to give them.
        """
        text, constants, processors, order = self._for(pen.dialect)
        given = dict(constants)
        for name, value in values.items():
            processor = processors[name]
            given[name] = processor(value) if processor else value
        pen.cursor.execute(text, [given[name] for name in order] if order else given)
        return pen.cursor.rowcount

    def ids(self, pen: Pen, values: Mapping[str, Any]) -> list[int]:
        """Run it; gives the first column of what it returns."""
        return [row[0] for row in self.rows(pen, values)]

    def _for(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect)
        return self._compiled[dialect.name]

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect)
        processors = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect)
            for name, bind in compiled.binds.items()
        }
        constants = {}
        for name, bind in compiled.binds.items():
            if not bind.required:
                processor, value = processors[name], bind.effective_value
                constants[name] = processor(value) if processor else value
        return _Compiled(str(compiled), constants, processors, compiled.positiontup)
