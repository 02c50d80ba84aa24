"""Notices: owed in a transaction, sent by the same driver, forgotten afterwards."""

from datetime import timedelta
from email import message_from_bytes, policy
from threading import Event

import pytest
from sqlalchemy import func, select

from newsletter.database import db, transaction
from newsletter.delivery import notices
from newsletter.mail.rendering import RenderedMail
from newsletter.mail.smtp import Message
from newsletter.notices.models import Notice, NoticeKind, NoticeState
from newsletter.notices.owing import owe
from tests.factories import NOON
from tests.mail_server import PATIENCE, free_port
from tests.posting import TestClock, fleet_to, relay_to, run_together
from tests.smtp_server import SmtpServer, drop, say

MAIL = RenderedMail(
    subject="Please confirm", text="Press the button.\n", html="<p>Press the button.</p>"
)


@pytest.fixture
def clock():
    return TestClock()


def owe_one(recipient="amal@example.org", **more):
    with transaction():
        return owe(NoticeKind.CONFIRMATION, recipient, MAIL, language="en", now=NOON, **more)


def send(url, clock, *, connections=4):
    with fleet_to(url, connections=connections) as fleet:
        notices.send_notices(fleet, clock=clock)


def sweep(clock):
    with transaction():
        notices.expire_leases(now=clock())


def the_notice():
    return db.session.scalars(select(Notice).execution_options(populate_existing=True)).one()


def test_a_notice_is_a_whole_message_from_us(app, mail_server, clock, settings):
    owe_one()

    send(mail_server.url, clock)

    [envelope] = mail_server.envelopes
    [message] = mail_server.to("amal@example.org")
    assert message["Subject"] == "Please confirm"
    assert str(message["From"]) == settings.mail_from
    assert message["To"] == "amal@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "en"
    assert message["Date"].datetime == NOON
    assert "List-Unsubscribe" not in message
    assert message.get_body(("html",)).get_content().strip() == MAIL.html
    assert envelope.mail_from.endswith(f"@{settings.bounce_domain}")
    assert not message.defects


def test_once_sent_its_recipient_and_its_words_are_forgotten(app, mail_server, clock):
    owe_one(counting_key="kept")

    send(mail_server.url, clock)

    sent = the_notice()
    assert sent.state is NoticeState.SENT
    assert sent.settled_at == NOON
    assert sent.recipient is sent.message is sent.due_at is None
    assert sent.counting_key == "kept"


def test_all_that_is_due_goes_out_and_nothing_twice(app, mail_server, clock):
    for number in range(11):
        owe_one(f"reader-{number}@example.org")

    send(mail_server.url, clock)
    send(mail_server.url, clock)

    assert len(mail_server.envelopes) == 11


def test_two_workers_at_once_send_nothing_twice(app, mail_server, clock):
    for number in range(60):
        owe_one(f"reader-{number}@example.org")

    def work():
        with app.app_context():
            send(mail_server.url, clock)

    run_together(work, work, work)

    recipients = [envelope.rcpt_tos[0] for envelope in mail_server.envelopes]
    assert len(recipients) == len(set(recipients)) == 60


def test_a_busy_server_is_asked_again_for_the_same_message(app, mail_server, clock):
    owe_one()
    before = the_notice().message
    with SmtpServer({"dot": say("451 4.3.0 later")}) as server:
        send(server.url, clock)
    waits = the_notice()
    assert waits.state is NoticeState.QUEUED
    assert waits.answer == "451 4.3.0 later"

    send(mail_server.url, clock)
    assert mail_server.envelopes == []

    clock.turn(minutes=2)
    send(mail_server.url, clock)
    [message] = mail_server.messages
    assert message["Message-ID"] == parsed(before)["Message-ID"]
    assert the_notice().state is NoticeState.SENT


def parsed(content):
    return message_from_bytes(content, policy=policy.default)


def test_a_doubtful_one_is_sent_again_with_the_same_message_id(app, mail_server, clock):
    owe_one()
    before = the_notice().message
    with SmtpServer({"dot": drop}) as server:
        send(server.url, clock)
    assert the_notice().state is NoticeState.QUEUED

    clock.turn(minutes=2)
    send(mail_server.url, clock)

    assert mail_server.messages[0]["Message-ID"] == parsed(before)["Message-ID"]


def test_a_refusal_for_good_fails_and_forgets(app, clock):
    owe_one()

    with SmtpServer({"rcpt": say("550 5.1.1 no such user")}) as server:
        send(server.url, clock)

    failed = the_notice()
    assert failed.state is NoticeState.FAILED
    assert failed.recipient is failed.message is None
    assert failed.answer == "550 5.1.1 no such user"


def test_a_relay_that_is_down_costs_few_notices_a_minute(app, mail_server, clock):
    for number in range(12):
        owe_one(f"reader-{number}@example.org")

    send(f"smtp://127.0.0.1:{free_port()}", clock)

    tried = select(func.count()).where(Notice.attempts > 0)
    assert (db.session.scalar(tried) or 0) <= 4
    clock.turn(minutes=2)
    send(mail_server.url, clock)
    assert len(mail_server.envelopes) == 12


def test_after_three_days_it_is_given_up(app, clock):
    owe_one()
    with SmtpServer({"rcpt": say("450 4.2.0 later")}) as server:
        for _ in range(80):
            send(server.url, clock)
            clock.turn(hours=1, minutes=10)

    assert the_notice().state is NoticeState.FAILED


def test_an_envelope_that_an_issue_left_behind_costs_no_notice_an_attempt(app, clock):
    may_go_on = Event()

    def dawdle(session):
        if "left-behind@" in session.line:
            may_go_on.wait(PATIENCE)
        session.behave()

    with SmtpServer({"rcpt": dawdle}) as server, fleet_to(server.url) as fleet:
        owe_one("first@example.org")
        notices.send_notices(fleet, clock=clock)  # the relay works, and gets two connections
        with transaction():
            line = fleet.choose("an issue", clock())
        assert line
        relay = line.relay
        relay.offer(Message(99, "b-99@bounce.example", "left-behind@example.org", [b"x\r\n"]))
        while not any("left-behind@" in command for command in server.commands):
            relay.wait(0.05)
        relay.withdraw([99])

        owe_one("second@example.org")
        notices.send_notices(fleet, clock=clock)
        may_go_on.set()

    assert [one.recipient for one in server.messages] == ["first@example.org", "second@example.org"]
    assert set(db.session.scalars(select(Notice.attempts))) == {1}


def test_what_a_dead_process_had_in_its_hands_is_queued_again_and_its_answer_ignored(
    app, mail_server, clock
):
    owe_one()
    with transaction():
        [claimed] = notices.claim(4, clock())
    sweep(clock)
    assert the_notice().state is NoticeState.SENDING

    clock.turn(seconds=31)
    sweep(clock)
    assert the_notice().state is NoticeState.QUEUED

    clock.turn(minutes=2)
    with transaction():
        [again] = notices.claim(4, clock())
    assert again.message == claimed.message
    with transaction():
        notices.record(claimed, accepted(), clock())
    assert the_notice().state is NoticeState.SENDING


def accepted():
    with SmtpServer() as server, relay_to(server.url) as relay:
        message = Message(key=1, sender="", recipient="a@example.org", parts=[b"\r\n"])
        [(_, answer)] = relay.hand_over([message])
        return answer


def test_the_clock_sees_what_is_due(app, mail_server, clock):
    assert not notices.are_due(now=clock())
    owe_one()
    assert notices.are_due(now=clock())
    send(mail_server.url, clock)
    assert not notices.are_due(now=clock())


def test_after_five_weeks_nothing_is_left(app, mail_server, clock):
    owe_one()
    send(mail_server.url, clock)
    owe_one("waits@example.org")

    with transaction():
        notices.forget_notices(now=NOON + timedelta(days=34))
    assert db.session.scalar(select(func.count()).select_from(Notice)) == 2

    with transaction():
        notices.forget_notices(now=NOON + timedelta(days=36))
    assert the_notice().recipient == "waits@example.org"


@pytest.mark.parametrize(
    "recipient", ["a@example.org\r\nBcc: b@example.org", "b\u00e4\u2028d@example.org"]
)
def test_a_recipient_that_would_break_a_header_is_refused_when_it_is_owed(app, recipient):
    with pytest.raises(ValueError, match="recipient"):
        owe_one(recipient)
