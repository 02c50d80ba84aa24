"""Sessions at the desk: a browser each, listed and ended by their owner."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from newsletter.database import db, transaction
from newsletter.desk.models import Editor, EditorSession, Role
from newsletter.desk.sessions import browser_in_words
from newsletter.notices.models import NoticeKind
from tests.desk import ADDRESS, PASSWORD, at_the_desk, browser, make_editor, piece
from tests.door import FIREFOX, NEW, OTHER_PASSWORD, acts, mails


def test_sessions_are_listed_and_ended_one_by_one_or_all_but_this(app):
    anna = at_the_desk(app)
    phone, tablet = browser(app), browser(app)
    for other in (phone, tablet):
        other.environ_base["HTTP_USER_AGENT"] = FIREFOX
        other.log_in()
    page = anna.get("/desk/account").text
    assert page.count("Firefox, Linux") == 2

    ended = piece(r'action="(/desk/account/sessions/\d+/end)"', page)
    anna.send_form(ended, page="/desk/account")
    assert sorted([phone.get("/desk/").status_code, tablet.get("/desk/").status_code]) == [200, 303]
    anna.send_form("/desk/account/sessions/end", page="/desk/account")
    assert [one.get("/desk/").status_code for one in (anna, phone, tablet)] == [200, 303, 303]


def test_nobody_ends_a_session_of_somebody_else(app):
    anna = at_the_desk(app)
    basim = at_the_desk(app, Role.ADMIN, NEW)
    others = db.session.scalars(
        select(EditorSession.id).join(Editor).where(Editor.address == ADDRESS)
    ).one()

    basim.send_form(f"/desk/account/sessions/{others}/end", page="/desk/account")

    assert anna.get("/desk/").status_code == 200


def test_logging_out_ends_this_session_and_a_copy_of_its_cookie_alone(app):
    anna = at_the_desk(app)
    other = browser(app)
    other.log_in()
    copied = browser(app)
    copied.set_cookie("desk", anna.get_cookie("desk", path="/desk").value, path="/desk")
    assert copied.get("/desk/").status_code == 200

    anna.send_form("/desk/logout")

    assert copied.get("/desk/").status_code == 303
    assert other.get("/desk/").status_code == 200


def test_a_stolen_database_holds_no_key_to_a_session(app):
    at_the_desk(app)
    [held] = db.session.scalars(select(EditorSession.key_hash)).all()

    assert len(held) == 32
    assert db.session.scalar(select(func.count()).where(EditorSession.browser == FIREFOX)) == 0


def test_a_password_is_changed_with_the_old_one_and_ends_the_other_sessions(app):
    anna = at_the_desk(app)
    other = browser(app)
    other.log_in()
    form = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    path = "/desk/account/password"

    wrong = anna.send_form(path, form | {"old": "not the old one"}, page="/desk/account")
    right = anna.send_form(path, form | {"old": PASSWORD}, page="/desk/account")

    assert (wrong.status_code, right.status_code) == (400, 303)
    assert anna.get("/desk/").status_code == 200
    assert other.get("/desk/").status_code == 303


def test_the_owner_is_told_once_of_many_tries(app):
    make_editor()
    guesser = browser(app)
    for _ in range(15):
        guesser.log_in(password="not the password")

    assert [mail.count("so many wrong tries") for mail in mails(NoticeKind.ACCOUNT)] == [1]


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox, Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19 Safari/604.1",
            "Safari, iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/142.0 Safari/537.36 Edg/142.0", "Edge, Windows"),
        ("curl/8.5", ""),
    ],
)
def test_a_browser_is_listed_as_its_owner_knows_it(agent, words):
    assert browser_in_words(agent) == words


def test_a_session_ends_after_half_a_day(app):
    anna = at_the_desk(app)
    with transaction():
        long_ago = datetime.now(UTC) - timedelta(hours=12)
        db.session.execute(update(EditorSession).values(started_at=long_ago))

    assert anna.get("/desk/").headers["Location"].startswith("/desk/login")


def test_when_a_session_was_last_used_is_kept_to_the_minute(app):
    anna = at_the_desk(app)
    with transaction():
        before = datetime.now(UTC) - timedelta(minutes=2)
        db.session.execute(update(EditorSession).values(seen_at=before))

    anna.get("/desk/")

    db.session.expire_all()
    assert db.session.scalars(select(EditorSession.seen_at)).one() > before


def test_what_somebody_does_to_their_own_account_stands_in_the_log(app):
    anna = at_the_desk(app)
    form = {"old": PASSWORD, "password": OTHER_PASSWORD, "again": OTHER_PASSWORD}

    anna.send_form("/desk/account/name", {"name": "  Anna\n Berg "}, page="/desk/account")
    anna.send_form("/desk/account/sessions/end", page="/desk/account")
    anna.send_form("/desk/account/password", form, page="/desk/account")

    assert acts() == [
        "Is called Anna Berg now.",
        "Logged out in all other browsers.",
        "Changed their password.",
    ]
