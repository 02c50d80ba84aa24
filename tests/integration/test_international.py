"""Addresses with letters beyond ASCII before the @, from the form to the wire and back."""

import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from newsletter.database import db, transaction
from newsletter.delivery import notices as sender
from newsletter.delivery import relays
from newsletter.delivery.progress import progress
from newsletter.delivery.resending import list_failed, resend_failed
from newsletter.issues.lifecycle import IssueState
from newsletter.mail.addresses import parse_address
from newsletter.mail.rendering import RenderedMail
from newsletter.notices.models import NoticeKind, NoticeState
from newsletter.notices.owing import owe
from newsletter.subscribers import address_change, caps
from newsletter.subscribers.erasure import erase
from newsletter.subscribers.models import Bounce, SubscriberState, SuppressionReason
from newsletter.subscribers.my_data import data_of
from newsletter.subscribers.signup import request_signup, unanswered_signups
from newsletter.subscribers.suppression import reason_of, suppress
from newsletter.subscribers.transfer import export_subscribers
from newsletter.subscribers.wishes import Wish
from tests.factories import NOON
from tests.integration.readers import (
    answer_signups,
    ask,
    hidden_fields,
    look_again,
    notices,
    path_in,
    the_subscriber,
)
from tests.integration.test_transfer import bring_in
from tests.mail_server import parse
from tests.posting import TestClock, delivery_to, fleet_to, send, send_by, start_issue, states, tick
from tests.smtp_server import EXTENSIONS, WITH_UTF8, SmtpServer

ARABIC, GERMAN, LATIN = "قارئ@example.org", "grün@example.org", "amal@example.org"
MAIL = RenderedMail(subject="Welcome", text="Good to have you.\n", html="<p>Good.</p>")

in_two_scripts = pytest.mark.parametrize("address", [ARABIC, GERMAN])
relays_without = pytest.mark.parametrize(
    "extensions", [EXTENSIONS, ("SIZE 100000000",), ()], ids=["pipelining", "lock step", "bare"]
)


def now():
    return datetime.now(UTC)


@pytest.fixture
def clock():
    return TestClock()


def send_notices(*urls):
    look_again()
    with fleet_to(*urls) as fleet:
        sender.send_notices(fleet, clock=now)
    look_again()


def owe_a_welcome(address, at=NOON):
    with transaction():
        return owe(NoticeKind.WELCOME, address, MAIL, language="en", now=at).id


def newest_to(server, address):
    """The newest mail that an address got, looked at from the envelope to the header."""
    received = [message for message in server.messages if message.recipient == address][-1]
    assert received.is_utf8 is not address.isascii()
    assert received.sender.isascii()
    head, _, body = received.octets.partition(b"\r\n\r\n")
    to = f"\r\nTo: {address}\r\n".encode()
    assert to in head
    assert head.replace(to, b"").isascii()
    assert body.isascii()
    mail = parse(received.octets)
    assert mail["To"] == address
    return mail


@in_two_scripts
def test_a_reader_signs_up_reads_chooses_moves_and_leaves(browser, clock, address):
    with SmtpServer(extensions=WITH_UTF8) as server:
        assert ask(browser, address, sections=["western-response"]).status_code == 200
        answer_signups(now())
        send_notices(server.url)
        confirm = path_in(newest_to(server, address), "confirm")
        assert browser.post(confirm, data=hidden_fields(browser.get(confirm))).status_code == 200
        assert the_subscriber(address).state is SubscriberState.CONFIRMED
        send_notices(server.url)
        assert newest_to(server, address)["Subject"]

        issue = start_issue(LATIN)
        send(issue, server.url, clock)
        assert states(issue) == {"sent": 2}
        newest_to(server, LATIN)
        mail = newest_to(server, address)
        preferences = path_in(mail, "preferences")
        leave = urlsplit(mail["List-Unsubscribe"].strip("<>")).path
        assert browser.get(preferences).status_code == 200
        held = json.loads(browser.post(f"{preferences}/data").data)
        assert held["subscriber"][0]["address"] == address

        page = browser.post(f"{preferences}/address", data={"address": f"neu.{address}"})
        assert page.status_code == 200
        for change_id in address_change.unanswered_changes():
            with transaction():
                address_change.answer_change(change_id, now=now())
        send_notices(server.url)
        moves = path_in(newest_to(server, f"neu.{address}"), "new-address")
        assert browser.post(moves, data=hidden_fields(browser.get(moves))).status_code == 200
        assert the_subscriber(address) is None
        send_notices(server.url)
        newest_to(server, address)  # the old mailbox hears of it

        assert the_subscriber(f"neu.{address}").state is SubscriberState.CONFIRMED
        assert browser.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        assert the_subscriber(f"neu.{address}").state is SubscriberState.UNSUBSCRIBED


def test_programs_may_ask_for_such_an_address(browser):
    answer = browser.post("/api/v1/subscriptions", json={"address": ARABIC})

    assert answer.status_code == 202
    answer_signups(now())
    assert the_subscriber(ARABIC).address == ARABIC


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("قارئ\u200f@example.org", "invisible character"),
        ("ق" * 33 + "@example.org", "too long"),
        ("قارئ..ة@example.org", "misplaced dot"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_and_what_was_typed_stays(browser, typed, words):
    page = ask(browser, typed)

    assert page.status_code == 400
    assert words in page.text
    assert f'value="{typed}"' in page.text


@relays_without
def test_where_the_relay_lacks_it_that_reader_alone_fails_with_the_reason(app, clock, extensions):
    issue = start_issue("before@example.org", ARABIC, GERMAN, readers=30)
    with SmtpServer(extensions=extensions) as server:
        send(issue, server.url, clock)

    assert states(issue) == {"sent": 31, "failed": 2}
    assert len(server.messages) == 31
    assert all(line.isascii() for line in server.commands)
    assert not [line for line in server.commands if "SMTPUTF8" in line or "RSET" in line]
    look_again()
    for address in (ARABIC, GERMAN):
        delivery = delivery_to(address)
        assert delivery.answer == (
            "5.6.7 The relay does not take addresses with letters like these (SMTPUTF8)."
        )
        assert delivery.marked_at is None
        reader = the_subscriber(address)
        assert (reader.state, reader.suppressed_at) == (SubscriberState.CONFIRMED, None)
        assert reason_of(reader.address_key) is None
    assert db.session.scalar(select(func.count()).select_from(Bounce)) == 0
    assert relays.failing() == []


def test_a_list_of_such_addresses_alone_neither_pauses_the_issue_nor_rests_the_relay(app, clock):
    readers = [f"قارئ{number}@{domain}.example" for number in range(60) for domain in "abcd"]
    issue = start_issue(*readers)
    with SmtpServer() as server:
        send(issue, server.url, clock)

    assert states(issue) == {"failed": 240}
    look_again()
    assert progress(issue.id).state is IssueState.SENT
    assert relays.failing() == []
    assert server.connections <= 4


def test_once_the_relay_takes_them_the_issue_is_sent_again_to_those_who_failed(app, clock):
    issue = start_issue(ARABIC, LATIN)
    with SmtpServer() as without:
        send(issue, without.url, clock)
    assert [failure.address for failure in list_failed(issue.id)] == [ARABIC]
    with transaction():
        assert resend_failed(issue.id, who="the operator", now=clock()) == 1
    tick(clock)
    with SmtpServer(extensions=WITH_UTF8) as server:
        send(issue, server.url, clock)

    assert states(issue) == {"sent": 2}
    assert [message.recipient for message in server.messages] == [ARABIC]


def test_of_several_relays_the_one_in_use_decides(app, clock):
    issue = start_issue(ARABIC, LATIN)
    with (
        SmtpServer() as first,
        SmtpServer(extensions=WITH_UTF8) as second,
        fleet_to(first.url, second.url) as fleet,
    ):
        send_by(fleet, issue, clock)

    assert states(issue) == {"sent": 1, "failed": 1}
    assert second.connections == 0


def test_a_notice_to_such_an_address_fails_alone_and_is_forgotten(app):
    for address in (LATIN, ARABIC, "omar@example.org"):
        owe_a_welcome(address)
    with SmtpServer() as server:
        send_notices(server.url)

    assert sorted(message.recipient for message in server.messages) == [LATIN, "omar@example.org"]
    failed = [notice for notice in notices() if notice.state is NoticeState.FAILED]
    assert [(notice.recipient, notice.message) for notice in failed] == [(None, None)]
    assert failed[0].answer.startswith("5.6.7 The relay does not take addresses")
    assert relays.failing() == []


def test_a_relay_that_takes_the_letters_and_then_refuses_them_says_so_of_this_reader_alone(
    app, clock
):
    def refuse(session):
        if session.line.isascii():
            session.behave()
        else:
            session.say("550 5.6.7 the next server does not take SMTPUTF8")

    issue = start_issue(ARABIC, readers=25)
    with SmtpServer({"rcpt": refuse}, extensions=WITH_UTF8) as server:
        send(issue, server.url, clock)

    assert states(issue) == {"sent": 25, "failed": 1}
    assert the_subscriber(ARABIC).suppressed_at is None


def test_a_mailbox_is_one_reader_however_it_is_written(browser):
    for typed in ("Grün@example.org", "GRU\u0308N@Example.ORG", "grün@example.org"):
        ask(browser, typed)
    answer_signups(now())

    (mail,) = notices(NoticeKind.CONFIRMATION)
    assert mail.recipient == "Grün@example.org"
    assert the_subscriber(GERMAN).state is SubscriberState.PENDING


def test_two_mailboxes_are_two_readers_even_if_capital_letters_would_hide_it(browser):
    for typed in ("straße@example.org", "strasse@example.org"):
        ask(browser, typed)
    answer_signups(now())

    assert len(notices(NoticeKind.CONFIRMATION)) == 2


@in_two_scripts
def test_a_list_with_such_an_address_comes_in_and_goes_out_as_it_was(app, address):
    report = bring_in(f"address,consented_at\n{address.capitalize()},2025-05-14\n")

    assert (report.imported, report.refused) == (1, [])
    _, line = list(export_subscribers())
    assert line.startswith(f"{address.capitalize()},en,")
    again = bring_in(f"address,consented_at\n{address},2025-05-14\n")
    assert (again.imported, again.known) == (0, 1)


def test_such_an_address_that_is_suppressed_is_kept_off_a_list(app):
    with transaction():
        suppress(
            parse_address("GRÜN@example.org").key, SuppressionReason.MANUAL, source="-", now=NOON
        )

    report = bring_in(f"address,consented_at\n{GERMAN},2025-05-14\n")

    assert "suppressed" in report.refused[0].sentence


def test_the_command_line_takes_such_an_address_however_it_is_written(command):
    bring_in(f"address,consented_at\nGrün@example.org,2025-05-14\n{ARABIC},2025-05-14\n")

    assert "confirmed" in command("subscriber", "show", "GRÜN@example.org").stdout
    assert command("subscriber", "unsubscribe", ARABIC).stdout == f"{ARABIC} has left.\n"
    assert command("subscriber", "erase", ARABIC).exit_code == 0
    assert command("subscriber", "show", ARABIC).stdout == f"{ARABIC}  suppressed: erased\n"
    assert "Grün@example.org" in command("subscriber", "export").stdout


def test_who_is_erased_takes_along_what_waits_for_them_however_it_is_addressed(app):
    bring_in(f"address,consented_at\n{GERMAN},2025-05-14\n")
    for address in ("GRÜN@example.org", "Grün@example.org", "grun@example.org", "grün@b.example"):
        owe_a_welcome(address)

    held = data_of(the_subscriber(GERMAN).id, now=NOON)["notices"]
    with transaction():
        erase(the_subscriber(GERMAN).id, source="test", now=NOON)

    assert [one["recipient"] for one in held] == ["GRÜN@example.org", "Grün@example.org"]
    left = [notice.recipient for notice in notices()]
    assert left == ["grun@example.org", "grün@b.example"]


def test_confirmations_to_one_mailbox_are_counted_together(app):
    keys = [caps.counting_keys(parse_address(text)) for text in ("grün+1@x.test", "GRÜN@x.test")]
    assert keys[0] == keys[1]
    with transaction():
        for text in ("grün+1@x.test", "GRÜN@x.test"):
            wish = Wish(choice=0, language="en")
            request_signup(parse_address(text), wish, source="-", wording="-", now=NOON)
    answer_signups(NOON)

    assert len(notices(NoticeKind.CONFIRMATION)) == 1
    assert unanswered_signups() == []
