"""Valkey is killed, emptied and stopped for a while; PostgreSQL is restarted and cuts its lines."""

import signal

import pytest

from tests.chaos.parts import Postgres, Valkey
from tests.chaos.sink import Order
from tests.chaos.world import Servers, account, connections_of

pytestmark = pytest.mark.slow


def test_valkey_may_be_emptied_killed_and_gone_for_a_while(
    servers: Servers, valkey: Valkey
) -> None:
    servers.sink.order(Order(rate=50))
    number = servers.send()
    servers.wait_until_taken(number, 50)
    valkey.empty()
    servers.wait_until_taken(number, 100)
    valkey.kill()
    valkey.start()
    servers.wait_until_taken(number, 200)
    valkey.ask_to_end()
    valkey.wait_for_end()
    servers.wait_until_taken(number, 300)
    valkey.start()

    servers.sink.order(Order())
    servers.wait_for_recovery(number)
    servers.wait_for_end(number)
    account(servers, number, doubts_at_most=0)


def test_a_redis_that_was_emptied_before_anybody_heard_of_it_delays_only(
    servers: Servers, valkey: Valkey
) -> None:
    for worker in servers.workers:
        worker.ask_to_end()
    for worker in servers.workers:
        worker.wait_for_end()
    number = servers.send()
    valkey.empty()
    servers.fill()

    servers.wait_for_recovery(number)
    servers.wait_for_end(number)
    account(servers, number, doubts_at_most=0)


def test_postgresql_may_cut_its_connections_be_restarted_and_crash(
    servers: Servers, postgres: Postgres
) -> None:
    port = servers.sink.order(Order(rate=50)).port
    number = servers.send()
    doubts = 0

    for most, break_it in (
        (50, lambda: postgres.cut_connections("chaos")),
        (150, lambda: postgres.restart(signal.SIGINT)),
        (250, lambda: postgres.restart(signal.SIGQUIT)),
    ):
        servers.wait_until_taken(number, most)
        doubts += connections_of(
            (child for worker in servers.workers for child in worker.children()), port
        )
        break_it()
        servers.wait_for_recovery(number)

    servers.sink.order(Order())
    servers.wait_for_end(number)
    account(servers, number, doubts_at_most=doubts)
