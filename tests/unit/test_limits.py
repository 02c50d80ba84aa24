"""How many requests are taken from a network at a time, and what a network is."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage

from newsletter.limits import NetworkLimits, TooMany, an_hour, network_of


@pytest.mark.parametrize(
    ("visitor", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("192.0.2.250", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("", "unknown"),
        ("a proxy's nonsense", "unknown"),
    ],
)
def test_a_visitor_is_counted_by_network(visitor, network):
    assert network_of(visitor) == network


@given(st.ip_addresses())
def test_every_address_has_a_network(visitor):
    assert network_of(str(visitor)) != "unknown"


def test_one_network_is_stopped_and_the_next_is_not():
    counted = NetworkLimits()
    counted.let_in("192.0.2.1", an_hour(2))
    counted.let_in("192.0.2.2", an_hour(2))

    with pytest.raises(TooMany) as refusal:
        counted.let_in("192.0.2.3", an_hour(2))
    assert 3590 < refusal.value.retry_after <= 3600
    assert refusal.value.headers["Retry-After"] == str(refusal.value.retry_after)
    assert refusal.value.status == 429
    counted.let_in("198.51.100.1", an_hour(2))


def test_different_limits_are_counted_apart():
    counted = NetworkLimits()
    counted.let_in("192.0.2.1", an_hour(1))
    counted.let_in("192.0.2.1", an_hour(1, "hasty"))
    counted.let_in("192.0.2.1", an_hour(2))

    with pytest.raises(TooMany):
        counted.let_in("192.0.2.1", an_hour(1, "hasty"))


def test_after_the_wait_that_was_named_it_goes_on():
    counted, once_a_second = NetworkLimits(), RateLimitItemPerSecond(1)
    counted.let_in("192.0.2.1", once_a_second)
    with pytest.raises(TooMany) as refusal:
        counted.let_in("192.0.2.1", once_a_second)

    time.sleep(refusal.value.retry_after)
    counted.let_in("192.0.2.1", once_a_second)


def test_a_refused_request_takes_no_memory():
    counted = NetworkLimits()
    for number in range(200):
        try:
            counted.let_in(f"192.0.2.{number}", an_hour(2))
        except TooMany:
            continue

    assert list(cast(MemoryStorage, counted._counters.storage).storage.values()) == [2]


@pytest.fixture
def impatient_threads():
    """Threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1000)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient_threads")
def test_visitors_at_the_same_moment_are_counted_one_by_one():
    counted = NetworkLimits()

    def come(_visitor):
        try:
            counted.let_in("192.0.2.1", an_hour(10))
        except TooMany:
            return False
        return True

    with ThreadPoolExecutor(8) as visitors:
        assert sum(visitors.map(come, range(400))) == 10
