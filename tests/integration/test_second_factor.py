"""The second factor: asked for after the password, and required of whoever sends."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from pyotp import TOTP
from sqlalchemy import select, update

from newsletter.database import db, transaction
from newsletter.desk.models import EditorSession, RecoveryCode, Role
from newsletter.desk.people import change_role
from newsletter.desk.second_factor import WrongCode, prove
from newsletter.notices.models import NoticeKind
from tests.desk import ADDRESS, NOW, PASSWORD, at_the_desk, browser, make_editor, piece
from tests.door import NEW, acts, half_in, mails, next_code, person, set_up, show

SECRET = r'class="secret"[^>]*>([^<]+)<'


@pytest.fixture
def in_production(app):
    """As behind an https address, where whoever sends needs a second factor."""
    trial = app.extensions["settings"]
    app.extensions["settings"] = trial.model_copy(update={"public_url": "https://news.example.org"})
    assert not app.extensions["settings"].is_trial
    return app


def test_who_has_a_second_factor_needs_password_and_code(app):
    totp, _ = set_up(at_the_desk(app))
    anna = half_in(app)

    assert anna.get("/desk/issues").headers["Location"] == "/desk/second-factor"
    assert anna.get("/desk/second-factor/set-up").headers["Location"] == "/desk/second-factor"
    assert show(anna, "000000").status_code == 400
    assert show(anna, next_code(totp)).headers["Location"] == "/desk/"
    assert anna.get("/desk/issues").status_code == 200


def test_a_code_counts_once(app):
    totp, _ = set_up(at_the_desk(app))
    code = next_code(totp)
    assert show(half_in(app), code).status_code == 303

    assert show(half_in(app), code).status_code == 400


def test_a_code_leads_to_the_page_that_was_wanted(app):
    totp, _ = set_up(at_the_desk(app))
    anna = browser(app)
    anna.log_in(next="/desk/issues?before=9")

    assert show(anna, next_code(totp)).headers["Location"] == "/desk/issues?before=9"


def test_a_recovery_code_lets_in_once_however_it_is_typed_and_its_owner_is_told(app):
    _, codes = set_up(at_the_desk(app))
    assert len(set(codes)) == 10

    assert show(half_in(app), codes[3].upper().replace("-", " ")).status_code == 303
    assert show(half_in(app), codes[3]).status_code == 400
    assert show(half_in(app), codes[4]).status_code == 303
    assert any("one of your recovery codes" in mail for mail in mails(NoticeKind.ACCOUNT))


def test_new_recovery_codes_take_the_place_of_the_old_after_the_password(app):
    anna = at_the_desk(app)
    _, codes = set_up(anna)
    path = "/desk/account/recovery-codes"

    assert anna.send_form(path, {"old": "wrong password"}, page="/desk/account").status_code == 400
    made = anna.send_form(path, {"old": PASSWORD}, page="/desk/account")

    assert len(re.findall(r"<li><code>", made.text)) == 10
    assert show(half_in(app), codes[0]).status_code == 400


def test_who_guesses_codes_is_told_to_wait(app):
    totp, _ = set_up(at_the_desk(app))
    anna = half_in(app)
    tries = [show(anna, "000000").status_code for _ in range(11)]

    assert tries == [400] * 10 + [429]
    assert show(anna, next_code(totp)).status_code == 429


def test_a_password_alone_is_forgotten_after_a_quarter_of_an_hour(app):
    set_up(at_the_desk(app))
    anna = half_in(app)
    with transaction():
        long_ago = datetime.now(UTC) - timedelta(minutes=15)
        db.session.execute(update(EditorSession).values(started_at=long_ago))

    assert anna.get("/desk/second-factor").headers["Location"].startswith("/desk/login")


@pytest.mark.parametrize("role", [Role.EDITOR, Role.ADMIN])
def test_in_production_who_sends_sets_up_a_second_factor_before_anything_else(in_production, role):
    make_editor(role)
    anna = browser(in_production)
    anna.log_in()

    assert anna.get("/desk/").headers["Location"] == "/desk/second-factor/set-up"
    assert anna.get("/desk/account").headers["Location"] == "/desk/second-factor/set-up"
    set_up(anna)
    assert anna.get("/desk/").status_code == 200


def test_in_production_an_author_needs_none(in_production):
    assert at_the_desk(in_production, Role.AUTHOR).get("/desk/").status_code == 200


def test_another_phone_ends_the_other_sessions_and_in_production_is_set_up_at_once(in_production):
    make_editor()
    anna = browser(in_production)
    anna.log_in()
    totp, _ = set_up(anna)
    other = half_in(in_production)
    show(other, next_code(totp))

    path = "/desk/account/second-factor/off"
    gone = anna.send_form(path, {"old": PASSWORD}, page="/desk/account")

    assert gone.headers["Location"] == "/desk/second-factor/set-up"
    assert anna.get("/desk/").headers["Location"] == "/desk/second-factor/set-up"
    assert other.get("/desk/").headers["Location"].startswith("/desk/login")


def test_who_becomes_one_who_sends_sets_it_up_before_the_next_page(in_production):
    lena = at_the_desk(in_production, Role.AUTHOR, NEW)
    assert lena.get("/desk/").status_code == 200
    number = person(NEW)
    with transaction():
        change_role(number, Role.EDITOR, who=ADDRESS, now=NOW)

    assert lena.get("/desk/").headers["Location"] == "/desk/second-factor/set-up"
    set_up(lena)
    assert lena.get("/desk/").status_code == 200


def test_setting_it_up_ends_the_sessions_that_began_with_a_password_alone(app):
    anna = at_the_desk(app)
    other = browser(app)
    other.log_in()

    set_up(anna)

    assert anna.get("/desk/").status_code == 200
    assert other.get("/desk/").headers["Location"].startswith("/desk/login")


def test_it_is_not_set_up_by_a_wrong_code_and_the_same_secret_is_shown_again(app):
    anna = at_the_desk(app)
    path = "/desk/second-factor/set-up"
    before = piece(SECRET, anna.get(path).text)

    refused = anna.send_form(path, {"code": "000000"}, page=path)

    assert refused.status_code == 400
    assert piece(SECRET, refused.text) == before
    assert browser(app).log_in().headers["Location"] == "/desk/"


def test_who_finds_a_browser_left_logged_in_cannot_make_the_account_theirs(app):
    anna = at_the_desk(app)
    with anna.session_transaction("/desk/") as kept:
        kept["password_at"] -= 3600
    path = "/desk/second-factor/set-up"
    secret = "".join(piece(SECRET, anna.get(path).text).split())

    refused = [
        anna.send_form(path, {"code": TOTP(secret).now()} | guess, page=path)
        for guess in ({}, {"old": "not the password"})
    ]
    assert [answer.status_code for answer in refused] == [400, 400]
    assert "not your password" in refused[0].text
    assert re.search(r'id="old"[^>]*aria-invalid="true"', refused[0].text)
    assert not re.search(r'id="code"[^>]*aria-invalid', refused[0].text), "the code was right"
    assert browser(app).log_in().headers["Location"] == "/desk/"

    done = anna.send_form(path, {"code": TOTP(secret).now(), "old": PASSWORD}, page=path)
    assert done.status_code == 200
    assert browser(app).log_in().headers["Location"] == "/desk/second-factor"


def test_who_guesses_codes_has_the_password_and_its_owner_is_told_once(app):
    set_up(at_the_desk(app))
    thief = half_in(app)
    for _ in range(12):
        show(thief, "000000")

    assert [mail.count("so many wrong tries") for mail in mails(NoticeKind.ACCOUNT)] == [0, 1]


@pytest.mark.parametrize("kind", ["by time", "recovery"])
def test_of_two_who_show_the_same_code_at_once_one_comes_in(app, kind):
    totp, codes = set_up(at_the_desk(app))
    code = next_code(totp) if kind == "by time" else codes[0]
    for _ in range(2):
        half_in(app)
    waiting = select(EditorSession.id).where(EditorSession.proved_at.is_(None))
    with transaction():
        session_ids = list(db.session.scalars(waiting))
    start = Barrier(2)

    def come_in(session_id):
        with app.app_context():
            session = db.session.get_one(EditorSession, session_id)
            db.session.commit()
            start.wait()
            with suppress(WrongCode), transaction():
                prove(session, code, now=datetime.now(UTC))

    with ThreadPoolExecutor() as threads:
        list(threads.map(come_in, session_ids))

    db.session.expire_all()
    assert len(db.session.scalars(waiting).all()) == 1


def test_no_recovery_code_stands_in_the_database(app):
    _, codes = set_up(at_the_desk(app))
    with transaction():
        kept = db.session.scalars(select(RecoveryCode.code_hash)).all()

    assert len(kept) == 10
    assert not {code.replace("-", "").encode() for code in codes} & set(kept)


def test_the_picture_and_the_codes_are_kept_by_no_cache(app):
    anna = at_the_desk(app)
    anna.get("/desk/second-factor/set-up")

    picture = anna.get("/desk/second-factor/picture.svg")

    assert picture.headers["Cache-Control"] == "no-store"
    assert picture.text.startswith("<?xml")


def test_each_act_about_it_stands_in_the_log(app):
    anna = at_the_desk(app)
    _, codes = set_up(anna)
    show(half_in(app), codes[0])
    for act in ("recovery-codes", "second-factor/off"):
        anna.send_form(f"/desk/account/{act}", {"old": PASSWORD}, page="/desk/account")

    assert acts() == [
        "Set up their second factor.",
        "Came in by a recovery code.",
        "Made their recovery codes anew.",
        "Turned their second factor off.",
    ]
