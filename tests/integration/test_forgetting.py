"""What serves nobody any more goes by itself, and what still does stays."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from newsletter.database import db, transaction
from newsletter.desk.models import EditorSession, Invitation, PasswordReset, Role
from newsletter.desk.tasks import forget
from newsletter.issues import link_checks
from newsletter.issues.models import LinkCheck
from newsletter.notices.models import NoticeKind
from tests.desk import ADDRESS, at_the_desk, browser, make_editor
from tests.door import invited, mails, path_in, take


def age(column, days):
    """Let it have been so many days ago, and a minute."""
    with transaction():
        then = datetime.now(UTC) - timedelta(days=days, minutes=1)
        db.session.execute(sa.update(column.class_).values({column.key: then}))


def left(model):
    with transaction():
        return db.session.scalar(sa.select(sa.func.count()).select_from(model))


@pytest.mark.parametrize("is_taken", [True, False])
def test_an_invitation_is_forgotten_a_month_after_it_was_good_and_its_link_stays_expired(
    app, is_taken
):
    path = invited(at_the_desk(app, Role.ADMIN))
    if is_taken:
        take(browser(app), path)

    age(Invitation.invited_at, 36)
    forget()
    assert left(Invitation) == 1

    age(Invitation.invited_at, 37)
    forget()
    assert left(Invitation) == 0
    assert browser(app).get(path).status_code == 410


def test_leave_to_choose_a_new_password_is_forgotten_a_month_later(app):
    make_editor()
    browser(app).send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/forgot")
    path = path_in(mails(NoticeKind.PASSWORD_RESET)[0])

    age(PasswordReset.asked_at, 30)
    forget()
    assert left(PasswordReset) == 1

    age(PasswordReset.asked_at, 31)
    forget()
    assert left(PasswordReset) == 0
    assert browser(app).get(path).status_code == 410


def test_a_session_that_opens_nothing_any_more_is_forgotten_and_others_are_not(app):
    at_the_desk(app)
    age(EditorSession.started_at, 1)
    browser(app).log_in()
    assert left(EditorSession) == 2

    forget()

    assert left(EditorSession) == 1


def test_where_a_link_led_is_forgotten_when_it_holds_no_more(app):
    with transaction():
        link_checks.ask(["https://site.example/"], now=datetime.now(UTC))
    forget()
    assert left(LinkCheck) == 1

    age(LinkCheck.checked_at, 7)
    forget()

    assert left(LinkCheck) == 0
