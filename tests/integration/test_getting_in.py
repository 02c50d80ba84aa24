"""Invitations, new passwords, the second factor, sessions: how one gets in at the desk."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pyotp
import pytest
from sqlalchemy import func, select, update

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.desk.models import Editor, EditorSession, Invitation, PasswordReset, Role
from newsletter.desk.people import LastAdmin, change_role, let_go
from newsletter.desk.sessions import browser_in_words
from newsletter.notices.models import Notice, NoticeKind
from tests.desk import ADDRESS, PASSWORD, at_the_desk, browser, make_editor, piece

NEW = "basim@example.org"
OTHER_PASSWORD = "a quiet morning at sea"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def in_production(app):
    """As behind an https address, where whoever sends needs a second factor."""
    trial = app.extensions["settings"]
    app.extensions["settings"] = trial.model_copy(update={"public_url": "https://news.example.org"})
    assert not app.extensions["settings"].is_trial
    return app


def mails(kind: NoticeKind) -> list[str]:
    """The plain text of what is owed, the oldest first."""
    with transaction():
        query = select(Notice).where(Notice.kind == kind).order_by(Notice.id)
        rows = db.session.scalars(query.execution_options(populate_existing=True)).all()
    read = [message_from_bytes(row.message or b"", policy=policy.default) for row in rows]
    return [str(body.get_content()) for mail in read if (body := mail.get_body(("plain",)))]


def path_in(mail: str) -> str:
    return str(piece(r"(/desk/(?:invitation|reset)/\S+)", mail))


def invited(admin, role="author") -> str:
    """The path of the link that somebody was sent."""
    form = {"address": NEW, "name": "Basim", "role": role}
    assert admin.send_form("/desk/people/invite", form, page="/desk/people").status_code == 303
    return path_in(mails(NoticeKind.INVITATION)[-1])


def take(guest, path, password=OTHER_PASSWORD, again=None):
    form = {"name": "Basim", "password": password, "again": again or password}
    return guest.send_form(path, form, page=path)


def acts() -> list[str]:
    with transaction():
        return list(db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id)))


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


def test_a_mailbox_gets_three_links_a_day_at_most(app):
    make_editor()
    guest = browser(app)
    for _ in range(5):
        guest.send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/forgot")

    assert len(mails(NoticeKind.PASSWORD_RESET)) == 3


def test_a_link_for_a_new_password_works_for_an_hour(app):
    make_editor()
    browser(app).send_form("/desk/forgot", {"address": ADDRESS}, page="/desk/forgot")
    with transaction():
        aged = update(PasswordReset).values(asked_at=datetime.now(UTC) - timedelta(hours=1))
        db.session.execute(aged)

    assert browser(app).get(path_in(mails(NoticeKind.PASSWORD_RESET)[0])).status_code == 410


def set_up(anna) -> tuple[pyotp.TOTP, list[str]]:
    """The second factor of somebody, and their recovery codes."""
    page = anna.get("/desk/second-factor/set-up").text
    secret = "".join(piece(r'class="secret"[^>]*>([^<]+)<', page).split())
    assert anna.get("/desk/second-factor/picture.svg").mimetype == "image/svg+xml"
    totp = pyotp.TOTP(secret)
    path = "/desk/second-factor/set-up"
    done = anna.send_form(path, {"code": totp.now()}, page=path)
    assert done.status_code == 200
    return totp, re.findall(r"<li><code>([a-z0-9-]+)</code>", done.text)


def next_code(totp: pyotp.TOTP) -> str:
    """A code of the step after the one that was used."""
    return totp.at(datetime.now(UTC) + timedelta(seconds=30))


def half_in(app):
    """A browser in which the password was shown, and no code."""
    anna = browser(app)
    assert anna.log_in().headers["Location"] == "/desk/second-factor"
    return anna


def show(anna, code):
    return anna.send_form("/desk/second-factor", {"code": code}, page="/desk/second-factor")


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


def person(address: str) -> int:
    with transaction():
        return db.session.scalars(select(Editor.id).where(Editor.address == address)).one()


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
