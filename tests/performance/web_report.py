"""What visitors got, as a table for each database."""

from collections.abc import Iterable, Iterator

from tests.performance.tables import NONE, figure, table
from tests.performance.web import BARE_ROW, BARE_VIEW, SIGNUP, Served, WebResults

HEAD = (
    *("what", "answers/s", "of a bare view", "p50 ms", "p99 ms", "alone p50 ms", "alone p99 ms"),
    *("server µs", "PostgreSQL µs", "visitors µs", "KB"),
)


def web_tables(measured: Iterable[WebResults]) -> Iterator[str]:
    """A chapter for each database."""
    for results in measured:
        archive = results.archive
        title = f"Web: {archive.issues:,} issues, {archive.readers:,} readers, {results.kind}"
        rows = [_row(served, results) for served in results.served]
        answered = f"A worker answers {results.answered:.0f} signups a second."
        yield f"## {title}\n\n{table(HEAD, rows)}\n\n{answered}"


def _row(served: Served, results: WebResults) -> list[str]:
    together, alone = served.together, served.alone
    limit = results.find(BARE_ROW if served.what == SIGNUP else BARE_VIEW)
    is_limit = served.what in {BARE_ROW, BARE_VIEW}
    return [
        served.what,
        f"{together.rate:.0f}",
        NONE if is_limit else f"{together.rate / limit.together.rate:.0%}",
        figure(together.wait(0.5), 1),
        figure(together.wait(0.99), 1),
        figure(alone.wait(0.5), 1),
        figure(alone.wait(0.99), 1),
        figure(served.per_answer(served.server_cpu)),
        figure(served.per_answer(served.database_cpu)),
        figure(served.per_answer(together.own_cpu)),
        figure(together.octets / len(together.waits) / 1000, 1),
    ]
