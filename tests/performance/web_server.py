"""The production web server on a free port, with our application or another one behind it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from urllib.error import URLError
from urllib.request import urlopen

from newsletter.run.service import BACKLOG, web_server
from tests.running import ROOT, environment, wait_until

PATIENCE = 60  # seconds until a server that is told to stop has stopped


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    pid: int
    port: int

    @property
    def host(self) -> str:
        """As a request names it."""
        return f"127.0.0.1:{self.port}"

    @property
    def site(self) -> str:
        """Where its front page stands."""
        return f"http://{self.host}"


@contextmanager
def serve(module: str, folder: Path, path: str, **settings: str) -> Iterator[Server]:
    """Gunicorn as `newsletter run` starts it, up as soon as there is a page at `path`."""
    with create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        port = listener.getsockname()[1]
        program = web_server(listener, module)
        with (folder / "web.log").open("ab") as log:
            process = subprocess.Popen(
                program.arguments,
                env=environment(folder, PUBLIC_URL=f"http://127.0.0.1:{port}", **settings),
                cwd=ROOT,
                pass_fds=program.inherits,
                stdout=log,
                stderr=log,
            )
        server = Server(process.pid, port)
        try:
            wait_until(lambda: _is_there(server.site + path), f"{module} serves")
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _is_there(url: str) -> bool:
    try:
        with urlopen(url, timeout=10) as answer:
            return bool(answer.status)
    except (URLError, OSError):
        return False
