"""Getting in at the desk: by one's password and in no other way."""

import pytest
from flask import Flask

from newsletter.database import db, transaction
from newsletter.desk.door import OPEN
from newsletter.desk.kept_words import WRITING
from newsletter.desk.login import EditorExists, WeakPassword, add_editor, change_password
from newsletter.desk.models import Editor, Role
from newsletter.mail.addresses import BadAddress
from tests.desk import ADDRESS, NOW, PASSWORD, at_the_desk, browser, make_editor, piece

WRONG = "not the password at all"


def routes_of_the_desk(app):
    """Every address of the desk with every method it takes."""
    return [
        (method, rule.endpoint, rule.build(dict.fromkeys(rule.arguments, 87))[1])
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("desk.")
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


def test_an_editor_gets_in_and_out_again(app):
    make_editor()
    anna = browser(app)

    assert anna.log_in().headers["Location"] == "/desk/"
    page = anna.get("/desk/")
    assert page.status_code == 200
    assert ADDRESS in page.text
    assert anna.send_form("/desk/logout").headers["Location"] == "/desk/login"
    assert anna.get("/desk/").headers["Location"].startswith("/desk/login")


def test_the_time_of_a_login_is_kept(app):
    at_the_desk(app)

    db.session.expire_all()
    assert db.session.query(Editor).one().last_login_at is not None


def test_an_address_is_taken_however_it_is_written(app):
    make_editor()

    assert browser(app).log_in("  Anna@EXAMPLE.org ").status_code == 303


@pytest.mark.parametrize(
    ("address", "password"),
    [(ADDRESS, WRONG), ("nobody@example.org", PASSWORD), ("no address", WRONG), ("", "")],
)
def test_whatever_is_wrong_the_answer_is_the_same(app, address, password):
    make_editor()

    refused = browser(app).log_in(address, password)

    assert refused.status_code == 401
    said = piece(r'role="alert">([^<]+)<', refused.text)
    assert said == "Address and password do not match."


def test_a_form_that_was_refused_keeps_the_address_and_not_the_password(app):
    refused = browser(app).log_in(ADDRESS, WRONG)

    assert f'value="{ADDRESS}"' in refused.text
    assert WRONG not in refused.text


def test_every_page_of_the_desk_is_closed_to_nobody(app):
    nobody = browser(app)
    routes = [route for route in routes_of_the_desk(app) if route[1] not in OPEN]

    assert len(routes) > 8
    for method, endpoint, path in routes:
        answer = nobody.open(path, method=method)
        if endpoint in WRITING and method == "POST":
            assert answer.status_code == 401  # with the words that were typed, to be kept
        else:
            assert answer.status_code == 303, (method, path)
            assert answer.headers["Location"].startswith("/desk/login"), (method, path)
        assert answer.headers["Cache-Control"] == "no-store"


def test_no_form_is_taken_without_its_token(app):
    anna = at_the_desk(app)
    posts = [path for method, _endpoint, path in routes_of_the_desk(app) if method == "POST"]

    assert len(posts) > 4
    for path in posts:
        assert anna.post(path, data={"number": "87"}).status_code == 400, path
        assert anna.post(path, data={"csrf_token": "made up"}).status_code == 400, path
    assert anna.get("/desk/").status_code == 200  # not even the logout


def test_no_form_is_taken_with_the_token_of_another_session(app):
    anna = at_the_desk(app)
    foreign = browser(app).token()

    assert anna.post("/desk/logout", data={"csrf_token": foreign}).status_code == 400


def test_a_session_planted_before_the_login_is_worth_nothing_after_it(app):
    make_editor()
    anna = browser(app)
    planted = anna.token()
    before = anna.get_cookie("desk", path="/desk").value
    assert anna.log_in().status_code == 303
    thief = browser(app)
    thief.set_cookie("desk", before, path="/desk")

    assert anna.get_cookie("desk", path="/desk").value != before
    assert thief.get("/desk/").status_code == 303
    assert anna.post("/desk/logout", data={"csrf_token": planted}).status_code == 400


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/desk/",
        "//evil.example/desk/",
        "/\\evil.example",
        "\\\\evil.example",
        "/issues/",
        "/desk",
        "javascript:alert(1)",
        "/desk/\r\nX-Evil: 1",
    ],
)
def test_a_login_leads_to_no_page_but_ours(app, wanted):
    make_editor()

    assert browser(app).log_in(next=wanted).headers["Location"] == "/desk/"


def test_a_login_leads_to_the_page_that_was_wanted(app):
    make_editor()
    anna = browser(app)

    asked = anna.get("/desk/issues/87/preview?format=text").headers["Location"]
    form = anna.get(asked).text

    assert 'name="next" value="/desk/issues/87/preview?format=text"' in form
    went = anna.log_in(next="/desk/issues/87/preview?format=text")
    assert went.headers["Location"] == "/desk/issues/87/preview?format=text"


def test_who_guesses_is_told_to_wait_and_a_right_password_does_not_help_then(app):
    make_editor()
    guesser = browser(app)
    assert [guesser.log_in(password=WRONG).status_code for _ in range(10)] == [401] * 10

    refused = guesser.log_in()

    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 15 * 60
    assert "Too many tries" in refused.text


def test_another_spelling_of_an_address_gives_no_more_tries(app):
    with_umlaut, in_ascii = "anna@bücher.example", "anna@xn--bcher-kva.example"
    guesser = browser(app)
    tries = [guesser.log_in(with_umlaut, WRONG).status_code for _ in range(10)]

    assert tries == [401] * 10
    assert guesser.log_in(in_ascii, WRONG).status_code == 429
    assert guesser.log_in("Anna@BÜCHER.example", WRONG).status_code == 429


def test_somebody_unknown_is_told_to_wait_after_as_many_tries(app):
    guesser = browser(app)
    tries = [guesser.log_in("nobody@example.org", WRONG).status_code for _ in range(11)]

    assert tries == [401] * 10 + [429]


def test_who_guesses_from_elsewhere_does_not_keep_the_owner_out(app):
    make_editor()
    guesser = browser(app)
    guesser.environ_base["REMOTE_ADDR"] = "198.51.100.7"
    for _ in range(11):
        guesser.log_in(password=WRONG)

    assert guesser.log_in().status_code == 429
    assert browser(app).log_in().status_code == 303


def test_a_browser_in_which_one_came_in_is_let_in_whoever_guesses_and_from_wherever(app):
    anna, guesser = at_the_desk(app), browser(app)
    anna.send_form("/desk/logout")
    token = guesser.token()
    for network in range(11):
        guesser.environ_base["REMOTE_ADDR"] = f"198.51.{network}.7"
        for _ in range(10):
            form = {"csrf_token": token, "address": ADDRESS, "password": WRONG}
            guesser.post("/desk/login", data=form)

    assert browser(app).log_in().status_code == 429, "a browser that nobody knows waits"
    assert anna.log_in().status_code == 303


def test_the_mark_of_a_known_browser_opens_nothing_and_cannot_be_made_up(app):
    anna, thief = at_the_desk(app), browser(app)
    mark = anna.get_cookie("desk_browser", path="/desk").value
    thief.set_cookie("desk_browser", mark, path="/desk")
    assert thief.get("/desk/").headers["Location"].startswith("/desk/login")
    assert [thief.log_in(password=WRONG).status_code for _ in range(11)] == [401] * 10 + [429]
    assert ADDRESS not in mark

    forger = browser(app)
    forger.set_cookie("desk_browser", "0" * 64, path="/desk")
    assert [forger.log_in(password=WRONG).status_code for _ in range(11)] == [401] * 10 + [429]


def test_a_network_that_tries_many_accounts_is_told_to_wait(app):
    guesser = browser(app)
    token = guesser.token()
    tries = [
        guesser.post(
            "/desk/login",
            data={"csrf_token": token, "address": f"a{number}@example.org", "password": WRONG},
        ).status_code
        for number in range(41)
    ]

    assert tries == [401] * 40 + [429]


def test_a_new_password_ends_old_sessions(app):
    anna = at_the_desk(app)

    with transaction():
        change_password(db.session.query(Editor).one(), "another long password")

    assert anna.get("/desk/").status_code == 303
    assert anna.log_in().status_code == 401
    assert anna.log_in(password="another long password").status_code == 303


def test_the_session_is_the_desks_alone_and_lasts_half_a_day(app):
    make_editor()

    cookie = browser(app).log_in().headers["Set-Cookie"]

    assert "Path=/desk" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires=" in cookie
    assert app.permanent_session_lifetime.total_seconds() == 12 * 60 * 60


def test_a_page_that_is_only_watched_does_not_prolong_the_session(app):
    anna = at_the_desk(app)
    anna.get("/desk/")

    assert "Set-Cookie" not in anna.get("/desk/").headers


def test_reader_pages_know_nothing_of_sessions(app):
    anna = at_the_desk(app)

    page = anna.get("/")

    assert page.status_code == 200
    assert "Set-Cookie" not in page.headers
    assert "Cookie" not in page.headers.get("Vary", "")


def test_a_password_is_kept_as_argon2id_alone(app):
    editor = make_editor()

    assert editor.password_hash.startswith("$argon2id$")
    assert PASSWORD not in editor.password_hash


def test_a_short_password_and_a_broken_address_are_refused(app):
    with pytest.raises(WeakPassword, match="at least 12 characters"), transaction():
        add_editor(ADDRESS, Role.EDITOR, "eleven char", now=NOW)
    with pytest.raises(BadAddress), transaction():
        add_editor("anna", Role.EDITOR, PASSWORD, now=NOW)
    with pytest.raises(WeakPassword), transaction():
        change_password(make_editor_in_transaction(), "short")

    assert db.session.query(Editor).count() == 0


@pytest.mark.parametrize(
    "password", ["password1234", "qwertyuiop12", "aaaaaaaaaaaaaaaa", "anna@example", "x" * 100_000]
)
def test_a_password_that_a_machine_tries_first_is_refused(app, password):
    with pytest.raises(WeakPassword, match="one of the first"), transaction():
        add_editor(ADDRESS, Role.EDITOR, password, now=NOW)


def make_editor_in_transaction():
    return add_editor(ADDRESS, Role.EDITOR, PASSWORD, now=NOW)


def test_an_editor_is_not_added_twice_and_keeps_the_password(app):
    make_editor()

    with pytest.raises(EditorExists, match="may work at the desk already"):
        make_editor(Role.ADMIN, "Anna@Example.org", "another long password")

    assert db.session.query(Editor).one().role is Role.EDITOR
    assert browser(app).log_in().status_code == 303


def test_a_password_is_the_same_however_its_letters_are_composed(app):
    make_editor(password="cafe\u0301 und kuchen")

    assert browser(app).log_in(password="caf\u00e9 und kuchen").status_code == 303


def test_every_page_of_the_desk_is_kept_by_no_cache_and_framed_by_nobody(app: Flask):
    anna = at_the_desk(app)

    for path in ("/desk/", "/desk/upload", "/desk/login", "/desk/issues/5"):
        headers = anna.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("referrer", "status"),
    [("https://news.example/desk/upload", 303), ("https://evil.example/", 400), (None, 400)],
)
def test_over_https_a_form_must_come_from_a_page_of_ours(app, referrer, status):
    anna = at_the_desk(app)
    token = anna.token("/desk/upload")
    session = anna.get_cookie("desk", path="/desk").value
    anna.set_cookie("desk", session, domain="news.example", path="/desk")

    answer = anna.post(
        "/desk/logout",
        data={"csrf_token": token},
        headers={"Referer": referrer} if referrer else {},
        base_url="https://news.example",
    )

    assert answer.status_code == status
