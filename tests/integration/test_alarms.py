"""Editors are told by mail when an issue needs them, once for each time it does."""

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select, update

from newsletter import audit
from newsletter.background import NOTICES, waiting
from newsletter.database import db, transaction
from newsletter.delivery import schedule, steering
from newsletter.desk import tasks
from newsletter.desk.alarms import tell_editors
from newsletter.desk.models import Editor, Role
from newsletter.issues.lifecycle import IssueState
from newsletter.notices.models import Notice, NoticeKind
from tests.desk import make_editor
from tests.endings import as_it_is
from tests.factories import NOON, make_issue, make_subscribers
from tests.posting import start_issue

BECAUSE = "The mail server refuses mail from us: 550 5.7.1 Sender rejected."
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _editors(app):
    make_editor(Role.EDITOR, "anna@example.org")
    make_editor(Role.ADMIN, "omar@example.org")
    make_editor(Role.AUTHOR, "lena@example.org")


def tell(now=NOON):
    with transaction():
        return tell_editors(now=now)


def told():
    db.session.rollback()
    notices = db.session.scalars(select(Notice).order_by(Notice.id)).all()
    assert {notice.kind for notice in notices} <= {NoticeKind.ALARM}
    return [notice.recipient for notice in notices]


def last_mail():
    notice = db.session.scalars(select(Notice).order_by(Notice.id.desc())).first()
    assert notice
    assert notice.message
    return message_from_bytes(notice.message, policy=policy.default)


def paused_issue(because=BECAUSE):
    issue = start_issue(readers=3)
    with transaction():
        steering.pause(issue.id, who=audit.POLICY, because=because, now=NOON)
    return issue


def resume(issue):
    with transaction():
        steering.resume(issue.id, who="anna@example.org", now=NOON)


def scheduled_issue(at):
    with transaction():
        issue = make_issue()
        make_subscribers(3)
        schedule.schedule(issue.id, at, who="anna@example.org", now=NOON)
    return issue


def test_all_who_may_send_are_told_when_an_issue_paused_by_itself(app):
    issue = paused_issue()

    assert tell() == 2

    assert told() == ["anna@example.org", "omar@example.org"]
    assert as_it_is(issue).told_at == NOON
    mail = last_mail()
    assert mail["Subject"] == "Issue 87 is paused"
    text = mail.get_body(("plain",)).get_content()
    assert BECAUSE in text
    assert "http://127.0.0.1:8000/desk/issues/87" in text.splitlines()


def test_who_was_let_go_is_told_no_more(app):
    paused_issue()
    with transaction():
        db.session.execute(
            update(Editor).where(Editor.address == "omar@example.org").values(ended_at=NOON)
        )

    assert tell() == 1
    assert told() == ["anna@example.org"]


def test_they_are_told_once(app):
    paused_issue()

    assert [tell(), tell(), tell()] == [2, 0, 0]


def test_they_are_told_again_when_it_pauses_again(app):
    issue = paused_issue()
    tell()
    resume(issue)
    assert tell() == 0
    with transaction():
        steering.pause(issue.id, who=audit.POLICY, because=BECAUSE, now=NOON)

    assert tell() == 2


def test_nobody_is_told_of_what_somebody_paused(app):
    paused_issue(because=None)

    assert tell() == 0


def test_nobody_is_told_of_a_pause_that_is_over(app):
    issue = paused_issue()
    with transaction():
        steering.cancel(issue.id, who="anna@example.org", now=NOON)

    assert tell() == 0


def test_they_are_asked_about_an_issue_that_is_late(app):
    scheduled_issue(NOON + HOUR)
    assert tell(NOON + 2 * HOUR) == 0

    assert tell(NOON + 2 * HOUR + timedelta(minutes=1)) == 2

    mail = last_mail()
    assert mail["Subject"] == "Issue 87 is late: shall it still go out?"
    assert "17 November 2026, 13:00 UTC" in mail.get_body(("plain",)).get_content()
    assert tell(NOON + 3 * HOUR) == 0


def test_a_new_time_that_passes_too_is_asked_about_too(app):
    issue = scheduled_issue(NOON + HOUR)
    tell(NOON + 3 * HOUR)
    with transaction():
        schedule.schedule(issue.id, NOON + 4 * HOUR, who="anna@example.org", now=NOON + 3 * HOUR)

    assert tell(NOON + 4 * HOUR) == 0
    assert tell(NOON + 6 * HOUR) == 2


def test_they_are_told_of_an_issue_that_could_not_go_out(app):
    issue = scheduled_issue(NOON + HOUR)
    with transaction():
        schedule.hold_back(issue.id, because="Issue 87 has no article.", now=NOON + HOUR)

    assert tell(NOON + HOUR) == 2

    assert last_mail()["Subject"] == "Issue 87 did not go out"
    assert "Issue 87 has no article." in last_mail().get_body(("plain",)).get_content()
    assert as_it_is(issue).state is IssueState.DRAFT


def test_they_are_told_in_the_language_of_the_publication(app, settings):
    paused_issue()
    app.extensions["settings"] = settings.model_copy(update={"default_language": "ar"})

    tell()

    assert last_mail()["Subject"] == "العدد 87 متوقف مؤقتًا"
    assert last_mail()["Content-Language"] == "ar"


def test_the_clock_tells_them_and_calls_a_worker(app):
    paused_issue()
    before = waiting(NOTICES)

    tasks.tell_editors()

    assert len(told()) == 2
    assert waiting(NOTICES) == before + 1
