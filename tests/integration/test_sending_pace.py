"""An issue keeps the pace that the operator set, and nobody is lost by it."""

from collections import Counter
from contextlib import contextmanager
from threading import Lock

import pytest
from redis import Redis
from sqlalchemy import select

from newsletter.database import db
from newsletter.delivery.fleet import Fleet
from newsletter.delivery.misgivings import Misgivings
from newsletter.delivery.models import Delivery
from newsletter.delivery.pace import Pace
from newsletter.domain_limits import DomainLimits
from newsletter.mail.smtp import RelayAddress
from tests.posting import TestClock, relay_to, run_together, send_by, start_issue, states, tick
from tests.smtp_server import SmtpServer

DATABASE = 8  # nobody else's


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def redis_url(valkey_socket):
    url = f"unix://{valkey_socket}?db={DATABASE}"
    with Redis.from_url(url) as redis:
        redis.flushdb()
        yield url
        redis.flushdb()


@contextmanager
def paced_fleet(redis_url, server, *, domains="", limits="", connections=4, **general):
    pace = Pace(
        redis_url,
        relays=[RelayAddress.parse(f"{server.url}{limits}")],
        domains=DomainLimits.parse(domains),
        sharers=8,
        **general,
    )
    fleet = Fleet([relay_to(server.url, connections=connections)], pace)
    yield fleet
    fleet.close()


def test_everybody_gets_the_issue_at_the_pace_of_all_and_of_the_relay(app, redis_url, clock):
    issue = start_issue(readers=30)

    with (
        SmtpServer() as server,
        paced_fleet(
            redis_url, server, limits="?messages_per_second=25", messages_per_second=20
        ) as fleet,
    ):
        send_by(fleet, issue, clock)
        assert len({message.recipient for message in server.messages}) == 30

    assert states(issue) == {"sent": 30}


def test_a_slow_domain_waits_its_turn_while_all_others_go(app, redis_url, clock):
    slow = [f"reader-{number}@slow.example" for number in range(6)]
    issue = start_issue(*slow, readers=20)

    with (
        SmtpServer() as server,
        paced_fleet(redis_url, server, domains="slow.example=0.02") as fleet,
    ):
        send_by(fleet, issue, clock)
        assert states(issue) == {"sent": 21, "queued": 5}
        waiting = db.session.execute(
            select(Delivery.due_at, Delivery.attempts).where(Delivery.due_at.is_not(None))
        ).all()
        assert len({due_at for due_at, _ in waiting}) == 5, "they come back one by one"
        assert {attempts for _, attempts in waiting} == {0}

        with Redis.from_url(redis_url) as redis:
            redis.flushdb()  # as if all that time had passed
        clock.turn(hours=1)
        tick(clock)
        send_by(fleet, issue, clock)
        assert states(issue) == {"sent": 22, "queued": 4}


def test_no_more_than_so_many_are_on_the_wire_to_one_domain(app, redis_url, clock):
    issue = start_issue(readers=40)
    lock = Lock()
    at_once: Counter[str] = Counter()

    def begin(session):
        with lock:
            at_once["now"] += 1
            at_once["most"] = max(at_once["most"], at_once["now"])
        session.behave()

    def end(session):
        with lock:
            at_once["now"] -= 1
        session.behave()

    with (
        SmtpServer({"rcpt": begin, "dot": end}) as server,
        paced_fleet(redis_url, server, domains="example.org=1000/2", connections=8) as fleet,
    ):
        send_by(fleet, issue, clock)

    assert states(issue) == {"sent": 40}
    assert 1 <= at_once["most"] <= 2


def test_all_processes_together_open_no_more_connections_than_the_relay_bears(
    app, redis_url, clock
):
    issue = start_issue(readers=1200)

    def work():
        with (
            app.app_context(),
            paced_fleet(redis_url, server, limits="?connections=3", connections=8) as fleet,
        ):
            send_by(fleet, issue, clock)

    with SmtpServer() as server:
        run_together(work, work)
        while states(issue)["queued"]:
            work()
        assert server.most_at_once <= 3

    assert states(issue) == {"sent": 1200}


class BreaksOff(Misgivings):
    """Breaks a sender off while it sorts the answers of a group."""

    def __init__(self, *, after):
        super().__init__(87)
        self._left = after

    def take(self, answer, domain):
        self._left -= 1
        if not self._left:
            raise ZeroDivisionError
        return super().take(answer, domain)


@pytest.mark.parametrize("after", [1, 3])
def test_a_sender_that_breaks_off_gives_its_places_at_a_domain_back(app, redis_url, clock, after):
    issue = start_issue(readers=12)

    with (
        SmtpServer() as server,
        paced_fleet(redis_url, server, domains="example.org=1000/4") as fleet,
    ):
        fleet._misgivings[issue.number] = BreaksOff(after=after)
        with pytest.raises(ZeroDivisionError):
            send_by(fleet, issue, clock)
        with Redis.from_url(redis_url) as redis:
            assert not redis.exists("pace:wire:example.org"), "nothing is on the wire"

        del fleet._misgivings[issue.number]
        clock.turn(minutes=1)
        tick(clock)
        send_by(fleet, issue, clock)

    assert set(states(issue)) <= {"sent", "in_doubt"}
    assert states(issue)["in_doubt"] <= 4
