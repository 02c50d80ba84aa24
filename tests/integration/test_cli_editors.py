"""`newsletter editor`: for the first one in, and for whoever is locked out."""

import pytest

from newsletter.desk.models import Role
from newsletter.notices.models import NoticeKind
from tests.desk import ADDRESS, PASSWORD, at_the_desk, browser, make_editor, piece
from tests.door import NEW, acts, mails, set_up


def test_everybody_is_listed_with_role_and_second_factor(app, command):
    set_up(at_the_desk(app))
    make_editor(Role.AUTHOR, NEW)

    listed = command("editor", "list")

    assert listed.stdout == (
        f"{ADDRESS}  editor  second factor on\n{NEW}  author  no second factor\n"
    )


def test_who_is_added_stands_in_the_log(command):
    assert command("editor", "add", NEW, "--role", "author").exit_code == 0

    assert acts() == [f"Let {NEW} in as author."]


def test_the_desk_is_closed_to_somebody_at_once_but_not_to_the_last_admin(app, command):
    anna = at_the_desk(app)
    make_editor(Role.ADMIN, NEW)

    assert command("editor", "end", ADDRESS).stdout == f"The desk is closed to {ADDRESS}.\n"
    assert anna.get("/desk/").status_code == 303
    assert browser(app).log_in().status_code == 401
    refused = command("editor", "end", NEW)
    assert refused.exit_code == 1
    assert "last admin" in refused.stderr
    assert acts() == [f"Let {ADDRESS} go."]


def test_another_password_is_made_up_and_its_owner_told(app, command):
    anna = at_the_desk(app)

    done = command("editor", "reset-password", ADDRESS)

    assert anna.get("/desk/").status_code == 303
    assert browser(app).log_in(password=PASSWORD).status_code == 401
    assert browser(app).log_in(password=piece(r"^Password: (.+)$", done.stdout)).status_code == 303
    assert "changed just now" in mails(NoticeKind.ACCOUNT)[-1]
    assert acts() == [f"Gave {ADDRESS} a new password."]


def test_who_lost_phone_and_codes_comes_in_by_the_password_and_is_told(app, command):
    anna = at_the_desk(app)
    set_up(anna)

    assert command("editor", "forget-second-factor", ADDRESS).exit_code == 0

    assert anna.get("/desk/").status_code == 303
    assert browser(app).log_in().headers["Location"] == "/desk/"
    assert "no longer asks for a code" in mails(NoticeKind.ACCOUNT)[-1]
    assert acts()[-1] == f"Forgot {ADDRESS}'s second factor."


@pytest.mark.parametrize("verb", ["end", "reset-password", "forget-second-factor"])
def test_a_stranger_is_a_refusal_that_says_where_to_look(command, verb):
    refused = command("editor", verb, "nobody@example.org")

    assert refused.exit_code == 1
    assert "nobody works at the desk under nobody@example.org" in refused.stderr
    assert "newsletter editor list" in refused.stderr
