"""The benchmark itself, at a size that fits the ordinary tests."""

import os
import shutil

import pytest

from tests.performance.databases import Databases, Kind
from tests.performance.desk import measure_desk
from tests.performance.pushing import Result, Run, Way, measure, smtp_source
from tests.performance.report import Results, report
from tests.performance.starting import fan_out
from tests.performance.web import Archive, measure_web

MESSAGES = 60

MAY_SKIP = os.environ.get("CI") != "true"

pytestmark = pytest.mark.skipif(
    MAY_SKIP and not (shutil.which("cc") or shutil.which("gcc")),
    reason="there is no C compiler for the sink",
)


@pytest.fixture(scope="module")
def databases(scratch):
    (scratch / "bench").mkdir()
    with Databases(scratch / "bench") as both:
        yield both


@pytest.mark.parametrize("way", [way for way in Way if way is not Way.SMTP_SOURCE])
def test_every_reader_is_once_at_the_sink_and_sent_in_the_ledger(way, databases):
    result = measure(Run(way, 10, 3, MESSAGES), databases)  # raises unless the counts are right

    assert result.rate > 0
    assert result.sender_cpu > 0
    assert result.sender_peak > 0
    assert (result.database_cpu is not None) == (way is Way.ENGINE_POSTGRESQL)


def test_two_senders_share_an_issue_though_replies_come_late(databases):
    measure(Run(Way.ENGINE_SQLITE, 10, 20, MESSAGES, delay=5, senders=2), databases)


@pytest.mark.skipif(MAY_SKIP and smtp_source() is None, reason="smtp-source is not installed")
def test_smtp_source_is_counted_too(databases):
    assert measure(Run(Way.SMTP_SOURCE, 10, 3, MESSAGES), databases).rate > 0


@pytest.mark.parametrize("kind", Kind)
def test_readers_of_every_taste_get_a_delivery(kind, databases):
    assert fan_out(kind, 500, databases) > 0  # raises unless there is one for each


@pytest.mark.parametrize("kind", Kind)
def test_visitors_get_every_page_and_every_signup_is_written_down(kind, databases):
    web = measure_web(kind, Archive(issues=5, readers=100, seconds=0.2), databases, say=print)

    text = report(Results(web=[web]), [])
    for what in ("issue page, any of the archive", "signup", "bare view"):
        assert f"| {what} " in text


def test_an_editor_gets_every_page_of_the_desk(databases):
    desk = measure_desk(databases, readers=500, seconds=0.2, say=print)

    text = report(Results(desk=desk), [])
    for what in ("this week", "writing", "its report", "the mail with unsaved words"):
        assert f"| {what} " in text
    assert "an issue on its way to 500 readers" in text


def test_the_report_compares_what_was_measured_alike():
    results = Results(
        [
            Result(
                Run(way, 10, 50, 1000),
                seconds=seconds,
                sender_cpu=0.05,
                sink_cpu=0.01,
                sender_peak=100,
                sink_peak=3,
            )
            for way, seconds in ((Way.DRIVER, 0.05), (Way.ENGINE_SQLITE, 0.1), (Way.SMTPLIB, 1.0))
        ]
    )

    lines = report(results, [("CPU", "one of this machine")]).splitlines()

    assert any("one of this machine" in line for line in lines)
    engine = next(line for line in lines if line.startswith("| engine, SQLite "))
    assert [cell.strip() for cell in engine.split("|")[4:7]] == ["10000", "50%", "10.0"]
    goals = [line.split("|") for line in lines if line.startswith("| engine, SQLite, ")]
    assert [[cell.strip() for cell in goal[1:5]] for goal in goals] == [
        ["engine, SQLite, of the bare driver", "≥ 40%", "50%", "met"],
        ["engine, SQLite, against smtplib", "≥ 5 ×", "10.0 ×", "met"],
        ["engine, SQLite, CPU of the sender", "≤ 60 µs", "50 µs", "met"],
    ]
