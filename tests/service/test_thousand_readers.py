"""A thousand readers with every choice: each gets exactly one message, with exactly their sections.

Meanwhile a second worker runs and the task is repeated again and again.
"""

import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import pytest
from celery import Celery

from tests.issue_files import SAMPLES
from tests.running import ROOT, environment, newsletter
from tests.service.reader import get, html_of, link, text_of

pytestmark = pytest.mark.slow

SECTIONS = ("isis-in-action", "western-response", "anti-isis-coalition", "other-jihadi-actors")
READERS = 1000
HEADLINE = re.compile(r"<h2[^>]*>(.*?)</h2>", re.DOTALL)
LONGEST_LINE = 998  # octets, RFC 5322 2.1.1


def choices():
    """All choices of the four sections, also none, which means all."""
    for size in range(len(SECTIONS) + 1):
        yield from itertools.combinations(SECTIONS, size)


@pytest.fixture(scope="module")
def readers():
    """Address → language and choice."""
    wishes = itertools.cycle(itertools.product(choices(), ("en", "ar")))
    return {
        f"reader{number}@reader.example": wish
        for number, wish in zip(range(READERS), wishes, strict=False)
    }


@contextmanager
def another_worker(service, settings):
    """A second worker for issues, on the same database and broker."""
    worker = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker", "worker",
         "--queues=issues,upkeep", "--concurrency=2", "--hostname=second@%h"],
        env=environment(service.instance, **settings), cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(timeout=60)


@pytest.fixture(scope="module")
def sent(service, parts, readers, tmp_path_factory):
    """Issue 87 sent to all of them; its counts at the end."""
    settings = {"PUBLIC_URL": f"http://127.0.0.1:{service.port}", **parts.settings}
    csv = tmp_path_factory.mktemp("readers") / "readers.csv"
    rows = (
        f"{address},{language},{' '.join(choice)},2026-01-02,paper list"
        for address, (choice, language) in readers.items()
    )
    csv.write_text("address,language,sections,consented_at,source\n" + "\n".join(rows) + "\n")
    for arguments in (
        ("issue", "import", str(SAMPLES / "issue-87.en.md")),
        ("issue", "import", str(SAMPLES / "issue-87.ar.md")),
        ("subscriber", "import", str(csv)),
    ):
        done = newsletter(service.instance, *arguments, **settings)
        assert done.returncode == 0, done.stderr

    broker = parts.settings.get(
        "REDIS_URL", f"redis+socket://{service.instance.absolute()}/valkey.sock"
    )
    with another_worker(service, settings):
        done = newsletter(service.instance, "issue", "send", "87", **settings)
        assert done.returncode == 0, done.stderr
        with Celery(broker=broker) as celery:
            for _ in range(20):
                celery.send_task("delivery.send_issue", args=(1,), queue="issues")
        waited = newsletter(service.instance, "issue", "status", "87", "--json", **settings)
        for _ in range(200):
            if json.loads(waited.stdout)["state"] == "sent":
                break
            waited = newsletter(service.instance, "issue", "status", "87", "--json", **settings)
    return json.loads(waited.stdout)


@pytest.fixture(scope="module")
def mails(sent, mailbox):
    """Everything that arrived."""
    return mailbox.all()


def test_the_counts_say_that_everybody_was_sent_to(sent):
    assert sent["state"] == "sent"
    assert sent["deliveries"]["sent"] == READERS
    assert sum(sent["deliveries"].values()) == READERS


def test_everybody_got_exactly_one(mails, readers):
    assert Counter(recipient for recipient, _ in mails) == Counter(list(readers))


def test_everybody_got_the_chosen_sections_and_no_others(mails, readers, service):
    site = f"http://127.0.0.1:{service.port}"
    headlines = {
        language: {
            slug: HEADLINE.search(page)
            for slug in SECTIONS
            for page in [get(f"{site}{prefix}/issues/87/{slug}").text]
        }
        for language, prefix in (("en", ""), ("ar", "/ar"))
    }
    for recipient, mail in mails:
        choice, language = readers[recipient]
        body = [_words(headline) for headline in HEADLINE.findall(html_of(mail))]
        for slug, headline in headlines[language].items():
            assert headline, slug
            wanted = not choice or slug in choice
            assert (_words(headline[1]) in body) == wanted, (recipient, slug, choice)


def test_every_mail_keeps_the_contract(mails, mailbox, readers, service):
    site = f"http://127.0.0.1:{service.port}"
    message_ids = {mail["Message-ID"] for _, mail in mails}
    assert len(message_ids) == READERS
    for recipient, mail in mails:
        assert not mail.defects
        assert not any(part.defects for part in mail.walk())
        assert mail["To"] == recipient
        assert mail["List-Unsubscribe"] == f"<{link(mail, 'unsubscribe')}>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["List-Id"].endswith("<weekly.newsletter.example>")
        archive = f"{site}/ar/issues/" if readers[recipient][1] == "ar" else f"{site}/issues/"
        assert mail["List-Archive"] == f"<{archive}>"
        assert mail["List-Owner"].startswith("<mailto:")
        assert mail["Precedence"] == "bulk"
        assert mail["Feedback-ID"]
        assert parsedate_to_datetime(mail["Date"]).tzinfo
        assert link(mail, "preferences")
        assert {part.get_content_type() for part in mail.walk()} == {
            "multipart/alternative",
            "text/plain",
            "text/html",
        }
        assert set(re.findall(r"reader\d+@", str(mail))) <= {recipient.partition("@")[0] + "@"}, (
            "names another reader"
        )
    for _, raw in mailbox.raw():
        assert max(len(line) for line in raw.split(b"\r\n")) <= LONGEST_LINE
        assert b"\n" not in raw.replace(b"\r\n", b"")


def test_the_mail_is_light_and_loads_nothing(mails):
    for _, mail in mails[:64]:
        html = html_of(mail)
        assert len(html.encode()) < 60_000
        assert not re.search(r"<(link|script|iframe|img)\b|@import|url\(", html)
        assert text_of(mail)


def _words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
