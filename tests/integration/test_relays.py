"""The breaker that all processes share: rest, one who tries, and back to all."""

from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest

from newsletter.database import transaction
from newsletter.delivery import relays
from newsletter.delivery.relays import Leave
from tests.posting import TestClock, run_together

MAIN = "relay.example.org:587"
SPARE = "spare.example.net:25"
ROUNDS = 8  # of a race, so that those who run do meet


@pytest.fixture
def clock(app):
    return TestClock()


def trip(clock, name=MAIN, said="421 4.3.2 shutting down"):
    with transaction():
        return relays.trip(name, said, clock())


def leave_for(clock, name=MAIN, holder="a worker"):
    with transaction():
        return relays.leave_for(name, holder, clock())


def recovered(clock, name=MAIN):
    with transaction():
        return relays.recovered(name, clock())


def choose(clock, holder="a worker"):
    with transaction():
        return relays.choose([MAIN, SPARE], holder, clock())


def rest(clock):
    """For how many seconds the relay is left alone from now on; the clock stands there then."""
    seconds = 0
    while leave_for(clock, holder="one who waits") is Leave.NONE:
        clock.turn(seconds=1)
        seconds += 1
    return seconds


def at_once(app, *jobs):
    """What jobs return, sorted, run in transactions of their own that begin together."""
    ready = Barrier(len(jobs))
    returned = []

    def reach(job):
        with app.app_context():
            ready.wait()
            with transaction():
                returned.append(job())

    run_together(*(partial(reach, job) for job in jobs))
    return sorted(returned)


def test_a_relay_that_nobody_complained_about_may_be_used(clock):
    assert leave_for(clock) is Leave.FULL


def test_a_relay_that_failed_rests_for_everybody(clock):
    assert trip(clock)

    assert leave_for(clock) is Leave.NONE
    assert leave_for(clock, holder="another") is Leave.NONE
    assert leave_for(clock, SPARE) is Leave.FULL


def test_rests_grow_from_ten_seconds_to_five_minutes(clock):
    rests = []
    for _ in range(8):
        trip(clock)
        rests.append(rest(clock))

    assert rests == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_relay_that_fails_for_weeks_still_rests_for_five_minutes(clock):
    for _ in range(100):
        trip(clock)
        clock.turn(minutes=5)
    trip(clock)

    assert rest(clock) == 300


def test_after_the_rest_one_may_try_and_the_others_wait(clock):
    trip(clock)
    clock.turn(seconds=10)

    assert leave_for(clock, holder="the first") is Leave.PROBE
    assert leave_for(clock, holder="another") is Leave.NONE


def test_whoever_tries_may_go_on_trying(clock):
    trip(clock)
    clock.turn(seconds=10)
    leave_for(clock, holder="the first")

    for _ in range(5):
        clock.turn(seconds=50)
        assert leave_for(clock, holder="the first") is Leave.PROBE
        assert leave_for(clock, holder="another") is Leave.NONE


def test_the_try_of_one_who_died_is_free_after_a_minute(clock):
    trip(clock)
    clock.turn(seconds=10)
    leave_for(clock, holder="one who dies")

    clock.turn(seconds=59)
    assert leave_for(clock, holder="another") is Leave.NONE
    clock.turn(seconds=1)
    assert leave_for(clock, holder="another") is Leave.PROBE


def test_a_try_that_learnt_nothing_is_free_at_once(clock):
    trip(clock)
    clock.turn(seconds=10)
    leave_for(clock, holder="the first")

    with transaction():
        relays.leave_probe(MAIN, "somebody else")
    assert leave_for(clock, holder="another") is Leave.NONE
    with transaction():
        relays.leave_probe(MAIN, "the first")
    assert leave_for(clock, holder="another") is Leave.PROBE


def test_a_proper_answer_brings_everybody_back(clock, caplog):
    trip(clock)
    clock.turn(seconds=10)
    leave_for(clock, holder="the first")
    caplog.set_level("INFO")

    assert recovered(clock)

    assert caplog.messages[-1] == f"the relay {MAIN} works again after 10 seconds"
    assert leave_for(clock, holder="the first") is Leave.FULL
    assert leave_for(clock, holder="another") is Leave.FULL
    assert not recovered(clock)


def test_after_it_came_back_rests_are_short_again(clock):
    for _ in range(4):
        trip(clock)
        clock.turn(minutes=5)
    recovered(clock)

    trip(clock)

    assert rest(clock) == 10


def test_a_try_that_failed_ends_it(clock):
    trip(clock)
    clock.turn(seconds=10)
    leave_for(clock, holder="the first")

    assert trip(clock)

    assert leave_for(clock, holder="the first") is Leave.NONE
    clock.turn(seconds=20)
    assert leave_for(clock, holder="another") is Leave.PROBE


def test_what_it_said_and_since_when_it_fails_is_kept(clock, caplog):
    since = clock()
    trip(clock, said="421 4.3.2 shutting down")
    clock.turn(minutes=1)
    trip(clock, said="Connection refused")

    with transaction():
        [failing] = relays.failing()
    assert failing.name == MAIN
    assert failing.said == "Connection refused"
    assert failing.since == since
    assert failing.rests_until == clock() + timedelta(seconds=20)
    assert caplog.messages == [
        f"the relay {MAIN} is left alone for 10 seconds: 421 4.3.2 shutting down",
        f"the relay {MAIN} is left alone for 20 seconds: Connection refused",
    ]


def test_of_several_who_trip_at_once_one_says_so_and_it_is_one_rest(app, clock, caplog):
    for number in range(1, ROUNDS + 1):
        firsts = at_once(app, *[lambda: relays.trip(MAIN, "421", clock())] * 4)

        assert firsts == [False, False, False, True]
        assert len(caplog.messages) == number
        assert rest(clock) == min(10 * 2 ** (number - 1), 300)


def test_of_several_who_want_to_try_one_may(app, clock):
    def reach(holder):
        return relays.leave_for(MAIN, holder, clock())

    for _ in range(ROUNDS):
        trip(clock)
        clock.turn(minutes=5)

        leaves = at_once(app, *[partial(reach, f"worker {number}") for number in range(4)])

        assert leaves == [Leave.NONE, Leave.NONE, Leave.NONE, Leave.PROBE]


def test_of_several_who_bring_it_back_one_says_so(app, clock):
    for _ in range(ROUNDS):
        trip(clock)
        clock.turn(seconds=10)

        said = at_once(app, *[lambda: relays.recovered(MAIN, clock())] * 4)

        assert said == [False, False, False, True]


def test_the_first_relay_is_taken_as_long_as_it_works(clock):
    assert choose(clock) == (MAIN, Leave.FULL)


def test_the_next_relay_takes_over_while_the_first_one_rests(clock):
    trip(clock)

    assert choose(clock) == (SPARE, Leave.FULL)


def test_one_tries_the_better_relay_while_the_others_go_on_with_the_next(clock):
    trip(clock)
    clock.turn(seconds=10)

    assert choose(clock, "the first") == (MAIN, Leave.PROBE)
    assert choose(clock, "another") == (SPARE, Leave.FULL)
    recovered(clock)
    assert choose(clock, "another") == (MAIN, Leave.FULL)


def test_where_all_relays_rest_nobody_sends(clock):
    trip(clock)
    trip(clock, SPARE)

    assert choose(clock) is None
