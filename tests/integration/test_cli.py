"""The command line: what an operator types, and what comes back."""

import json
import re
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from traceback import walk_stack

import pytest
from sqlalchemy import select

from newsletter.cli.issue import _wait
from newsletter.database import db, transaction
from newsletter.delivery import relays
from newsletter.delivery.answers import AnswerCounts
from newsletter.delivery.models import Delivery, Tally
from newsletter.desk.models import Editor
from newsletter.issues.models import Issue
from newsletter.mail.smtp_answers import Answer, Outcome, Stage
from newsletter.notices.models import Notice
from newsletter.subscribers.models import Subscriber, SubscriberState
from newsletter.subscribers.pausing import pause
from tests.desk import at_the_desk
from tests.running import COMMAND, ROOT, environment, wait_until
from tests.running import newsletter as run_to_its_end

SAMPLES = ROOT / "docs" / "samples"
ENGLISH, ARABIC = str(SAMPLES / "issue-87.en.md"), str(SAMPLES / "issue-87.ar.md")
READERS = str(SAMPLES / "readers.csv")


@pytest.fixture
def imported(command):
    """Issue 87 in two languages, and thirty readers."""
    for arguments in (
        ("issue", "import", ENGLISH),
        ("issue", "import", ARABIC),
        ("subscriber", "import", READERS),
    ):
        assert command(*arguments).exit_code == 0


def test_an_issue_is_imported_language_by_language(command):
    assert command("issue", "import", ENGLISH).stdout == "Issue 87 is a draft in en.\n"
    assert command("issue", "import", ARABIC).stdout == "Issue 87 is a draft in ar and en.\n"


def test_an_issue_may_come_on_stdin(command):
    assert command("issue", "import", "-", stdin=Path(ENGLISH).read_bytes()).exit_code == 0


def test_an_issue_is_not_replaced_by_accident(command):
    command("issue", "import", ENGLISH)

    again = command("issue", "import", ENGLISH)

    assert again.exit_code == 1
    assert "--replace" in again.stderr
    assert command("issue", "import", ENGLISH, "--replace").exit_code == 0


def test_a_bad_file_is_refused_with_all_its_lines_and_no_stack_trace(command):
    bad = "---\nnumber: 88\ndate: 2026-11-24\nsubject: x\n---\n"
    bad += "# Nonsense\n## A\nb\n# ISIS in Action\ntext\n"

    refused = command("issue", "import", "-", stdin=bad)

    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "Line 6:" in refused.stderr
    assert "Line 9:" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "verb",
    [
        ("send",),
        ("status",),
        ("export", "en"),
        ("preview", "--out", "x"),
        ("test", "--to", "a@b.example"),
    ],
)
def test_an_issue_that_is_not_there_is_one_clear_line(command, verb):
    refused = command("issue", verb[0], "99", *verb[1:])

    assert refused.exit_code == 1
    assert "there is no issue 99" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("language", ["en", "ar"])
def test_an_issue_is_exported_as_the_desk_gives_it(app, command, imported, tmp_path, language):
    out = tmp_path / "issue.md"

    shown = command("issue", "export", "87", language)
    command("issue", "export", "87", language, "--out", str(out))

    from_desk = at_the_desk(app).get(f"/desk/issues/87/export/{language}.md").data
    assert from_desk.startswith(b"---\nnumber: 87\n")
    assert shown.stdout_bytes == out.read_bytes() == from_desk
    assert command("issue", "import", str(out), "--replace").exit_code == 0


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        (("87", "fr"), 2, "fr"),
        (("87", "en", "--out", "/nowhere/issue.md"), 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_exported_is_said(command, imported, wrong, status, said):
    refused = command("issue", "export", *wrong)

    assert refused.exit_code == status
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_issue_that_is_not_there_leaves_the_file_as_it_was(command, tmp_path):
    out = tmp_path / "issue.md"
    out.write_text("kept")

    command("issue", "export", "99", "en", "--out", str(out))

    assert out.read_text() == "kept"


def test_a_preview_is_the_mail_itself_and_its_parts_in_each_language(command, imported, tmp_path):
    shown = command("issue", "preview", "87", "--out", str(tmp_path / "out"))

    paths = [
        tmp_path / "out" / name for name in sorted(p.name for p in (tmp_path / "out").iterdir())
    ]
    assert sorted(shown.stdout.split()) == [str(path) for path in paths]
    assert [path.name for path in paths] == [
        f"issue-87.{language}.{kind}"
        for language in ("ar", "en")
        for kind in ("eml", "html", "txt")
    ]
    mail = message_from_bytes(
        (tmp_path / "out" / "issue-87.en.eml").read_bytes(), policy=policy.default
    )
    assert mail["List-Unsubscribe"]
    assert not mail.defects
    assert "/unsubscribe/" in (tmp_path / "out" / "issue-87.en.txt").read_text()
    assert 'dir="rtl"' in (tmp_path / "out" / "issue-87.ar.html").read_text()


def test_a_preview_of_chosen_sections_holds_those(command, imported, tmp_path):
    command("issue", "preview", "87", "--out", str(tmp_path), "--sections", "western-response")

    text = (tmp_path / "issue-87.en.txt").read_text()
    issue = db.session.scalars(select(Issue)).one()
    headlines = {a.section.slug: a.headline for a in issue.articles if a.language == "en"}
    assert headlines["western-response"] in text
    assert headlines["anti-isis-coalition"] not in text


def test_a_section_that_does_not_exist_is_refused(command, imported, tmp_path):
    refused = command("issue", "preview", "87", "--out", str(tmp_path), "--sections", "sports")

    assert refused.exit_code == 1
    assert "sports" in refused.stderr


def test_a_test_goes_to_one_address_and_to_no_reader(command, imported):
    assert (
        command("issue", "test", "87", "--to", "me@desk.example", "--language", "ar").exit_code == 0
    )

    (notice,) = db.session.scalars(select(Notice)).all()
    assert notice.recipient == "me@desk.example"
    assert db.session.scalars(select(Delivery)).all() == []


def test_send_warns_when_nobody_would_get_it(command):
    command("issue", "import", ENGLISH)

    sent = command("issue", "send", "87")

    assert (sent.exit_code, sent.stdout) == (0, "Issue 87 goes to 0 readers.\n")
    assert "Warning: No confirmed reader takes any of its sections" in sent.stderr


def test_send_does_not_warn_of_nobody_when_somebody_gets_it(command, imported):
    assert "No confirmed reader" not in command("issue", "send", "87").stderr


def test_send_starts_once_and_the_second_shell_is_told(command, imported):
    first = command("issue", "send", "87")
    second = command("issue", "send", "87")

    assert (first.exit_code, first.stdout) == (0, "Issue 87 goes to 30 readers.\n")
    assert second.exit_code == 1
    assert "already" in second.stderr
    assert len(db.session.scalars(select(Delivery)).all()) == 30


def test_waiting_without_a_worker_says_so_and_fails(command, imported):
    waited = command("issue", "send", "87", "--wait")

    assert waited.exit_code == 1
    assert "no worker is alive" in waited.stderr


def test_an_issue_without_readers_is_sent_at_once(command):
    command("issue", "import", ENGLISH)

    sent = command("issue", "send", "87", "--wait")

    assert sent.exit_code == 0
    assert "Issue 87 has been sent." in sent.stdout


def test_the_status_is_there_for_programs(command, imported):
    command("issue", "send", "87")

    status = json.loads(command("issue", "status", "87", "--json").stdout)

    assert list(status.items())[:4] == [
        ("number", 87),
        ("state", "sending"),
        (
            "deliveries",
            {"queued": 30, "sending": 0, "sent": 0, "failed": 0, "skipped": 0, "in_doubt": 0},
        ),
        ("unsubscribed", 0),
    ]
    assert status["troubles"] == []


def test_the_status_says_how_fast_it_goes_and_what_mail_servers_object_to(command, imported):
    command("issue", "send", "87")
    with transaction():
        issue = db.session.scalars(select(Issue)).one()
        begun_at = datetime.now(UTC) - timedelta(seconds=100)
        issue.sending_started_at = begun_at
        tally = db.session.get_one(Tally, (issue.id, 1))
        tally.queued, tally.sent = -20, 20
        relays.trip("mail.example:25", "421 Shutting down.", begun_at)
    answers = AnswerCounts()
    busy = Answer(Outcome.NOT_NOW, Stage.RCPT, "Please come back later.", 451)
    answers.add("mail.example:25", "reader.example", busy, begun_at)
    answers.flush(issue.id)

    status = command("issue", "status", "87").stdout

    assert re.search(r"^0\.\d messages a second, about \d+ seconds left\.$", status, re.MULTILINE)
    assert re.search(
        r"^The mail server mail\.example:25 fails since .* 421 Shutting", status, re.MULTILINE
    )
    assert re.search(r"^1 x not now since .*: 451 Please come back later\.$", status, re.MULTILINE)
    assert "But no worker is alive, so nothing more leaves" in status


def test_an_import_keeps_what_is_good_and_names_the_lines_that_are_not(command, tmp_path):
    (tmp_path / "list.csv").write_text(
        "address,sections,consented_at\n"
        "good@reader.example,,2025-05-14\n"
        "no address,,2025-05-14\n"
        "other@reader.example,sports,2025-05-14\n"
        "asked@reader.example,,\n"
    )

    done = command("subscriber", "import", str(tmp_path / "list.csv"))

    assert done.exit_code == 1
    assert "1 imported, 1 asked to confirm, 0 known already, 2 refused." in done.stdout
    assert f"{tmp_path / 'list.csv'}:3: " in done.stderr
    assert f"{tmp_path / 'list.csv'}:4: " in done.stderr
    confirmed = select(Subscriber.address).where(Subscriber.state == SubscriberState.CONFIRMED)
    assert db.session.scalars(confirmed).all() == ["good@reader.example"]


def test_what_is_exported_can_be_imported(command, imported, tmp_path):
    exported = command("subscriber", "export").stdout
    (tmp_path / "again.csv").write_text(exported)

    again = command("subscriber", "import", str(tmp_path / "again.csv"))

    assert len(exported.splitlines()) == 31
    assert "30 known already, 0 refused" in again.stdout


def test_what_we_know_of_an_address_is_shown_in_any_spelling(command, imported):
    shown = command("subscriber", "show", "Basim@READER.example").stdout

    assert "confirmed" in shown
    assert "isis-in-action, other-jihadi-actors" in shown
    assert "reading" in shown or "paper list" in shown


def test_somebody_can_be_let_go_twice(command, imported):
    for _ in range(2):
        assert command("subscriber", "unsubscribe", "amal@reader.example").exit_code == 0

    amal = select(Subscriber).where(Subscriber.address_key == "amal@reader.example")
    db.session.expire_all()
    assert db.session.scalars(amal).one().state is SubscriberState.UNSUBSCRIBED
    assert command("subscriber", "show", "amal@reader.example").stdout.count("unsubscribed") == 2


def test_somebody_can_be_erased_who_asked_for_it(command, imported):
    erased = command("subscriber", "erase", "Amal@READER.example")
    assert erased.exit_code == 0
    assert "amal" not in erased.stdout.lower()

    shown = command("subscriber", "show", "amal@reader.example")
    assert shown.stdout == "amal@reader.example  suppressed: erased\n"
    assert "amal@" not in command("subscriber", "export").stdout
    assert command("subscriber", "erase", "amal@reader.example").exit_code == 1


def test_a_pause_is_shown(command, imported):
    found = db.session.scalars(select(Subscriber).limit(1)).one()
    with transaction():
        pause(found.id, date(2099, 1, 31), source="test", now=datetime.now(UTC))

    assert "paused until 2099-01-31" in command("subscriber", "show", found.address).stdout


@pytest.mark.parametrize("verb", ["show", "unsubscribe", "erase"])
def test_an_address_that_nobody_has_is_one_clear_line(command, verb):
    refused = command("subscriber", verb, "nobody@reader.example")
    assert refused.exit_code == 1
    assert len(refused.stderr.splitlines()) == 1


def test_what_is_no_address_is_refused(command):
    assert "There is no @" in command("subscriber", "show", "amal").stderr


def test_an_editor_gets_a_password_that_nobody_has_to_think_of(command):
    added = command("editor", "add", "you@desk.example", "--role", "admin")

    assert added.exit_code == 0
    assert "Password: " in added.stdout
    editor = db.session.scalars(select(Editor)).one()
    assert (editor.address, editor.role) == ("you@desk.example", "admin")
    assert editor.password_hash.startswith("$argon2id$")


def test_an_editor_is_added_once(command):
    command("editor", "add", "you@desk.example")
    again = command("editor", "add", "you@desk.example")
    assert again.exit_code == 1
    assert again.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("issue", "send"),
        ("issue", "send", "eighty"),
        ("editor", "add", "a@b.example", "--role", "king"),
        ("nonsense",),
        ("issue", "send", "-1"),
        ("issue", "status", "99999999999999999999"),
    ],
)
def test_wrong_usage_exits_with_2(command, arguments):
    assert command(*arguments).exit_code == 2


def test_a_database_without_schema_says_what_to_do(tmp_path):
    refused = run_to_its_end(tmp_path, "issue", "status", "87")
    assert refused.returncode == 1
    assert (
        refused.stderr
        == "newsletter: the database is not up to date; run `newsletter db upgrade`\n"
    )

    assert run_to_its_end(tmp_path, "db", "upgrade").returncode == 0
    assert "there is no issue 87" in run_to_its_end(tmp_path, "issue", "status", "87").stderr


def test_a_database_that_is_away_is_one_line_without_its_password(tmp_path):
    away = "postgresql://newsletter:hush@127.0.0.1:1/newsletter"
    for command in (("issue", "status", "87"), ("db", "upgrade")):
        refused = run_to_its_end(tmp_path, *command, DATABASE_URL=away)
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert "hush" not in refused.stderr


def test_a_wrong_setting_is_one_line_that_names_the_variable(tmp_path):
    refused = run_to_its_end(tmp_path, "issue", "status", "87", SMTP_CONNECTIONS="many")
    assert refused.returncode == 1
    assert refused.stderr.startswith("newsletter: NEWSLETTER_SMTP_CONNECTIONS")
    assert len(refused.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_one_line(command, imported):
    refused = command("issue", "preview", "87", "--out", "/proc/previews")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("newsletter: /proc/previews: ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_disk_that_is_full_is_one_line(tmp_path):
    assert run_to_its_end(tmp_path, "db", "upgrade").returncode == 0

    with Path("/dev/full").open("w") as full:
        refused = subprocess.run(
            [*COMMAND, "subscriber", "export"],
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert refused.returncode == 1
    assert refused.stderr == "newsletter: No space left on device\n"


def test_ctrl_c_during_an_import_says_how_many_were_kept(tmp_path):
    assert run_to_its_end(tmp_path, "db", "upgrade").returncode == 0
    lines = (f"reader{number}@reader.example,2025-05-14\n" for number in range(60_000))
    (tmp_path / "list.csv").write_text("address,consented_at\n" + "".join(lines))
    with subprocess.Popen(
        [*COMMAND, "subscriber", "import", str(tmp_path / "list.csv")],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wal = tmp_path / "newsletter.db-wal"
        wait_until(lambda: wal.exists() and wal.stat().st_size > 500_000, "some are kept")
        process.send_signal(signal.SIGINT)
        complaint = process.communicate()[1].splitlines()[-1]

    kept = len(run_to_its_end(tmp_path, "subscriber", "export").stdout.splitlines()) - 1
    assert process.returncode == 130
    assert 0 < kept < 60_000
    assert complaint.startswith(f"newsletter: interrupted; {kept} ")


def is_waiting():
    """Whether the main thread has come as far as to wait for the end of the sending."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    return any(step.f_code is _wait.__code__ for step, _line in walk_stack(frame))


def test_ctrl_c_while_waiting_says_that_sending_goes_on(command, imported):
    def interrupt():
        wait_until(is_waiting, "the command waits", 60)  # behind all checks and the fan-out
        signal.raise_signal(signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    waited = command("issue", "send", "87", "--wait")
    interrupting.join()

    assert waited.exit_code == 130
    assert "goes on" in waited.stderr.splitlines()[-1]
    assert "Traceback" not in waited.stderr
