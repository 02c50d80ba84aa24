"""`newsletter run` with everything in one place, on SQLite: whatever it started is killed."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.parts import SinkProcess
from tests.chaos.sink import Order
from tests.chaos.world import (
    CONNECTIONS,
    END,
    READERS,
    ROUNDS,
    SECRET_KEY,
    Chance,
    World,
    account,
)
from tests.running import RunningService, alive, wait_until

pytestmark = pytest.mark.slow

WORKER, CLOCK, WEB, VALKEY = "--queues=issues", "-A worker beat", "gunicorn", "valkey-server"
POOL = 2  # sending processes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An instance folder with readers and drafts, and a relay."""
    sink = SinkProcess(tmp_path)
    try:
        sink.start()
        settings = {
            "SECRET_KEY": SECRET_KEY,
            "SMTP_URL": sink.url,
            "SMTP_CONNECTIONS": str(CONNECTIONS),
        }
        world = World(tmp_path, settings, sink, tmp_path / "instance")
        world.prepare()
        yield world
    finally:
        sink.end()


def test_whatever_is_killed_of_it_again_and_again_it_mends_itself(
    world: World, chance: Chance
) -> None:
    with RunningService(world.instance, cwd=world.folder, **world.settings) as service:
        world.sink.order(Order(rate=50))
        number = world.send()
        doubts = 0
        for word in (WORKER, VALKEY, CLOCK, WEB) * ROUNDS:
            world.wait_until_taken(number, len(world.taken(number)) + chance.randrange(5, 30))
            main = wait_until(partial(service.child, word), f"{word} runs")
            children = [pid for pid, (parent, _) in alive().items() if parent == main]
            victim = chance.choice([main, *children])
            os.kill(victim, signal.SIGKILL)
            if word == WORKER:
                doubts += CONNECTIONS * (POOL if victim == main else 1)

        world.sink.order(Order())
        world.wait_for_recovery(number)
        world.wait_for_end(number)
        account(world, number, doubts_at_most=doubts)
        wait_until(service.is_healthy, "the website is there again")


def test_when_all_of_it_is_killed_the_next_run_goes_on_and_sends_doubts_again_if_it_should(
    world: World,
) -> None:
    world.sink.order(Order(rate=50))
    with RunningService(world.instance, cwd=world.folder, **world.settings) as service:
        number = world.send()
        world.wait_until_taken(number, 60)
        started = service.processes()
        service.process.kill()
        service.process.wait()
        wait_until(lambda: not started & alive().keys(), "nothing outlives it")

    world.sink.order(Order())
    world.settings["DOUBTS"] = "resend"
    with RunningService(world.instance, cwd=world.folder, **world.settings):
        world.wait_for_recovery(number)
        wait_until(
            lambda: world.counts(number) == {"sent": READERS},
            "everybody is sent to",
            END,
        )
        world.wait_for_end(number)
        account(world, number, doubts_at_most=POOL * CONNECTIONS, resends=True)
