"""A test goes to oneself, to the desk, or to some addresses; an author's to its author."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from newsletter import audit
from newsletter.database import db
from newsletter.desk.models import Role
from newsletter.issues.editions import articles_in
from newsletter.issues.models import Issue
from newsletter.notices.models import Notice, NoticeKind
from tests.desk import ADDRESS, at_the_desk, make_editor
from tests.issue_files import sample
from tests.publishing import draft

PREVIEW = "/desk/issues/87/preview"


@pytest.fixture
def anna(app):
    draft(sample("en"), sample("ar"))
    return at_the_desk(app)


def send(editor, **form):
    return editor.send_form("/desk/issues/87/test", form, page=PREVIEW)


def owed() -> dict[str, EmailMessage]:
    """The tests that are to be sent, by their recipients."""
    notices = db.session.scalars(select(Notice)).all()
    assert all(notice.kind is NoticeKind.ISSUE_TEST for notice in notices)
    return {
        n.recipient or "": message_from_bytes(n.message or b"", policy=policy.default)
        for n in notices
    }


def test_just_this_edition_goes_to_the_address(anna):
    chosen = {"sections": ["western-response"], "format": "text"}

    answer = send(anna, address=" colleague@example.org ", to="these", **chosen)

    assert answer.status_code == 303
    assert "sections=western-response" in answer.headers["Location"]
    assert "colleague" not in answer.headers["Location"]
    assert "on its way to colleague@example.org" in anna.get(answer.headers["Location"]).text
    ((recipient, mail),) = owed().items()
    assert recipient == "colleague@example.org"
    assert mail["Subject"].startswith("[Test] ")
    assert mail.get_content_type() == "text/plain"
    issue = db.session.scalars(select(Issue)).one()
    headlines = {a.section.slug: a.headline for a in articles_in(issue, "en")}
    assert headlines["western-response"] in mail.get_content()
    assert headlines["other-jihadi-actors"] not in mail.get_content()


def test_it_goes_to_oneself_without_typing_anything(anna):
    assert send(anna, to="me", address="someone@example.org").status_code == 303
    assert set(owed()) == {ADDRESS}


def test_it_goes_to_everybody_at_the_desk(anna):
    make_editor(Role.AUTHOR, "omar@example.org")
    make_editor(Role.ADMIN, "lina@example.org")

    answer = send(anna, to="desk")

    assert set(owed()) == {ADDRESS, "omar@example.org", "lina@example.org"}
    assert "on its way to 3 addresses" in anna.get(answer.headers["Location"]).text


@pytest.mark.parametrize("between", [" ", ", ", ";", "\r\n"])
def test_it_goes_to_several_addresses_once_each(anna, between):
    send(
        anna, to="these", address=between.join(["a@example.org", "b@example.org", "a@Example.org"])
    )

    assert set(owed()) == {"a@example.org", "b@example.org"}


@pytest.mark.parametrize("typed", ["no address", "a@example.org nobody", "", "a@b@c"])
def test_one_that_is_no_address_sends_none_and_keeps_what_was_typed(anna, typed):
    form = {"sections": ["western-response"], "edition": "ar"}

    refused = send(anna, to="these", address=typed, **form)

    assert refused.status_code == 400
    assert f">{typed}</textarea>" in refused.text
    assert 'role="alert"' in refused.text
    assert re.search(r'value="ar" checked', refused.text)
    assert owed() == {}


def test_a_mailing_is_no_test(anna):
    many = " ".join(f"reader{n}@example.org" for n in range(21))

    assert send(anna, to="these", address=many).status_code == 400
    assert owed() == {}


@pytest.mark.parametrize("to", ["these", "desk", "me", ""])
def test_an_authors_test_goes_to_themselves_whatever_they_ask(app, to):
    draft(sample("en"))
    make_editor(Role.ADMIN, "lina@example.org")
    author = at_the_desk(app, Role.AUTHOR)

    assert 'name="address"' not in author.get(PREVIEW).text
    assert send(author, to=to, address="reader@example.org").status_code == 303
    assert set(owed()) == {ADDRESS}


def test_the_log_says_who_sent_a_test_to_others_and_names_nobody_else(anna):
    send(anna, to="me")
    send(anna, to="these", address="one@example.net two@example.net")

    acts = audit.of_issue(db.session.scalars(select(Issue.id)).one())
    assert [act.what for act in acts if act.who == ADDRESS] == [
        "Sent a test of it to other addresses: 2."
    ]
