"""Readers are told of everything that is stored about them: no table, no column is left out."""

from typing import Any

import pytest

from newsletter.archive.stored import NOT_ABOUT_READERS, Holding, holdings
from newsletter.database import Base


@pytest.fixture
def told(app: Any) -> list[Holding]:
    with app.test_request_context():
        return holdings()


def test_every_table_is_told_of_or_holds_nothing_about_readers(told: list[Holding]) -> None:
    tables = [holding.table for holding in told]

    assert len(tables) == len(set(tables))
    assert NOT_ABOUT_READERS.isdisjoint(tables)
    assert {*tables, *NOT_ABOUT_READERS} == set(Base.metadata.tables)


def test_every_column_has_its_sentence(told: list[Holding]) -> None:
    for holding in told:
        columns = {column.name for column in Base.metadata.tables[holding.table].columns}

        assert set(holding.columns) == columns, holding.table
        assert all(sentence.endswith(".") for sentence in [holding.kept, *holding.sentences])


def test_what_refers_to_a_subscriber_is_about_readers() -> None:
    for name in NOT_ABOUT_READERS:
        targets = {key.column.table.name for key in Base.metadata.tables[name].foreign_keys}

        assert "subscriber" not in targets, name
