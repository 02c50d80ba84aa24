"""Admins change roles and let people go; one of them always stays."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.desk.models import Editor, Role
from newsletter.desk.people import LastAdmin, change_role, let_go
from tests.desk import ADDRESS, NOW, at_the_desk, make_editor
from tests.door import NEW, acts, invited, person, take


def test_an_admin_changes_roles_and_it_holds_from_the_next_page_on(app):
    admin = at_the_desk(app, Role.ADMIN)
    basim = at_the_desk(app, Role.AUTHOR, NEW)
    assert basim.get("/desk/people").status_code == 403

    path = f"/desk/people/{person(NEW)}/role"
    admin.send_form(path, {"role": "admin"}, page="/desk/people")

    assert basim.get("/desk/people").status_code == 200
    assert f"Made {NEW} admin, before author." in acts()


def test_who_is_let_go_is_out_at_once_and_comes_back_by_an_invitation_alone(app):
    admin = at_the_desk(app, Role.ADMIN)
    basim = at_the_desk(app, Role.EDITOR, NEW)
    path = f"/desk/people/{person(NEW)}/let-go"

    assert admin.send_form(path, page=path).status_code == 303

    assert basim.get("/desk/").status_code == 303
    assert basim.log_in(NEW).status_code == 401
    assert take(basim, invited(admin)).status_code == 303
    assert basim.get("/desk/").status_code == 200
    assert person(NEW)


def test_the_last_admin_stays(app):
    admin = at_the_desk(app, Role.ADMIN)
    number = person(ADDRESS)
    path = f"/desk/people/{number}"

    assert admin.send_form(f"{path}/let-go", page=f"{path}/let-go").status_code == 409
    demoted = admin.send_form(f"{path}/role", {"role": "author"}, page="/desk/people")
    assert demoted.status_code == 409
    now = datetime.now(UTC)
    with pytest.raises(LastAdmin), transaction():
        let_go(number, who="somebody", now=now)
    with pytest.raises(LastAdmin), transaction():
        change_role(number, Role.EDITOR, who="somebody", now=now)


@pytest.mark.parametrize("way", ["let go", "made less"])
def test_of_two_admins_who_turn_on_each_other_at_once_one_stays(app, way):
    make_editor(Role.ADMIN)
    make_editor(Role.ADMIN, NEW)
    start = Barrier(2)

    def turn_on(number):
        with app.app_context():
            start.wait()
            with suppress(LastAdmin), transaction():
                if way == "let go":
                    let_go(number, who="the other", now=NOW)
                else:
                    change_role(number, Role.AUTHOR, who="the other", now=NOW)

    with ThreadPoolExecutor() as threads:
        list(threads.map(turn_on, [person(ADDRESS), person(NEW)]))

    admins = select(Editor.id).where(Editor.role == Role.ADMIN, Editor.ended_at.is_(None))
    assert len(db.session.scalars(admins).all()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/desk/people/99999999999999999999/role",
        "/desk/people/invitations/99999999999999999999/withdraw",
        "/desk/account/sessions/99999999999999999999/end",
        "/desk/sections/%00",
        "/desk/issues/87/write/%00/en",
    ],
)
def test_what_no_number_and_no_name_can_be_is_not_found(app, path):
    admin = at_the_desk(app, Role.ADMIN)

    assert admin.send_form(path, {"role": "editor"}, page="/desk/people").status_code == 404


def test_a_name_holds_nothing_that_cannot_be_kept(app):
    anna = at_the_desk(app)

    form = {"name": "Anna\0 of Tripoli"}
    assert anna.send_form("/desk/account/name", form, page="/desk/account").status_code == 303
    assert "Anna of Tripoli" in anna.get("/desk/account").text
