"""`newsletter run`: all of it comes up, stays up, and goes away together."""

import os
import re
import signal
import socket
import time
from contextlib import ExitStack

import pytest

from newsletter.settings import ADDRESS
from tests.running import ROOT, RunningService, alive, newsletter, wait_until

pytestmark = pytest.mark.slow

WORDS = ("gunicorn", "queues=issues", "queues=notices", "beat", "catcher", "valkey-server")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of the service that the tests below share."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def service(folder):
    with RunningService(folder / "instance", cwd=folder) as service:
        wait_until(lambda: workers_have_forked(service), "workers fork")
        yield service


def workers_have_forked(service: RunningService) -> bool:
    return len(service.processes()) >= 6 + 2 + 2 + 2  # web, issues, notices: two processes each


def test_everything_comes_up_from_any_working_directory(service):
    assert service.get("/healthz")[0] == 200
    assert service.get("/readyz")[0] == 200
    assert all(service.child(word) for word in WORDS)


def test_its_processes_stay_in_one_session(service):
    sessions = {os.getsid(pid) for pid in service.processes()}
    assert sessions == {os.getsid(service.process.pid)}


def test_it_says_where_to_look(service):
    for page in ("/", "/desk/", "/mailbox"):
        assert f"http://127.0.0.1:{service.port}{page}" in service.output


def test_what_it_keeps_is_readable_by_its_owner_alone(service):
    assert service.instance.stat().st_mode & 0o077 == 0


def test_a_second_run_in_the_same_folder_is_refused(service):
    second = newsletter(service.instance, "run", "--port", "0")

    assert second.returncode == 1
    assert f"is running in {service.instance} already" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert service.is_healthy()


def test_a_port_that_is_taken_is_one_clear_line(service, tmp_path):
    refused = newsletter(tmp_path / "other", "run", "--port", str(service.port))

    assert refused.returncode == 1
    assert f"port {service.port} is taken" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_wrong_setting_is_one_line_that_names_the_variable(tmp_path):
    refused = newsletter(tmp_path, "run", "--port", "0", SMTP_URL="gopher://hush")

    assert refused.returncode == 1
    assert "NEWSLETTER_SMTP_URL" in refused.stderr
    assert "hush" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("word", WORDS)
def test_a_killed_child_is_replaced(service, word):
    before = service.child(word)

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: service.child(word) not in {None, before}, f"{word} is back")
    wait_until(service.is_healthy, "the service is healthy again")
    wait_until(lambda: "was killed by SIGKILL; it starts again" in service.output, "it says so")


def test_no_log_holds_the_address_of_a_visitor(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as visitor:
        visitor.sendall(b"NONSENSE\r\n\r\n")
        assert b"400" in visitor.recv(1024)

    logged = "".join(path.read_text() for path in (service.instance / "log").glob("*.log"))
    assert "Invalid request" not in logged
    assert "ip=" not in logged


def test_a_visitor_is_not_believed_to_have_come_by_https(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as visitor:
        visitor.sendall(
            b"GET /desk HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
            b"Connection: close\r\n\r\n"
        )
        answer = visitor.makefile("rb").read()

    assert re.search(rb"(?mi)^location: ", answer)
    assert b"https://" not in answer


def test_visitors_who_stall_are_sent_away_and_keep_nobody_out(service):
    half_a_body = (
        b"POST /api/subscribe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
        b"Content-Type: application/json\r\n\r\n{"
    )
    with ExitStack() as stack:
        stalled = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            for _ in range(40)
        ]
        for number, visitor in enumerate(stalled):
            visitor.settimeout(60)  # one process may get more than it has threads: two rounds
            visitor.sendall(half_a_body if number % 2 else b"GET / HTTP/1.1\r\nHost: loc")
        time.sleep(1)  # until all of them hold a thread; nothing tells us when

        assert service.is_healthy()
        for visitor in stalled:
            while visitor.recv(4096):  # a time-out here is a failure
                pass
    assert "Traceback" not in (service.instance / "log" / "web.log").read_text()


def test_commands_in_another_shell_know_where_the_trial_listens(service):
    newsletter(service.instance, "issue", "import", str(ROOT / "docs/samples/issue-87.en.md"))
    newsletter(service.instance, "issue", "preview", "87", "--out", str(service.instance / "out"))

    text = (service.instance / "out" / "issue-87.en.txt").read_text()
    assert f"http://127.0.0.1:{service.port}/" in text
    assert ":8000/" not in text


def test_all_end_together_when_asked_to(tmp_path):
    with RunningService(tmp_path / "instance", cwd=tmp_path) as service:
        wait_until(lambda: workers_have_forked(service), "workers fork")
        started = service.processes()

        service.process.send_signal(signal.SIGTERM)

        assert service.process.wait(timeout=20) == 0
        assert not started & alive().keys()
        assert not (tmp_path / "instance" / ADDRESS).exists()


def test_when_it_is_killed_all_die_and_the_next_run_goes_on(tmp_path):
    with RunningService(tmp_path / "instance", cwd=tmp_path) as first:
        wait_until(lambda: workers_have_forked(first), "workers fork")
        started = first.processes()
        first.process.kill()
        first.process.wait()

        wait_until(lambda: not started & alive().keys(), "no orphan is left", seconds=20)
        with RunningService(tmp_path / "instance", cwd=tmp_path) as second:
            assert second.is_healthy()


def test_caught_mail_is_shown_on_a_loopback_bind_alone(tmp_path):
    with RunningService(
        tmp_path / "instance",
        "--host",
        "0.0.0.0",  # noqa: S104  # the point
        cwd=tmp_path,
    ) as service:
        assert service.get("/healthz")[0] == 200
        assert service.get("/mailbox")[0] == 404
        assert "/mailbox" not in service.output
