"""The geometry of the desk's charts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from newsletter.desk.charts import Column, Piece, columns, paces, per_thousand, pieces

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)


def test_the_parts_of_a_bar_follow_each_other():
    assert pieces({"sent": 60, "failed": 20}, 100) == [
        Piece("sent", 0, 60),
        Piece("failed", 60, 20),
    ]


def test_a_part_of_nobody_is_not_drawn():
    assert pieces({"sent": 0, "failed": 5}, 5) == [Piece("failed", 0, 100)]
    assert pieces({"sent": 0}, 0) == []


def test_the_highest_bar_fills_the_box_and_what_is_unknown_has_none():
    assert columns([5, None, 10]) == [Column(0, 50), Column(2, 100)]


def test_bars_of_nothing_have_no_height():
    assert columns([0, 0]) == [Column(0, 0), Column(1, 0)]
    assert columns([]) == []


@given(some.lists(some.floats(0, 1e9), min_size=1))
def test_no_bar_leaves_the_box(values):
    assert all(0 <= column.height <= 100 for column in columns(values))


def test_a_steady_pace_is_the_same_all_the_time():
    settled = [(NOON + timedelta(seconds=s), 7 * s) for s in (5, 10, 40)]

    assert [pace.per_second for pace in paces(settled, NOON, 8)] == pytest.approx([7] * 8)
    assert paces(settled, NOON, 8)[-1].seconds == 40


def test_a_stop_in_between_is_seen():
    settled = [
        (NOON + timedelta(seconds=s), count) for s, count in ((10, 100), (20, 100), (30, 200))
    ]

    assert [pace.per_second for pace in paces(settled, NOON, 3)] == pytest.approx([10, 0, 10])


def test_without_a_moment_there_is_no_pace():
    assert paces([], NOON) == []
    assert paces([(NOON, 0)], NOON) == []


@given(
    some.lists(some.tuples(some.integers(1, 100_000), some.integers(0, 10_000)), min_size=1),
    some.integers(1, 60),
)
def test_all_that_was_settled_is_under_the_curve(steps_of_time, steps):
    settled, at, count = [], NOON, 0
    for seconds, more in steps_of_time:
        at, count = at + timedelta(seconds=seconds), count + more
        settled.append((at, count))

    found = paces(settled, NOON, steps)

    width = (at - NOON).total_seconds() / steps
    assert sum(pace.per_second * width for pace in found) == pytest.approx(count)


def test_a_share_of_nobody_is_unknown():
    assert per_thousand(0, 0) is None
    assert per_thousand(3, 1500) == 2
