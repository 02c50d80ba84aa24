"""The main job, in real processes: subscribe, confirm, send the week's sections, leave."""

import json

import pytest

from tests.issue_files import SAMPLES
from tests.running import newsletter, wait_until
from tests.service.reader import Mailbox, get, html_of, link, post, submit

pytestmark = pytest.mark.slow

READER = "a.new.reader@reader.example"


@pytest.fixture(scope="module")
def site(service):
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="module")
def command(service, parts):
    def run(*arguments):
        settings = {"PUBLIC_URL": f"http://127.0.0.1:{service.port}", **parts.settings}
        return newsletter(service.instance, *arguments, **settings)

    return run


def status(command):
    return json.loads(command("issue", "status", "87", "--json").stdout)


def test_somebody_subscribes_and_proves_it_from_the_mailbox(site, mailbox: Mailbox):
    asked = submit(
        get(f"{site}/subscribe"),
        address=READER,
        sections=["isis-in-action", "other-jihadi-actors"],
        language="en",
    )
    assert asked.status == 200

    confirm = link(mailbox.wait_for(READER)[0], "confirm")
    for method in ("HEAD", "GET", "GET"):
        assert get(confirm, method).status == 200
    assert len(mailbox.wait_for(READER)) == 1, "looking at the link changed something"

    assert submit(get(confirm)).status == 200
    assert submit(get(confirm)).status == 200, "a second press is kindly answered"
    welcome = mailbox.wait_for(READER, 2)[1]
    assert get(link(welcome, "preferences")).status == 200


def test_an_issue_in_two_languages_goes_to_everybody_once(site, command, mailbox):
    for language in ("en", "ar"):
        imported = command("issue", "import", str(SAMPLES / f"issue-87.{language}.md"))
        assert imported.returncode == 0, imported.stderr
    readers = command("subscriber", "import", str(SAMPLES / "readers.csv"))
    assert readers.returncode == 0, readers.stderr
    assert get(f"{site}/issues/87").status == 404, "public before Send"

    sent = command("issue", "send", "87", "--wait")

    assert sent.returncode == 0, sent.stderr
    counts = status(command)
    assert counts["state"] == "sent"
    assert counts["deliveries"] == {
        "queued": 0, "sending": 0, "sent": 31, "failed": 0, "skipped": 0, "in_doubt": 0,
    }  # fmt: skip
    issues = [to for to, mail in mailbox.all() if mail["List-Unsubscribe-Post"]]
    assert len(issues) == len(set(issues)) == 31
    assert get(f"{site}/issues/87").status == 200
    again = command("issue", "send", "87")
    assert again.returncode == 1
    assert "87" in again.stderr


def test_the_reader_gets_the_chosen_sections_and_the_way_to_the_others(mailbox, site):
    mail = mailbox.wait_for(READER, 3)[2]
    html = html_of(mail)

    assert 'id="isis-in-action"' in html or "ISIS in Action" in html
    for slug in ("western-response", "anti-isis-coalition"):
        assert f"{site}/issues/87/{slug}" in html


def test_one_click_leaves_without_a_cookie_and_any_number_of_times(mailbox, command):
    mail = mailbox.wait_for(READER, 3)[2]
    url = mail["List-Unsubscribe"].strip("<>")
    for method in ("GET", "HEAD"):
        assert get(url, method).status == 200
    assert status(command)["unsubscribed"] == 0

    for _ in range(2):
        assert post(url, [("List-Unsubscribe", "One-Click")]).status == 200

    assert status(command)["unsubscribed"] == 1
    shown = command("subscriber", "show", READER)
    assert "unsubscribed" in shown.stdout
    goodbye = mailbox.wait_for(READER, 4)[3]
    assert not goodbye["List-Unsubscribe-Post"]


def test_who_left_is_not_brought_back_by_the_old_link_but_by_a_new_one(site, mailbox, command):
    confirm = link(mailbox.wait_for(READER)[0], "confirm")
    assert submit(get(confirm)).status == 410 if get(confirm).status == 200 else True
    assert "unsubscribed" in command("subscriber", "show", READER).stdout

    submit(get(f"{site}/subscribe"), address=READER, language="en")
    newest = wait_until(
        lambda: next(
            (
                m
                for m in reversed(mailbox.wait_for(READER, 4))
                if "/confirm/" in str(m) and link(m, "confirm") != confirm
            ),
            None,
        ),
        "a new confirmation",
        30,
    )
    assert submit(get(link(newest, "confirm"))).status == 200
    assert "confirmed" in command("subscriber", "show", READER).stdout
