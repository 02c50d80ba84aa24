"""Statements of the sending path, compiled once and run past SQLAlchemy's execution.

What SQLAlchemy does around a statement costs a sender more than the statement itself: three of
them come with every group.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Select, Update
from sqlalchemy.engine import Dialect

from newsletter.database import db


class _Compiled(NamedTuple):
    """A statement for one database: its text, what is always the same in it, how to give the rest.

    `order` names the parameters one by one where they have no names in the text.
    """

    text: str
    constants: dict[str, Any]
    processors: Mapping[str, Callable[[Any], Any] | None]
    order: list[str] | None


class Prepared:
    """One statement with named parameters; errors are those of the database's own driver."""

    def __init__(self, statement: Update | Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def ids(self, values: Mapping[str, Any]) -> list[int]:
        """Run it in the open transaction; gives the first column of what it returns."""
        connection = db.session.connection()
        text, constants, processors, order = self._for(connection.dialect)
        given = dict(constants)
        for name, value in values.items():
            processor = processors[name]
            given[name] = processor(value) if processor else value
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, [given[name] for name in order] if order else given)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []
        finally:
            cursor.close()

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
