"""A place at the desk is offered by mail, and taken once."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from newsletter.database import db, transaction
from newsletter.desk.models import Invitation, Role
from newsletter.notices.models import NoticeKind
from tests.desk import ADDRESS, at_the_desk, browser, make_editor
from tests.door import NEW, OTHER_PASSWORD, acts, invited, mails, take


def test_who_is_invited_comes_in_by_the_link_and_then_by_the_password(app):
    path = invited(at_the_desk(app, Role.ADMIN))
    basim = browser(app)

    assert "invited you" in basim.get(path).text
    assert take(basim, path).headers["Location"] == "/desk/"
    assert "Basim" in basim.get("/desk/").text
    assert browser(app).log_in(NEW, OTHER_PASSWORD).status_code == 303
    assert [act for act in acts() if "basim" in act] == [f"Invited {NEW} as author."]


def test_an_invitation_is_taken_once(app):
    path = invited(at_the_desk(app, Role.ADMIN))
    basim = browser(app)
    take(basim, path)

    assert browser(app).get(path).status_code == 410
    token = basim.token("/desk/account")
    assert basim.post(path, data={"csrf_token": token, "password": "x"}).status_code == 410


def test_an_invitation_does_not_outlive_that_somebody_is_let_go(app):
    admin = at_the_desk(app, Role.ADMIN)
    path = invited(admin)
    editor = make_editor(Role.AUTHOR, NEW)  # let in meanwhile by a command
    admin.send_form(f"/desk/people/{editor.id}/let-go", page="/desk/people")

    assert browser(app).get(path).status_code == 410
    assert browser(app).log_in(NEW).status_code == 401


@pytest.mark.parametrize("what", ["withdrawn", "replaced", "too old", "broken"])
def test_an_invitation_that_is_void_opens_nothing(app, what):
    admin = at_the_desk(app, Role.ADMIN)
    path = invited(admin)
    if what == "withdrawn":
        number = db.session.scalars(select(Invitation.id)).one()
        admin.send_form(f"/desk/people/invitations/{number}/withdraw", page="/desk/people")
    elif what == "replaced":
        assert invited(admin) != path
    elif what == "too old":
        with transaction():
            aged = update(Invitation).values(invited_at=datetime.now(UTC) - timedelta(days=7))
            db.session.execute(aged)
    else:
        path = path[:-1] + ("A" if path[-1] != "A" else "B")

    assert browser(app).get(path).status_code == (404 if what == "broken" else 410)


@pytest.mark.parametrize(
    ("password", "again"),
    [("eleven char", None), (OTHER_PASSWORD, "something else"), (f"my {NEW} password", None)],
)
def test_a_password_that_will_not_do_is_said_and_the_name_stays(app, password, again):
    path = invited(at_the_desk(app, Role.ADMIN))

    refused = take(browser(app), path, password, again)

    assert refused.status_code == 400
    assert 'role="alert"' in refused.text
    assert 'value="Basim"' in refused.text
    assert password not in refused.text


@pytest.mark.parametrize(
    "form", [{"address": "no address"}, {"address": ADDRESS}, {"role": "king"}]
)
def test_an_invitation_that_cannot_be_is_refused_and_keeps_what_was_typed(app, form):
    admin = at_the_desk(app, Role.ADMIN)
    typed = {"address": NEW, "name": "Basim", "role": "author"} | form

    refused = admin.send_form("/desk/people/invite", typed, page="/desk/people")

    assert refused.status_code in {400, 409}
    assert 'value="Basim"' in refused.text
    assert mails(NoticeKind.INVITATION) == []
