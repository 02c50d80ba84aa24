"""Who may open what at the desk: every route, for every role, for nobody, and for half a login.

`MAY` names every endpoint of the desk; a new page without a line in it fails here.
"""

import re

import pytest
from sqlalchemy import func, select

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.desk.assignments import assign
from newsletter.desk.models import Editor, EditorSession, Role
from tests.desk import ADDRESS, TOKEN, at_the_desk, browser, make_editor
from tests.factories import make_issue, make_subscriber, section_called

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # any base32 will do
MINE, ANOTHERS = "western-response", "isis-in-action"
ADMIN, EDITOR, AUTHOR = Role.ADMIN, Role.EDITOR, Role.AUTHOR

EVERYBODY = "everybody, also without a login"
HALF = "whoever has shown a password but no second factor"
MAY: dict[str, Role | str] = {
    **dict.fromkeys(
        ("login", "log_in", "forgot", "send_reset", "reset", "set_password"), EVERYBODY
    ),
    **dict.fromkeys(("reset", "set_password", "accept", "take_place"), EVERYBODY),
    **dict.fromkeys(("second_factor", "prove", "log_out"), HALF),
    **dict.fromkeys(("set_up", "take_second_factor", "picture"), AUTHOR),
    **dict.fromkeys(("week", "issues", "issue"), AUTHOR),
    **dict.fromkeys(
        ("account", "change_name", "change_clock", "new_password", "new_codes", "turn_off"), AUTHOR
    ),
    **dict.fromkeys(("end_one", "end_others"), AUTHOR),
    **dict.fromkeys(("write", "save", "revisions", "revision", "restore"), AUTHOR),
    **dict.fromkeys(("images", "upload_image", "export"), AUTHOR),
    **dict.fromkeys(("look", "mail", "draft", "send_test"), AUTHOR),
    **dict.fromkeys(("checks", "check_links", "tried_now", "progress_now"), AUTHOR),
    **dict.fromkeys(("report", "report_file", "reports"), AUTHOR),
    **dict.fromkeys(("new_issue", "plan", "approve", "unapprove", "approve_article"), EDITOR),
    **dict.fromkeys(("upload", "take_file", "write_subject", "save_subject"), EDITOR),
    **dict.fromkeys(("send", "start", "schedule", "unschedule", "pause", "resume"), EDITOR),
    **dict.fromkeys(("ask_to_cancel", "cancel", "failed", "resend"), EDITOR),
    **dict.fromkeys(("doubts", "settle_doubts"), EDITOR),
    **dict.fromkeys(("people", "invite", "withdraw", "change_role"), ADMIN),
    **dict.fromkeys(("ask_to_let_go", "let_go"), ADMIN),
    **dict.fromkeys(("sections", "add_section", "section", "save_section"), ADMIN),
    **dict.fromkeys(("move_section", "retire_section", "bring_section_back"), ADMIN),
    **dict.fromkeys(
        ("subscribers", "subscriber", "find_subscriber", "suppress_address", "note_complaint"),
        ADMIN,
    ),
    **dict.fromkeys(("unsubscribe_reader", "erase_reader", "data_of_reader"), ADMIN),
    **dict.fromkeys(("export_readers", "import_readers"), ADMIN),
    **dict.fromkeys(("settings", "log"), ADMIN),
}
OWN = {"write", "save", "revisions", "revision", "restore"}
"""What an author may do in the sections they were given, and in no other."""

REACH = {AUTHOR: {AUTHOR}, EDITOR: {AUTHOR, EDITOR}, ADMIN: set(Role)}
LOGIN, PROVE, REFUSED, PASSED = "login", "second factor", "refused", "passed"


def routes(app):
    """Every endpoint of the desk with its method."""
    found = {
        (rule.endpoint.removeprefix("desk."), method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("desk.")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    return sorted(found)


def path_of(app, endpoint, reader, slug=MINE):
    """An address of a page, filled in with what there is."""
    with app.test_request_context():
        return app.url_for(
            f"desk.{endpoint}",
            number=87,
            slug=slug,
            language="en",
            version=1,
            token="no-token",  # a path
            subscriber_id=reader,
            session_id=99999,
            editor_id=99999,
            invitation_id=99999,
        ).partition("?")[0]


@pytest.fixture
def reader(app):
    """A draft, a reader, and an author who writes one of two sections."""
    with transaction():
        make_issue(sections=[MINE, ANOTHERS])
        return make_subscriber().id


def give_section(address=ADDRESS):
    with transaction():
        who = db.session.scalars(select(Editor).where(Editor.address == address)).one()
        assign(1, section_called(MINE).id, [who.id])


def csrf_token(visitor, page="/desk/login"):
    found = re.search(TOKEN, visitor.get(page).text)
    assert found, page
    return found[1]


def outcome(answer):
    """What came of a request, in a word; 401 gives a writer's words back, and asks who it is."""
    assert answer.status_code < 500
    if answer.status_code == 401:
        return PROVE if 'href="/desk/second-factor"' in answer.text else LOGIN
    to = answer.headers.get("Location", "") if answer.status_code == 303 else ""
    if to.startswith("/desk/login"):
        return LOGIN
    if to.startswith("/desk/second-factor"):
        return PROVE
    return REFUSED if answer.status_code == 403 else PASSED


def ask(visitor, method, path, token):
    data = {"csrf_token": token} if method == "POST" else None
    return visitor.open(path, method=method, data=data)


def outcomes(app, visitor, reader, token, leave_out=()):
    """What comes of every route but logging out, which is tried elsewhere."""
    return {
        (endpoint, method): outcome(ask(visitor, method, path_of(app, endpoint, reader), token))
        for endpoint, method in routes(app)
        if endpoint not in {"log_out", "log_in", *leave_out}
    }


def expected(found, word_for):
    return {(endpoint, method): word_for(MAY[endpoint]) for endpoint, method in found}


def test_every_page_of_the_desk_has_a_line_in_the_table(app):
    endpoints = {endpoint for endpoint, _method in routes(app)}

    assert endpoints - set(MAY) == set()
    assert set(MAY) - endpoints == set()


def test_nobody_comes_further_than_the_door(app, reader):
    stranger = browser(app)

    found = outcomes(app, stranger, reader, csrf_token(stranger))

    assert found == expected(found, lambda who: PASSED if who == EVERYBODY else LOGIN)


def half_logged_in(app, role=ADMIN):
    make_editor(role)
    with transaction():
        db.session.scalars(select(Editor)).one().totp_secret = SECRET
    visitor = browser(app)
    visitor.log_in()
    return visitor


def test_a_password_without_the_second_factor_opens_nothing(app, reader):
    visitor = half_logged_in(app)
    token = csrf_token(visitor, "/desk/second-factor")

    found = outcomes(app, visitor, reader, token, leave_out={"login"})

    assert found == expected(found, lambda who: PASSED if who in {EVERYBODY, HALF} else PROVE)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_opens_what_is_its_own(app, reader, role):
    visitor = at_the_desk(app, role)
    give_section()

    found = outcomes(
        app, visitor, reader, csrf_token(visitor, "/desk/account"), leave_out=LEAD_ELSEWHERE
    )

    may = {EVERYBODY, HALF, *REACH[role]}
    assert found == expected(found, lambda who: PASSED if who in may else REFUSED)


LEAD_ELSEWHERE = {"login", "second_factor", "prove", "set_up", "take_second_factor", "picture"}
"""Pages of the door that send on whoever has passed them already."""


def test_an_author_writes_in_no_section_that_is_anothers(app, reader):
    visitor = at_the_desk(app, AUTHOR)
    give_section()
    token = csrf_token(visitor, "/desk/account")

    for endpoint, method in routes(app):
        if endpoint in OWN:
            path = path_of(app, endpoint, reader, slug=ANOTHERS)
            assert outcome(ask(visitor, method, path, token)) == REFUSED, endpoint


def posts(app):
    return [endpoint for endpoint, method in routes(app) if method == "POST"]


def what_there_is():
    """Enough of the database to see that nothing was changed."""
    db.session.commit()
    acts = db.session.scalar(select(func.count()).select_from(AuditEntry))
    sessions = db.session.scalar(select(func.count()).select_from(EditorSession))
    return acts, sessions


@pytest.mark.parametrize("kind", ["none", "made up", "of another session"])
def test_no_form_is_taken_without_the_token_of_its_session(app, reader, kind):
    other = at_the_desk(app, ADMIN, "other@example.org")
    visitor = at_the_desk(app, ADMIN)
    tokens = {
        "none": "",
        "made up": "IjAwMDAi.aaaaaa.bbbbbb",
        "of another session": csrf_token(other, "/desk/account"),
    }
    before = what_there_is()

    for endpoint in posts(app):
        answer = ask(visitor, "POST", path_of(app, endpoint, reader), tokens[kind])
        assert answer.status_code == 400, endpoint

    assert what_there_is() == before


def test_after_logging_out_no_form_is_taken(app, reader):
    visitor = at_the_desk(app, ADMIN)
    token = csrf_token(visitor, "/desk/account")
    kept = visitor.get_cookie("desk", path="/desk").value
    visitor.post("/desk/logout", data={"csrf_token": token})
    visitor.set_cookie("desk", kept, path="/desk")
    before = what_there_is()

    for endpoint in posts(app):
        if MAY[endpoint] != EVERYBODY:
            answer = ask(visitor, "POST", path_of(app, endpoint, reader), token)
            assert outcome(answer) == LOGIN, endpoint

    assert what_there_is() == before


def test_every_page_is_kept_by_nobody_and_runs_nothing_foreign(app, reader):
    visitor = at_the_desk(app, ADMIN)

    for endpoint, method in routes(app):
        if method == "GET":
            answer = visitor.get(path_of(app, endpoint, reader))
            policy = answer.headers["Content-Security-Policy"]
            assert "no-store" in answer.headers["Cache-Control"], endpoint
            assert "default-src 'none'" in policy, endpoint
            assert "unsafe-eval" not in policy, endpoint
            assert "script-src 'self'" in policy or "script-src" not in policy, endpoint
