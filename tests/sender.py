"""A process that sends one issue, to be started many times and killed: database, relay, issue."""

import sys
import tempfile
from pathlib import Path

from newsletter import create_app
from newsletter.delivery import sending
from newsletter.settings import load_settings
from tests.posting import TestClock, fleet_to


def main(database_url: str, relay_url: str, issue_id: str) -> None:
    """Send until nothing is left to claim."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            _env_file=None, instance_path=Path(folder), database_url=database_url
        )
        with create_app(settings).app_context(), fleet_to(relay_url) as fleet:
            sending.send_issue(int(issue_id), fleet, clock=TestClock())


if __name__ == "__main__":
    main(*sys.argv[1:])
