"""Workers, their children and clocks are killed, frozen and asked to end, in the midst of sending.

Three hosts with a worker each and two clocks, over one PostgreSQL and one Valkey.
"""

import os
import re
import signal

import pytest

from tests.chaos.parts import Worker
from tests.chaos.sink import Order
from tests.chaos.world import (
    DELIVERIES,
    RECOVERY,
    ROUNDS,
    Chance,
    Servers,
    account,
    connections_of,
)
from tests.running import wait_until

pytestmark = pytest.mark.slow

LEASES = """
    SELECT batch.id FROM batch JOIN issue ON issue.id = batch.issue_id
    WHERE issue.number = :number AND lease_until IS NOT NULL
"""
SLOTS = """
    SELECT holder FROM sender_slot JOIN issue ON issue.id = sender_slot.issue_id
    WHERE issue.number = :number AND holder IS NOT NULL
"""
DOUBTFUL = """
    SELECT delivery.id FROM delivery JOIN issue ON issue.id = delivery.issue_id
    WHERE issue.number = :number AND delivery.state = 'in_doubt'
"""
FREE = """
    SELECT batch.id FROM batch JOIN issue ON issue.id = batch.issue_id
    WHERE issue.number = :number AND lease_until IS NULL AND finished_at IS NULL
"""
TAKEN_OVER = """
    SELECT batch.id FROM batch JOIN delivery ON delivery.batch_id = batch.id
    JOIN issue ON issue.id = batch.issue_id
    WHERE issue.number = :number AND delivery.state = 'in_doubt'
    AND lease_until IS NOT NULL AND finished_at IS NULL
"""
TAKEN_TASK = re.compile(r"Task delivery\.send_issue\[(\S+)\] received")
ENDED_TASK = re.compile(r"Task delivery\.send_issue\[(\S+)\] (?:succeeded|raised)")


def test_whatever_is_killed_again_and_again_everybody_is_accounted_for(
    servers: Servers, chance: Chance
) -> None:
    port = servers.sink.order(Order(rate=50)).port
    number = servers.send()
    doubts = 0

    for _ in range(7 * ROUNDS):
        servers.wait_until_taken(number, len(servers.taken(number)) + chance.randrange(5, 50))
        match chance.choice(["child", "child", "main", "host", "clock"]):
            case "child":
                doubts += kill_child(chance.choice(servers.workers), port, chance)
            case "main":
                doubts += kill_main(chance.choice(servers.workers), port)
            case "host":
                doubts += kill_host(chance.choice(servers.workers), port)
            case "clock":
                chance.choice(servers.clocks).kill()
        servers.fill()

    servers.sink.order(Order())
    servers.wait_for_recovery(number)
    servers.wait_for_end(number)
    account(servers, number, doubts_at_most=doubts)


def test_a_deploy_leaves_nobody_in_doubt_and_gives_back_at_once(servers: Servers) -> None:
    servers.sink.order(Order(rate=20))  # half a minute: a busy machine stops its parts in time
    number = servers.send()

    for _ in range(ROUNDS):
        servers.wait_until_taken(number, len(servers.taken(number)) + 60)
        for part in servers.parts:
            part.ask_to_end()
        for part in servers.parts:
            part.wait_for_end()
        assert servers.rows(LEASES, number=number) == []
        assert servers.rows(SLOTS, number=number) == []
        states = [row.state for row in servers.rows(DELIVERIES, number=number)]
        assert states.count("sent") == len(servers.taken(number))
        assert set(states) == {"queued", "sent"}
        servers.fill()

    servers.sink.order(Order())
    servers.wait_for_end(number)
    account(servers, number, doubts_at_most=0)


def test_one_host_dies_one_freezes_past_its_lease_and_what_it_writes_when_it_thaws_is_too_late(
    servers: Servers,
) -> None:
    port = servers.sink.order(Order(rate=50)).port
    frozen, dead, _lives = servers.workers
    said_before = len(frozen.log.read_text())
    number = servers.send()
    servers.wait_until_taken(number, 60)
    wait_until(lambda: connections_of(frozen.children(), port), "it sends")

    frozen.signal_all(signal.SIGSTOP)
    doubts = connections_of(frozen.children(), port) + kill_host(dead, port)
    servers.clocks[0].kill()
    servers.sink.order(Order())
    wait_until(lambda: not servers.rows(FREE, number=number), "the rest is taken")
    servers.sink.order(Order(rate=2))  # slow, so that it thaws while another one has its batch
    wait_until(
        lambda: servers.rows(TAKEN_OVER, number=number) or servers.state(number) == "sent",
        "another one takes its batches over",
        RECOVERY,
    )
    doubtful = set(servers.rows(DOUBTFUL, number=number))
    frozen.signal_all(signal.SIGCONT)
    wait_until(lambda: not unfinished_tasks(frozen.log.read_text()[said_before:]), "it notices")

    assert doubtful <= set(servers.rows(DOUBTFUL, number=number))
    servers.sink.order(Order())
    servers.wait_for_end(number)
    account(servers, number, doubts_at_most=doubts)


def kill_child(worker: Worker, port: int, chance: Chance) -> int:
    """Kill one sending process; how many connections it had open."""
    child = chance.choice(worker.children())
    worker.signal_all(signal.SIGSTOP)
    connections = connections_of([child], port)
    os.kill(child, signal.SIGKILL)
    worker.signal_all(signal.SIGCONT)
    return connections


def kill_main(worker: Worker, port: int) -> int:
    """Kill a worker's main process; its children have to notice."""
    worker.signal_all(signal.SIGSTOP)
    connections = connections_of(worker.children(), port)
    worker.signal_all(signal.SIGCONT)
    worker.kill()
    return connections


def kill_host(worker: Worker, port: int) -> int:
    """Kill a worker and all its children at once."""
    worker.signal_all(signal.SIGSTOP)
    connections = connections_of(worker.children(), port)
    worker.signal_all(signal.SIGKILL)
    worker.kill()
    return connections


def unfinished_tasks(said: str) -> set[str]:
    """What a worker took and has not ended, by its log."""
    return set(TAKEN_TASK.findall(said)) - set(ENDED_TASK.findall(said))
