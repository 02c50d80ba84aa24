"""While Redis is away a process keeps to its share, whatever the order of events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.local_pace import BURST, LONGEST, LocalPace
from newsletter.domain_limits import DomainLimit

NOON = 43_200.0
GMAIL, FREE = "gmail.com", "example.org"
moments = st.lists(st.floats(0, 2), min_size=1, max_size=40)  # seconds between two calls


def let_go(delays):
    return sum(delay == 0 for delay in delays)


@given(st.sampled_from([0.2, 1, 7, 50]), st.integers(1, 8), moments)
def test_one_of_many_never_exceeds_its_share_of_the_pace_of_all(per_second, sharers, pauses):
    pace, gone, now = LocalPace(sharers), [], NOON

    for pause in pauses:
        now += pause
        delays, _ = pace.admit({"all": per_second}, {}, [FREE] * 30, now)
        gone += [now] * let_go(delays)

    assert_paced(gone, per_second / sharers)


@given(st.sampled_from([0.2, 1, 7, 50]), moments)
def test_a_domain_is_paced_and_what_it_lacks_is_nobody_elses(per_second, pauses):
    pace, gone, now = LocalPace(1), [], NOON

    for pause in pauses:
        now += pause
        group = [GMAIL, FREE] * 10
        delays, closed_for = pace.admit({}, {GMAIL: DomainLimit(per_second)}, group, now)
        gone += [now] * let_go(delays[::2])

        assert closed_for == 0
        assert let_go(delays[1::2]) == 10
        refused = [delay for delay in delays if delay > 0]
        assert max(refused, default=0) <= LONGEST

    assert_paced(gone, per_second)


def test_what_is_refused_together_does_not_come_back_together():
    pace = LocalPace(1)

    delays, _ = pace.admit({}, {GMAIL: DomainLimit(1)}, [GMAIL] * 30, NOON)

    assert delays[0] == 0
    gaps = [later - earlier for earlier, later in pairwise(delays)]
    assert gaps == pytest.approx([1] * 29, abs=1e-4)


def test_who_comes_back_when_told_may_go_if_nobody_else_asks():
    pace, limits = LocalPace(2), {GMAIL: DomainLimit(4)}
    delays, _ = pace.admit({}, limits, [GMAIL] * 12, NOON)

    for delay in delays[1:]:
        assert pace.admit({}, limits, [GMAIL], NOON + delay + 1e-6).delays == [0]


def test_the_pace_of_all_opens_when_it_said_it_would():
    pace = LocalPace(1)
    _, closed_for = pace.admit({"all": 1}, {}, [FREE] * 3, NOON)

    assert closed_for > 0
    assert let_go(pace.admit({"all": 1}, {}, [FREE], NOON + closed_for + 1e-6).delays) == 1


def test_notices_make_issues_wait_but_not_for_ever():
    pace = LocalPace(1)
    pace.take({"all": 10}, 1_000_000, NOON)

    assert pace.admit({"all": 10}, {}, [FREE], NOON + 1).delays == []
    assert pace.admit({"all": 10}, {}, [FREE], NOON + LONGEST).delays == [0]


def test_only_our_share_is_on_the_wire_at_once():
    pace, limits = LocalPace(4), {GMAIL: DomainLimit(1000, at_once=8)}
    delays, _ = pace.admit({}, limits, [GMAIL] * 5, NOON)
    assert let_go(delays) == 2

    pace.done({GMAIL: 1})

    assert let_go(pace.admit({}, limits, [GMAIL] * 5, NOON).delays) == 1


def test_a_small_limit_leaves_everybody_one():
    assert LocalPace(8).share(2) == 1


def assert_paced(gone, per_second):
    """In no span of time did more go than the pace allows, and half a second's worth."""
    for first, start in enumerate(gone):
        for last in range(first, len(gone)):
            allowed = (gone[last] - start) * per_second + max(1, BURST * per_second)
            assert last - first + 1 <= allowed + 1e-2
