"""`newsletter run`: all of it comes up, stays up, and goes away together."""

import os
import signal

import pytest

from tests.running import RunningService, alive, newsletter, wait_until

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


def test_all_end_together_when_asked_to(tmp_path):
    with RunningService(tmp_path / "instance", cwd=tmp_path) as service:
        wait_until(lambda: workers_have_forked(service), "workers fork")
        started = service.processes()

        service.process.send_signal(signal.SIGTERM)

        assert service.process.wait(timeout=20) == 0
        assert not started & alive().keys()


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
