"""Who lost the password gets a link by mail, and nobody learns who works at the desk."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from newsletter.database import db, transaction
from newsletter.desk.models import PasswordReset
from newsletter.desk.password_reset import APART, ask_for_reset
from newsletter.notices.models import NoticeKind
from tests.desk import ADDRESS, NOW, PASSWORD, at_the_desk, browser, make_editor
from tests.door import OTHER_PASSWORD, half_in, mails, next_code, path_in, set_up, show


def test_who_lost_the_password_gets_a_link_and_all_sessions_end(app):
    anna = at_the_desk(app)
    other = browser(app)
    assert (
        "on its way"
        in other.send_form(
            "/desk/forgot", {"address": "Anna@EXAMPLE.org"}, page="/desk/forgot"
        ).text
    )
    path = path_in(mails(NoticeKind.PASSWORD_RESET)[0])

    form = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    assert other.send_form(path, form, page=path).status_code == 303

    assert anna.get("/desk/").status_code == 303
    assert browser(app).log_in().status_code == 401
    assert browser(app).log_in(password=OTHER_PASSWORD).status_code == 303
    assert browser(app).get(path).status_code == 410
    assert "changed just now" in mails(NoticeKind.ACCOUNT)[0]


def test_the_answer_is_the_same_for_everybody_and_only_editors_get_a_mail(app):
    make_editor()
    guest = browser(app)

    answers = {
        re.sub(
            r'value="[^"]*"',
            "",
            guest.send_form("/desk/forgot", {"address": address}, page="/desk/forgot").text,
        )
        for address in (ADDRESS, "nobody@example.org", "no address", "")
    }

    assert len(answers) == 1
    assert len(mails(NoticeKind.PASSWORD_RESET)) == 1


def test_strangers_fill_no_mailbox_with_links_and_use_up_nobodys(app):
    make_editor()
    when = []
    for half_hours in range(48):
        before = len(mails(NoticeKind.PASSWORD_RESET))
        with transaction():
            for _ in range(4):
                ask_for_reset(ADDRESS, now=NOW + half_hours * APART)
        when += [half_hours] * (len(mails(NoticeKind.PASSWORD_RESET)) - before)

    assert when == [0, 0, 1, 3, 6, 10, 15, 21, 28, 36, 45]


def test_a_link_for_a_new_password_works_for_an_hour(app):
    make_editor()
    browser(app).send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/forgot")
    with transaction():
        aged = update(PasswordReset).values(asked_at=datetime.now(UTC) - timedelta(hours=1))
        db.session.execute(aged)

    assert browser(app).get(path_in(mails(NoticeKind.PASSWORD_RESET)[0])).status_code == 410


def test_a_new_password_leaves_the_second_factor_as_it_was(app):
    totp, _ = set_up(at_the_desk(app))
    browser(app).send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/forgot")
    path = path_in(mails(NoticeKind.PASSWORD_RESET)[0])
    form = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    browser(app).send_form(path, form, page=path)

    anna = half_in(app, OTHER_PASSWORD)

    assert anna.get("/desk/").headers["Location"] == "/desk/second-factor"
    assert show(anna, next_code(totp)).status_code == 303


@pytest.mark.parametrize(
    ("password", "again"),
    [("eleven char", "eleven char"), (OTHER_PASSWORD, "another one"), (ADDRESS, ADDRESS)],
)
def test_a_link_is_not_used_up_by_a_password_that_will_not_do(app, password, again):
    make_editor()
    guest = browser(app)
    guest.send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/forgot")
    path = path_in(mails(NoticeKind.PASSWORD_RESET)[0])

    refused = guest.send_form(path, {"password": password, "again": again}, page=path)

    assert refused.status_code == 400
    assert 'role="alert"' in refused.text
    assert guest.get(path).status_code == 200


def test_a_new_password_voids_the_other_links_that_were_asked_for(app):
    make_editor()
    guest = browser(app)
    for _ in range(2):
        guest.send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/forgot")
    first, second = map(path_in, mails(NoticeKind.PASSWORD_RESET))

    form = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    guest.send_form(second, form, page=second)

    assert guest.get(first).status_code == 410


def test_a_password_changed_at_the_desk_voids_them_too(app):
    anna = at_the_desk(app)
    anna.send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/account")
    path = path_in(mails(NoticeKind.PASSWORD_RESET)[0])
    form = {"old": PASSWORD, "password": OTHER_PASSWORD, "again": OTHER_PASSWORD}

    assert anna.send_form("/desk/account/password", form, page="/desk/account").status_code == 303

    assert browser(app).get(path).status_code == 410
