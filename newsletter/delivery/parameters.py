"""A whole group of rows as one parameter of a statement, on both databases.

A statement that takes a list stays the same text however long the list is, so that it is compiled
and prepared once and goes to the database in one message.
"""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Numbers(sa.types.TypeDecorator[Sequence[int]]):
    """Many numbers as one parameter, so that a statement stays the same however many they are."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[int] | None, dialect: Dialect) -> str:
        """JSON on SQLite, the text of an array on PostgreSQL: less work than adapting a list."""
        numbers = ",".join(map(str, value or ()))
        return f"[{numbers}]" if dialect.name == "sqlite" else f"{{{numbers}}}"


class Rows(sa.types.TypeDecorator[Sequence[tuple[int, str]]]):
    """Many pairs of a number and a text as one parameter, in JSON."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[tuple[int, str]] | None, _dialect: Dialect) -> str:
        """The rows as a list of lists."""
        return json.dumps(value)


class _GivenNumbers(FunctionElement[Any]):
    """The numbers in a parameter of type `Numbers`, as a table of `id`."""

    inherit_cache = True
    name = "given"


@compiles(_GivenNumbers)
def _compile_given_numbers(element: _GivenNumbers, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **options)}::bigint[]) AS id)"


@compiles(_GivenNumbers, "sqlite")
def _compile_given_numbers_on_sqlite(
    element: _GivenNumbers, compiler: SQLCompiler, **options: Any
) -> str:
    numbers = compiler.process(element.clauses, **options)
    return f"(SELECT value AS id FROM json_each({numbers}))"  # noqa: S608  # compiled


class _GivenRows(FunctionElement[Any]):
    """The pairs in a parameter of type `Rows`, as a table of `id` and `words`."""

    inherit_cache = True
    name = "given"


@compiles(_GivenRows)
def _compile_given_rows(element: _GivenRows, compiler: SQLCompiler, **options: Any) -> str:
    rows = compiler.process(element.clauses, **options)
    columns = "(value->>0)::bigint AS id, value->>1 AS words"
    return f"(SELECT {columns} FROM jsonb_array_elements({rows}::jsonb))"  # noqa: S608  # compiled


@compiles(_GivenRows, "sqlite")
def _compile_given_rows_on_sqlite(
    element: _GivenRows, compiler: SQLCompiler, **options: Any
) -> str:
    rows = compiler.process(element.clauses, **options)
    columns = "json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS words"
    return f"(SELECT {columns} FROM json_each({rows}))"  # noqa: S608  # compiled


def given_numbers(name: str) -> sa.ColumnElement[int]:
    """The numbers in the parameter `name`, to be joined with."""
    numbers = _GivenNumbers(sa.bindparam(name, type_=Numbers()))
    return numbers.table_valued(sa.column("id", sa.BigInteger()), name="given").c.id


def given_rows(name: str) -> tuple[sa.ColumnElement[int], sa.ColumnElement[str]]:
    """The two columns of the pairs in the parameter `name`, a number and a text each."""
    rows = _GivenRows(sa.bindparam(name, type_=Rows())).table_valued(
        sa.column("id", sa.BigInteger()), sa.column("words", sa.Text()), name="given"
    )
    return rows.c.id, rows.c.words
