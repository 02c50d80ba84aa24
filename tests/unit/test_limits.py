"""How many signups are taken at a time, and by what they are counted."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerHour, RateLimitItemPerSecond

from newsletter.limits import SignupLimits, TooMany, network_of

PLENTY = RateLimitItemPerHour(1000)


def limits(*, per_network=PLENTY, per_domain=PLENTY, in_all=PLENTY):
    return SignupLimits(per_network=per_network, per_domain=per_domain, in_all=in_all)


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
    counted = limits(per_network=RateLimitItemPerHour(2))
    counted.let_in("192.0.2.1", "a.example")
    counted.let_in("192.0.2.2", "b.example")

    with pytest.raises(TooMany) as refusal:
        counted.let_in("192.0.2.3", "c.example")
    assert 3590 < refusal.value.retry_after <= 3600
    assert refusal.value.headers["Retry-After"] == str(refusal.value.retry_after)
    assert refusal.value.status == 429
    counted.let_in("198.51.100.1", "c.example")


def test_one_recipient_domain_is_stopped_and_the_next_is_not():
    counted = limits(per_domain=RateLimitItemPerHour(1))
    counted.let_in("192.0.2.1", "a.example")

    with pytest.raises(TooMany):
        counted.let_in("198.51.100.1", "a.example")
    counted.let_in("198.51.100.1", "b.example")


def test_all_together_are_stopped():
    counted = limits(in_all=RateLimitItemPerHour(1))
    counted.let_in("192.0.2.1", "a.example")

    with pytest.raises(TooMany):
        counted.let_in("198.51.100.1", "b.example")


def test_a_refused_signup_counts_nowhere():
    counted = limits(per_network=RateLimitItemPerHour(1), in_all=RateLimitItemPerHour(2))
    counted.let_in("192.0.2.1", "a.example")
    for _ in range(5):
        with pytest.raises(TooMany):
            counted.let_in("192.0.2.1", "a.example")

    counted.let_in("198.51.100.1", "a.example")


def test_after_the_wait_that_was_named_it_goes_on():
    counted = limits(per_network=RateLimitItemPerSecond(1))
    counted.let_in("192.0.2.1", "a.example")
    with pytest.raises(TooMany) as refusal:
        counted.let_in("192.0.2.1", "a.example")

    time.sleep(refusal.value.retry_after)
    counted.let_in("192.0.2.1", "a.example")


def test_a_flood_from_everywhere_takes_no_more_memory_than_signups_are_taken():
    counted = limits(in_all=RateLimitItemPerHour(10))
    for number in range(200):
        try:
            counted.let_in(f"10.0.{number}.1", f"{number}.example")
        except TooMany:
            continue

    assert len(counted._counters.storage.storage) == 21  # ten networks, ten domains, one sum


@pytest.fixture
def impatient_threads():
    """Threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1000)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient_threads")
def test_visitors_at_the_same_moment_are_counted_one_by_one():
    counted = limits(per_network=RateLimitItemPerHour(10))

    def come(_visitor):
        try:
            counted.let_in("192.0.2.1", "a.example")
        except TooMany:
            return False
        return True

    with ThreadPoolExecutor(8) as visitors:
        assert sum(visitors.map(come, range(400))) == 10
