"""A relay that does what relays do: refuses, hangs, hangs up, wants to be asked later.

Nothing of it needs a person: when the relay behaves again, sending goes on and ends.
"""

import time
from dataclasses import replace

import pytest

from tests.chaos.sink import Fault, Order
from tests.chaos.world import ROUNDS, Chance, Servers, account

pytestmark = pytest.mark.slow

OUTAGE = 5.0  # seconds
TIMES = 2  # that a fault comes: a relay that goes on failing rests longer and longer, by design
GONE = Fault("rcpt", "550 5.1.1 no such reader", recovers=True, to="gone")
BEFORE_ANY_MESSAGE = (
    Fault("greeting"),
    Fault("greeting", seconds=2),
    Fault("greeting", "421 4.3.2 too busy"),
    Fault("ehlo"),
    Fault("ehlo", "421 4.3.2 too busy"),
)
BEFORE_THE_DOT = (
    Fault("mail"),
    Fault("mail", seconds=2),
    Fault("mail", "421 4.3.2 closing"),
    Fault("mail", "451 4.3.0 not now", recovers=True),
    Fault("rcpt"),
    Fault("rcpt", "450 4.2.1 greylisted", recovers=True),
    Fault("data"),
    Fault("data", "451 4.3.0 not now", recovers=True),
)
WITH_THE_MESSAGE = (
    Fault("body", seconds=2, recovers=True),
    Fault("dot", "451 4.3.0 not now", recovers=True),
    Fault("dot", "421 4.3.2 closing"),
    Fault("answer", seconds=2, recovers=True),
)
LEAVING_DOUBT = (
    Fault("body"),
    Fault("body", seconds=1),
    Fault("dot"),
    Fault("dot", seconds=2),
    Fault("answer"),
    Fault("answer", seconds=2),
)


def test_a_relay_with_every_fault_keeps_nobody_from_the_issue(
    servers: Servers, chance: Chance
) -> None:
    faults = [
        *(limited(fault, share=0.4, times=1) for fault in BEFORE_ANY_MESSAGE),
        *(limited(fault) for fault in (*BEFORE_THE_DOT, *WITH_THE_MESSAGE, *LEAVING_DOUBT)),
        GONE,
    ]
    servers.sink.order(Order(faults, rate=100, seed=chance.seed))

    number = servers.send()

    servers.wait_for_end(number)
    done = servers.sink.report().done
    assert done.keys() == {fault.name for fault in faults}
    doubts = sum(done[fault.name] for fault in LEAVING_DOUBT)
    counts = account(servers, number, doubts_at_most=doubts, failing=["gone"])
    assert counts["failed"]


@pytest.mark.skipif(ROUNDS == 1, reason="takes ten minutes: make chaos")
@pytest.mark.parametrize(
    "fault",
    [*BEFORE_ANY_MESSAGE, *BEFORE_THE_DOT, *WITH_THE_MESSAGE, *LEAVING_DOUBT],
    ids=lambda fault: fault.name,
)
def test_a_relay_that_does_nothing_but_one_thing_wrong_is_waited_for(
    servers: Servers, fault: Fault
) -> None:
    servers.sink.order(Order(cuts=True))  # lines of before would never meet a fault at a greeting
    servers.sink.order(Order([replace(fault, times=TIMES)], rate=200))

    number = servers.send()

    servers.wait_for_end(number)
    done = servers.sink.report().done[fault.name]
    assert done == TIMES
    account(servers, number, doubts_at_most=done if fault in LEAVING_DOUBT else 0)


def test_a_relay_that_cuts_its_lines_and_refuses_all_is_waited_for(servers: Servers) -> None:
    servers.sink.order(Order(rate=100))
    number = servers.send()
    servers.wait_until_taken(number, 100)
    lost = servers.sink.report().connections

    servers.sink.order(Order(refuses=True, cuts=True))
    time.sleep(OUTAGE)
    servers.sink.order(Order())

    servers.wait_for_recovery(number)
    servers.wait_for_end(number)
    account(servers, number, doubts_at_most=lost)


def limited(fault: Fault, *, share: float = 0.1, times: int = TIMES) -> Fault:
    """The same, now and then and not for ever."""
    return replace(fault, share=share, times=times)
