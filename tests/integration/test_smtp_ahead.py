"""Messages offered ahead of their mark: what leaves when, and who is in doubt afterwards."""

import socket
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from newsletter.mail.smtp import Answer, Limits, Message, Outcome, Relay, RelayAddress, Stage
from tests.smtp_sender import PATIENCE, send
from tests.smtp_server import (
    Act,
    Session,
    SmtpServer,
    behave,
    drop,
    hang,
    later,
    once,
    say,
    say_and_drop,
    slowly,
    trickle,
)

BODY = (b"Subject: Sirte\r\n\r\n", b"The coalition met again.\r\n" * 20)
HUGE = (b"Subject: x\r\n\r\n", *[b"A line of the body, nothing more.\r\n" * 3000] * 100)
SHORT = Limits(connect=0.7, before_dot=0.7, after_dot=0.4)  # where the relay stays silent
LOCK_STEP = ("SIZE 100000000",)
PIPELINING = ("PIPELINING", "SIZE 100000000")
SENT = Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250, "2.0.0")

both_ways = pytest.mark.parametrize(
    "extensions", [LOCK_STEP, PIPELINING], ids=["lock-step", "pipelining"]
)


def a_message(key: int, parts: tuple[bytes, ...] = BODY) -> Message:
    return Message(key, f"b-{key}@bounce.example.org", f"reader{key}@example.net", parts)


def relay_to(
    server: SmtpServer,
    connections: int = 1,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Relay:
    address = RelayAddress.parse(server.url)
    return Relay(address, helo="news.example.org", connections=connections, limits=limits)


def ready(relay: Relay, *keys: int) -> None:
    """Offer these, each on a connection of its own, and wait until the relay is ready for all."""
    for key in keys:
        relay.offer(a_message(key))
    seen: list[int] = []
    while len(seen) < len(keys):
        turn = relay.wait(PATIENCE)
        assert turn.ready
        seen += turn.ready
    assert sorted(seen) == list(keys)


def dawdle(session: Session) -> None:
    """Begin to read a body slowly."""
    for _ in range(20):
        session.server.stopped.wait(0.01)
        session.read()


def recipients(server: SmtpServer) -> list[str]:
    return [one.recipient.partition("@")[0] for one in server.messages]


@both_ways
@pytest.mark.parametrize("connections", [1, 3])
def test_every_message_arrives_once_and_whole(extensions, connections):
    with SmtpServer(extensions=extensions) as server, relay_to(server, connections) as relay:
        answers = send(relay, [a_message(key) for key in range(40)])

    assert {answered.answer for answered in answers.values()} == {SENT}
    assert all(answered.was_cleared for answered in answers.values())
    assert sorted(recipients(server)) == sorted(f"reader{key}" for key in range(40))
    assert {one.octets for one in server.messages} == {b"".join(BODY)}
    assert server.connections == connections


def test_a_dot_and_the_next_envelope_share_a_packet():
    """The relay has read the next envelope before it says a word about the dot."""
    read_with_the_dot: list[bytes] = []

    def look(session: Session) -> None:
        read_with_the_dot.append(session.unread)
        behave(session)

    with SmtpServer({"dot": look}) as server, relay_to(server) as relay:
        send(relay, [a_message(1), a_message(2)])

    assert read_with_the_dot == [
        b"MAIL FROM:<b-2@bounce.example.org> SIZE=538\r\nRCPT TO:<reader2@example.net>\r\nDATA\r\n",
        b"",
    ]


@both_ways
def test_no_octet_of_a_body_leaves_before_it_is_cleared(extensions):
    with SmtpServer(extensions=extensions) as server:
        with relay_to(server) as relay:
            ready(relay, 1)
            turn = relay.wait(0.1)
            assert turn == ([], [])
        server.wait_for_hangups()

    assert server.broken_off == [b""]
    assert server.messages == []


@both_ways
def test_a_refused_mark_after_354_closes_the_connection_and_nothing_arrives(extensions):
    with SmtpServer(extensions=extensions) as server:
        with relay_to(server) as relay:
            answers = send(relay, [a_message(key) for key in (1, 2, 3)], refused={2})
        server.wait_for_hangups()

    assert {key: answered.answer for key, answered in answers.items()} == {1: SENT, 3: SENT}
    assert recipients(server) == ["reader1", "reader3"]
    assert server.broken_off == [b""]
    assert server.connections == 2


@both_ways
def test_a_message_withdrawn_before_it_travelled_costs_nothing(extensions):
    with SmtpServer(extensions=extensions) as server, relay_to(server) as relay:
        relay.offer(a_message(1))
        relay.withdraw([1])
        assert relay.room() == 1
        send(relay, [a_message(2)])

    assert recipients(server) == ["reader2"]
    assert [line for line in server.commands if line.startswith("MAIL")] == [
        "MAIL FROM:<b-2@bounce.example.org> SIZE=538"
    ]
    assert server.connections == 1


def test_a_withdrawn_envelope_that_still_waits_holds_up_its_own_connection_alone():
    may_go_on = Event()

    def dawdle(session: Session) -> None:
        may_go_on.wait(PATIENCE)
        session.behave()

    with SmtpServer({"rcpt": [dawdle]}) as server, relay_to(server, connections=2) as relay:
        relay.offer(a_message(1))
        while not any(command.startswith("RCPT") for command in server.commands):
            relay.wait(0.05)
        relay.withdraw([1])
        assert relay.room() == 1

        with pytest.raises(ValueError, match="room"):
            relay.hand_over([a_message(2), a_message(3)])
        [(_, answer)] = relay.hand_over([a_message(2)])
        may_go_on.set()

    assert answer == SENT
    assert recipients(server) == ["reader2"]


def test_in_lock_step_a_message_withdrawn_after_mail_is_reset():
    server = SmtpServer({"mail": once(trickle("250 ok", 0.05))}, LOCK_STEP)
    with server, relay_to(server) as relay:
        relay.offer(a_message(1))
        while not any(line.startswith("MAIL") for line in server.commands):
            relay.wait(0.01)
        relay.withdraw([1])
        send(relay, [a_message(2)])

    assert recipients(server) == ["reader2"]
    assert server.commands[2] == "RSET"
    assert server.connections == 1


def test_a_refused_recipient_before_the_mark_needs_no_word_from_us():
    """The relay answers DATA with 354 all the same: a lone dot, which no answer makes a mail."""
    script: dict[str, Act] = {
        "rcpt": once(say("550 5.1.1 nobody here")),
        "data": lambda session: session.take_body(),
    }
    with SmtpServer(script, PIPELINING) as server, relay_to(server) as relay:
        answers = send(relay, [a_message(1), a_message(2)])

    refusal = Answer(Outcome.NEVER, Stage.RCPT, "nobody here", 550, "5.1.1")
    assert answers[1] == (1, refusal, False)
    assert answers[2] == (2, SENT, True)
    assert [one.octets for one in server.messages] == [b"", b"".join(BODY)]
    assert server.connections == 1


@both_ways
def test_a_late_answer_is_an_answer(extensions):
    """It comes after the sender has looked several times, and before the limit."""
    server = SmtpServer({"dot": trickle("250 2.0.0 taken", 0.03)}, extensions)
    with server, relay_to(server) as relay:
        ready(relay, 1)
        relay.clear([1])
        turns = [relay.wait(0.05)]
        while not turns[-1].answers:
            turns.append(relay.wait(0.05))
    assert turns[0] == ([], [])

    assert turns[-1].answers == [(1, SENT, True)]


# Two messages on the line: the dot of the first is out, the envelope of the second behind it

BEHIND = {
    "mail": Stage.MAIL,
    "rcpt": Stage.RCPT,
    "data": Stage.DATA,
}
ends = pytest.mark.parametrize(
    "act", [drop, say_and_drop("421 4.3.2 going down")], ids=["drop", "421"]
)


@ends
@both_ways
def test_a_line_lost_after_the_dot_leaves_one_in_doubt_at_most(act, extensions):
    with SmtpServer({"dot": once(act)}, extensions) as server, relay_to(server) as relay:
        answers = send(relay, [a_message(1), a_message(2), a_message(3)])

    first, second = answers[1].answer, answers[2].answer
    if act is drop:
        assert (first.outcome, first.stage, first.code) == (Outcome.IN_DOUBT, Stage.DOT, None)
    else:
        assert (first.outcome, first.stage, first.code) == (Outcome.NOT_NOW, Stage.DOT, 421)
    assert (second.outcome, second.stage, second.code) == (Outcome.NOT_NOW, Stage.MAIL, None)
    assert not answers[2].was_cleared
    assert answers[3].answer == SENT
    assert recipients(server) == ["reader3"]


@ends
@both_ways
@pytest.mark.parametrize(("place", "stage"), BEHIND.items())
def test_a_line_lost_in_the_next_envelope_spoils_nothing_before_it(place, stage, act, extensions):
    with SmtpServer({place: later(1, act)}, extensions) as server, relay_to(server) as relay:
        answers = send(relay, [a_message(1), a_message(2), a_message(3)])

    assert answers[1].answer == SENT
    if place == "mail":  # the relay had left before it heard of it
        assert answers[2].answer == SENT
    else:
        assert (answers[2].answer.outcome, answers[2].answer.stage) == (Outcome.NOT_NOW, stage)
        assert not answers[2].was_cleared
    assert answers[3].answer == SENT
    assert server.connections == 2


@both_ways
@pytest.mark.parametrize("place", ["mail", "rcpt", "data"])
def test_silence_in_the_next_envelope_spoils_nothing_before_it(place, extensions):
    server = SmtpServer({place: later(1, hang)}, extensions)
    with server, relay_to(server, limits=SHORT) as relay:
        answers = send(relay, [a_message(1), a_message(2)])

    assert answers[1].answer == SENT
    assert (answers[2].answer.outcome, answers[2].answer.stage) == (
        Outcome.NOT_NOW,
        BEHIND[place],
    )


@both_ways
def test_silence_after_the_dot_leaves_one_in_doubt(extensions):
    with SmtpServer({"dot": hang}, extensions) as server, relay_to(server, limits=SHORT) as relay:
        answers = send(relay, [a_message(1), a_message(2)])

    assert answers[1].answer.outcome is Outcome.IN_DOUBT
    assert answers[2] == (
        2,
        Answer(Outcome.NOT_NOW, Stage.MAIL, "The server did not answer in time."),
        False,
    )


@both_ways
def test_a_relay_that_stops_reading_has_neither_the_dot_nor_the_next(extensions):
    messages = [a_message(1, HUGE), a_message(2)]
    server = SmtpServer({"body": hang}, extensions)
    with server, relay_to(server, limits=SHORT) as relay:
        answers = send(relay, messages)

    assert [answers[key].answer.outcome for key in (1, 2)] == [Outcome.NOT_NOW] * 2


@both_ways
def test_a_relay_that_reads_slowly_gets_every_octet(extensions):
    with SmtpServer({"body": dawdle}, extensions) as server, relay_to(server) as relay:
        answers = send(relay, [a_message(1, HUGE), a_message(2, HUGE)])

    assert [answers[key].answer for key in (1, 2)] == [SENT] * 2
    assert [one.octets for one in server.messages] == [b"".join(HUGE)] * 2


def test_a_relay_that_hangs_up_while_the_mark_is_made_has_not_got_the_message():
    """It is noticed before a single octet of the body is written."""
    with SmtpServer({"body": drop}) as server, relay_to(server) as relay:
        ready(relay, 1)
        server.wait_for_hangups()
        relay.clear([1])
        turn = relay.wait(PATIENCE)

    assert [(one.key, one.answer.outcome) for one in turn.answers] == [(1, Outcome.NOT_NOW)]


# Each wait has its own limit, and each connection its end


@both_ways
def test_the_wait_for_an_answer_begins_anew_with_every_dot(extensions):
    """Each answer takes half the limit, all together twice the limit."""
    server = SmtpServer({"dot": trickle("250 2.0.0 taken", 0.045)}, extensions)
    with server, relay_to(server, limits=Limits(after_dot=1.5)) as relay:
        answers = send(relay, [a_message(key) for key in range(4)])

    assert {answered.answer for answered in answers.values()} == {SENT}


@both_ways
def test_an_envelope_may_take_longer_than_the_answer_to_a_dot(extensions):
    server = SmtpServer({"rcpt": later(1, slowly(0.8))}, extensions)
    with server, relay_to(server, limits=Limits(after_dot=0.3)) as relay:
        answers = send(relay, [a_message(1), a_message(2)])

    assert [answers[key].answer for key in (1, 2)] == [SENT] * 2


def test_our_own_time_for_the_mark_is_not_counted_against_the_relay():
    server = SmtpServer({"body": dawdle})
    with server, relay_to(server, limits=Limits(before_dot=1)) as relay:
        relay.offer(a_message(1, HUGE))
        assert relay.wait(PATIENCE).ready == [1]
        relay.wait(1.9)
        relay.clear([1])
        turn = relay.wait(PATIENCE)

    assert turn.answers == [(1, SENT, True)]


@both_ways
def test_a_connection_carries_so_many_messages_and_no_more(extensions):
    server = SmtpServer(extensions=extensions)
    with server, relay_to(server, limits=Limits(messages_per_connection=3)) as relay:
        answers = send(relay, [a_message(key) for key in range(7)])

    assert {answered.answer for answered in answers.values()} == {SENT}
    assert [one.connection for one in server.messages] == [1, 1, 1, 2, 2, 2, 3]
    assert server.commands.count("QUIT") == 3


def test_a_connection_that_nobody_uses_is_closed():
    server = SmtpServer()
    with server, relay_to(server, limits=Limits(idle=0, after_dot=0.3)) as relay:
        send(relay, [a_message(1)])
        relay.wait(0.5)
        server.wait_for_hangups()

    assert server.commands[-1] == "QUIT"


# What a caller may and may not do


def test_there_is_room_for_one_envelope_on_each_connection():
    with SmtpServer() as server, relay_to(server, connections=2) as relay:
        assert relay.room() == 2
        ready(relay, 1, 2)
        assert relay.room() == 0
        with pytest.raises(ValueError, match="room"):
            relay.offer(a_message(3))
        relay.clear([1])
        assert relay.room() == 1
        relay.offer(a_message(3))
        assert relay.room() == 0


def test_only_what_is_ready_can_be_cleared_and_only_what_is_not_cleared_withdrawn():
    with SmtpServer() as server, relay_to(server, connections=2) as relay:
        relay.offer(a_message(1))
        with pytest.raises(ValueError, match="ready"):
            relay.clear([1])
        with pytest.raises(ValueError, match="offered already"):
            relay.offer(a_message(1))
        while not relay.wait(PATIENCE).ready:
            pass
        relay.clear([1])
        for word in (relay.clear, relay.withdraw):
            with pytest.raises(ValueError, match="key"):
                word([1])
        with pytest.raises(ValueError, match="under way"):
            relay.hand_over([a_message(2)])


def test_a_relay_has_a_name_without_its_password():
    address = RelayAddress.parse("smtp://user:secret@127.0.0.1:2525")
    with Relay(address, helo="news.example.org") as relay:
        assert relay.name == "127.0.0.1:2525"


def test_a_limit_counts_from_now_on_and_closes_what_is_too_much():
    with SmtpServer() as server, relay_to(server, connections=4) as relay:
        relay.limit_to(1)
        assert (relay.connections, relay.room()) == (1, 1)
        send(relay, [a_message(key) for key in range(5)])
        assert server.most_at_once == 1

        relay.limit_to(3)
        assert (relay.connections, relay.room()) == (3, 3)
        ready(relay, 11, 12, 13)
        relay.limit_to(0)
        assert relay.room() == 0
        relay.clear([11, 12, 13])
        answered = 0
        while answered < 3:
            answered += len(relay.wait(PATIENCE).answers)
        server.wait_for_hangups()
        assert server.commands.count("QUIT") == 3


def test_what_is_abandoned_gets_no_answer_and_leaves_room():
    with SmtpServer({"dot": once(hang)}) as server, relay_to(server, connections=2) as relay:
        ready(relay, 1)
        relay.clear([1])
        relay.offer(a_message(2))
        relay.wait(0.05)
        relay.abandon()

        assert relay.room() == 2
        assert relay.wait(0.05) == ([], [])
        assert send(relay, [a_message(3)])[3].answer == SENT


def test_the_name_of_a_relay_is_looked_up_once_for_many_connections(monkeypatch):
    looked_up = []
    really = socket.getaddrinfo

    def look_up(*arguments, **options):
        looked_up.append(arguments[0])
        return really(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with SmtpServer() as server, relay_to(server, connections=8) as relay:
        send(relay, [a_message(key) for key in range(16)])

    assert server.connections == 8
    assert looked_up == ["127.0.0.1"]


def test_a_unix_socket_is_reached_ahead_of_the_mark(tmp_path: Path):
    with SmtpServer(path=tmp_path / "smtp.sock") as server, relay_to(server, 2) as relay:
        answers = send(relay, [a_message(key) for key in range(10)])

    assert {answered.answer for answered in answers.values()} == {SENT}


def test_a_relay_that_answers_no_dot_is_silent_and_is_met_anew_beside_what_it_owes():
    may_answer = Event()

    def hold_back(session: Session) -> None:
        if session.number <= 2:
            assert may_answer.wait(10)
        behave(session)

    limits = replace(SHORT, silence=0.2, before_dot=10, after_dot=10)
    with SmtpServer({"dot": hold_back}) as server, relay_to(server, 2, limits) as relay:
        ready(relay, 1, 2)
        relay.clear([1, 2])
        silent = []
        relay.wait(0.3)
        silent.append(relay.is_silent)  # no: it could be given more
        relay.offer(a_message(3))
        relay.offer(a_message(4))
        relay.wait(0.3)
        silent.append(relay.is_silent)
        relay.withdraw([3, 4])
        relay.set_aside()
        silent.append(relay.is_silent)
        assert set(send(relay, [a_message(3), a_message(4)])) == {3, 4}
        may_answer.set()
        late = [one.key for _ in range(2) for one in relay.wait(5).answers]
        relay.wait(0.1)

    assert silent == [False, True, False]
    assert sorted(late) == [1, 2]
    assert sorted(recipients(server)) == ["reader1", "reader2", "reader3", "reader4"]
    assert server.connections == 4
