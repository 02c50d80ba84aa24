"""Every message handed to a relay gets one answer, and it is true, whatever the relay does."""

import socket
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller, UnixSocketController

from newsletter.mail.smtp import Answer, Limits, Message, Outcome, Relay, RelayAddress, Stage
from tests.smtp_server import (
    Session,
    SmtpServer,
    behave,
    drop,
    hang,
    once,
    say,
    say_and_drop,
    trickle,
)

SHORT = Limits(connect=0.7, before_dot=0.7, after_dot=0.4)  # where the relay stays silent
BODY = (b"Subject: Derna\r\n", b"\r\n", b"The blockade tightens.\r\n" * 20)
LOCK_STEP = ("SIZE 100000000",)

both_ways = pytest.mark.parametrize(
    "extensions", [LOCK_STEP, ("PIPELINING",)], ids=["lock-step", "pipelining"]
)


def a_message(key: int = 1, parts: tuple[bytes, ...] = BODY) -> Message:
    return Message(key, f"b-{key}@bounce.example.org", f"reader{key}@example.net", parts)


def relay_to(server: SmtpServer, limits: Limits = Limits(), connections: int = 1) -> Relay:  # noqa: B008 - frozen
    address = RelayAddress.parse(server.url)
    return Relay(address, helo="news.example.org", connections=connections, limits=limits)


def answer_of(  # the defaults are frozen
    server: SmtpServer,
    limits: Limits = Limits(),  # noqa: B008
    message: Message | None = None,
) -> Answer:
    with relay_to(server, limits) as relay:
        [(key, answer)] = relay.hand_over([message or a_message()])
    assert key == 1
    return answer


@both_ways
def test_a_message_is_accepted_as_it_is(extensions):
    with SmtpServer(extensions=extensions) as server:
        answer = answer_of(server)

    assert answer == Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250, "2.0.0")
    [received] = server.messages
    assert received.octets == b"".join(BODY)
    assert (received.sender, received.recipient) == (
        "b-1@bounce.example.org",
        "reader1@example.net",
    )
    assert server.commands[-1] == "QUIT"


def test_eight_connections_carry_a_message_each_at_once_and_stay_open():
    with SmtpServer() as server, relay_to(server, connections=8) as relay:
        for group in range(3):
            keys = range(group * 8, group * 8 + 8)
            answers = relay.hand_over([a_message(key) for key in keys])
            assert [key for key, _ in answers] == list(keys)
            assert {answer.outcome for _, answer in answers} == {Outcome.ACCEPTED}

    assert server.connections == server.most_at_once == 8
    assert sorted(one.recipient for one in server.messages) == sorted(
        f"reader{key}@example.net" for key in range(24)
    )
    per_connection = [one.connection for one in server.messages]
    assert all(per_connection.count(number) == 3 for number in range(1, 9))


def test_more_messages_than_there_is_room_for_are_refused():
    two = [a_message(1), a_message(2)]
    with (
        SmtpServer() as server,
        relay_to(server) as relay,
        pytest.raises(ValueError, match="room"),
    ):
        relay.hand_over(two)


def test_an_empty_group_has_no_answers():
    with SmtpServer() as server, relay_to(server) as relay:
        assert relay.hand_over([]) == []


def test_a_refused_connection_is_not_now():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    address = RelayAddress.parse(f"smtp://127.0.0.1:{port}")

    with Relay(address, helo="news.example.org") as relay:
        [(_, answer)] = relay.hand_over([a_message()])

    assert answer == Answer(Outcome.NOT_NOW, Stage.CONNECT, "Connection refused")


def test_a_host_that_does_not_exist_is_not_now():
    address = RelayAddress.parse("smtp://no-such-host.invalid?starttls=false")

    with Relay(address, helo="news.example.org") as relay:
        [(_, answer)] = relay.hand_over([a_message()])

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.CONNECT)


def test_localhost_is_reached_at_whichever_of_its_addresses_listens():
    with SmtpServer() as server:
        address = RelayAddress.parse(f"smtp://localhost:{server.port}")
        with Relay(address, helo="news.example.org") as relay:
            [(_, answer)] = relay.hand_over([a_message()])

    assert answer.outcome is Outcome.ACCEPTED


def test_a_unix_socket_is_reached(tmp_path: Path):
    with SmtpServer(path=tmp_path / "smtp.sock") as server:
        answer = answer_of(server)

    assert answer.outcome is Outcome.ACCEPTED
    assert [one.octets for one in server.messages] == [b"".join(BODY)]


def test_a_missing_unix_socket_is_not_now(tmp_path: Path):
    address = RelayAddress.parse(f"smtp+unix://{tmp_path}/none.sock")

    with Relay(address, helo="news.example.org") as relay:
        [(_, answer)] = relay.hand_over([a_message()])

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.CONNECT)


# What a relay can do at each stage before the final dot, and where we then stand.

STAGES = {
    "greeting": Stage.GREETING,
    "ehlo": Stage.HELLO,
    "mail": Stage.MAIL,
    "rcpt": Stage.RCPT,
    "data": Stage.DATA,
}
before_the_dot = pytest.mark.parametrize(("place", "stage"), STAGES.items())
about_the_message = pytest.mark.parametrize(
    ("place", "stage"), [*list(STAGES.items())[2:], ("dot", Stage.DOT)]
)


@both_ways
@before_the_dot
def test_a_line_lost_before_the_dot_is_not_now(place, stage, extensions):
    with SmtpServer({place: drop}, extensions) as server:
        answer = answer_of(server)

    assert (answer.outcome, answer.stage, answer.code) == (Outcome.NOT_NOW, stage, None)


@both_ways
@before_the_dot
def test_silence_before_the_dot_is_not_now(place, stage, extensions):
    with SmtpServer({place: hang}, extensions) as server:
        answer = answer_of(server, SHORT)

    assert (answer.outcome, answer.stage, answer.code) == (Outcome.NOT_NOW, stage, None)
    assert "in time" in answer.text


@both_ways
@pytest.mark.parametrize("place", [*STAGES, "dot"])
@pytest.mark.parametrize("act", [say, say_and_drop])
def test_421_is_not_now_and_the_end_of_the_connection_wherever_it_comes(place, act, extensions):
    script = {place: [act("421 4.3.2 going down")]}
    with SmtpServer(script, extensions) as server, relay_to(server) as relay:
        [(_, answer)] = relay.hand_over([a_message(1)])
        [(_, next_answer)] = relay.hand_over([a_message(2)])

    assert (answer.outcome, answer.code, answer.status) == (Outcome.NOT_NOW, 421, "4.3.2")
    assert answer.stage is (STAGES | {"dot": Stage.DOT})[place]
    assert "going down" in answer.text
    assert next_answer.outcome is Outcome.ACCEPTED
    assert [one.connection for one in server.messages] == [2]


@both_ways
@about_the_message
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [("451 4.7.1 come back later", Outcome.NOT_NOW), ("550 5.1.1 nobody here", Outcome.NEVER)],
)
def test_a_refusal_is_told_with_its_stage_and_the_connection_goes_on(
    place, stage, reply, outcome, extensions
):
    script = {place: once(say(reply))}
    with SmtpServer(script, extensions) as server, relay_to(server) as relay:
        [(_, refused)] = relay.hand_over([a_message(1)])
        [(_, accepted)] = relay.hand_over([a_message(2)])

    code, status, text = reply.split(" ", 2)
    assert refused == Answer(outcome, stage, text, int(code), status)
    assert accepted.outcome is Outcome.ACCEPTED
    assert server.connections == 1
    assert [one.recipient for one in server.messages] == ["reader2@example.net"]


@both_ways
@pytest.mark.parametrize("place", ["greeting", "ehlo"])
def test_a_relay_that_refuses_us_for_good_says_nothing_about_the_message(place, extensions):
    with SmtpServer({place: say("554 5.7.1 go away")}, extensions) as server:
        answer = answer_of(server)

    assert (answer.outcome, answer.code, answer.stage) == (Outcome.NOT_NOW, 554, STAGES[place])


def test_a_lone_dot_that_is_accepted_never_means_that_the_message_was_sent():
    script = {"rcpt": once(say("550 5.1.1 nobody here")), "data": lambda one: one.take_body()}
    with SmtpServer(script, ("PIPELINING",)) as server, relay_to(server) as relay:
        [(_, refused)] = relay.hand_over([a_message(1)])
        [(_, accepted)] = relay.hand_over([a_message(2)])

    assert (refused.outcome, refused.stage) == (Outcome.NEVER, Stage.RCPT)
    assert accepted.outcome is Outcome.ACCEPTED
    assert [one.octets for one in server.messages] == [b"", b"".join(BODY)]


@both_ways
@pytest.mark.parametrize("act", [drop, hang, say("354 again"), say("rubbish"), say("25")])
def test_without_an_answer_to_the_dot_a_message_is_in_doubt(act, extensions):
    with SmtpServer({"dot": act}, extensions) as server:
        answer = answer_of(server, Limits(after_dot=0.4))

    assert (answer.outcome, answer.stage) == (Outcome.IN_DOUBT, Stage.DOT)


HUGE = (b"Subject: x\r\n\r\n", *[b"A line of the body, nothing more.\r\n" * 3000] * 100)


@both_ways
def test_a_relay_that_stops_reading_has_not_got_the_dot(extensions):
    with SmtpServer({"body": hang}, extensions) as server:
        answer = answer_of(server, SHORT, message=a_message(parts=HUGE))

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.DOT)


@both_ways
def test_a_line_lost_in_the_middle_of_the_body_is_not_now(extensions):
    with SmtpServer({"body": drop}, extensions) as server:
        answer = answer_of(server, message=a_message(parts=HUGE))

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.DOT)


@both_ways
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("452 4.3.1 disk full", Outcome.NOT_NOW),
        ("552 5.3.4 too large", Outcome.NEVER),
        ("250 2.0.0 taken", Outcome.NOT_NOW),
    ],
)
@pytest.mark.parametrize("then", [hang, drop])
def test_an_answer_in_the_middle_of_the_body_ends_the_connection(reply, outcome, then, extensions):
    def answer_early(session):
        session.read()
        session.say(reply)
        then(session)

    with SmtpServer({"body": answer_early}, extensions) as server:
        answer = answer_of(server, message=a_message(parts=HUGE))

    assert (answer.outcome, answer.code) == (outcome, int(reply[:3]))


def test_a_huge_body_arrives_whole():
    with SmtpServer() as server:
        answer = answer_of(server, message=a_message(parts=HUGE))

    assert answer.outcome is Outcome.ACCEPTED
    assert [len(one.octets) for one in server.messages] == [sum(map(len, HUGE))]


def test_a_message_larger_than_the_relay_takes_is_not_offered():
    with SmtpServer(extensions=("SIZE 100",)) as server:
        answer = answer_of(server)

    assert (answer.outcome, answer.status) == (Outcome.NEVER, "5.3.4")
    assert not [line for line in server.commands if line.startswith("MAIL")]


def test_a_limit_that_was_raised_meanwhile_counts_at_once():
    with SmtpServer(extensions=("SIZE 100",)) as server, relay_to(server) as relay:
        [(_, before)] = relay.hand_over([a_message()])
        server.extensions = ("SIZE 100000",)
        [(_, after)] = relay.hand_over([a_message()])

    assert (before.status, after.outcome) == ("5.3.4", Outcome.ACCEPTED)


def test_the_size_is_told_where_the_relay_wants_to_know():
    with SmtpServer(extensions=("SIZE 10000",)) as server:
        answer_of(server)

    assert f"MAIL FROM:<b-1@bounce.example.org> SIZE={len(b''.join(BODY))}" in server.commands


def test_a_relay_that_knows_only_helo_is_spoken_to_in_lock_step():
    def refuse_ehlo(session):
        session.say("250 hello" if session.line.startswith("HELO") else "502 5.5.1 unknown")

    with SmtpServer({"ehlo": refuse_ehlo}) as server:
        answer = answer_of(server)

    assert answer.outcome is Outcome.ACCEPTED
    assert server.commands[:2] == ["EHLO news.example.org", "HELO news.example.org"]


ENDLESS = ["2" * 100_000, "250-more\r\n" * 1000]


@both_ways
@before_the_dot
@pytest.mark.parametrize("words", ["rubbish", "\x00\xff\xfe", "250-a\r\n450 b", *ENDLESS])
def test_what_is_no_reply_ends_the_connection(place, stage, words, extensions):
    with SmtpServer({place: say(words)}, extensions) as server:
        answer = answer_of(server)

    assert (answer.outcome, answer.stage, answer.code) == (Outcome.NOT_NOW, stage, None)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("greeting", "220 hello\r\n250 early"),
        ("ehlo", "250 hello\r\n250 early"),
        ("mail", "250 ok\r\n250 early"),
        ("rcpt", "250 ok\r\n354 early"),
        ("mail", "354 go"),
        ("data", "250 ok"),
    ],
)
def test_a_reply_nobody_asked_for_ends_the_connection(place, words):
    with SmtpServer({place: say(words)}, LOCK_STEP) as server:
        answer = answer_of(server)

    assert answer.outcome is Outcome.NOT_NOW
    assert "out of" in answer.text
    assert server.messages == []


def test_the_beginning_of_a_reply_nobody_asked_for_ends_the_connection():
    begin_early = {"rcpt": lambda session: session.socket.sendall(b"250 ok\r\n35")}
    with SmtpServer(begin_early, LOCK_STEP) as server:
        answer = answer_of(server)

    assert answer.outcome is Outcome.NOT_NOW
    assert "out of turn" in answer.text


def test_a_reply_of_many_lines_is_read_as_one():
    words = "550-5.7.1 we do not\r\n550-5.7.1 like\r\n550 5.7.1 you"
    with SmtpServer({"rcpt": say(words)}) as server:
        answer = answer_of(server)

    assert answer == Answer(Outcome.NEVER, Stage.RCPT, "we do not like you", 550, "5.7.1")


def test_the_words_of_a_relay_are_made_harmless():
    with SmtpServer({"rcpt": say("550 5.1.1 a\x1b[31m\x00b\xe9" + "x" * 1500)}) as server:
        answer = answer_of(server)

    assert answer.text.startswith("a [31m b x")
    assert answer.text.isprintable()
    assert len(answer.text) == 500


def test_a_reply_that_trickles_in_time_is_a_reply():
    with SmtpServer({"greeting": trickle("220 hello", 0.005)}) as server:
        assert answer_of(server).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("place", "outcome"), [("rcpt", Outcome.NOT_NOW), ("dot", Outcome.IN_DOUBT)]
)
def test_a_trickle_does_not_hold_the_connection_for_ever(place, outcome):
    with SmtpServer({place: trickle("250 " + "very " * 300 + "slow", 0.05)}) as server:
        assert answer_of(server, SHORT).outcome is outcome


def test_one_silent_connection_does_not_spoil_the_others():
    script = {"mail": [behave, hang, behave, behave]}
    with SmtpServer(script) as server, relay_to(server, SHORT, connections=4) as relay:
        answers = relay.hand_over([a_message(key) for key in range(4)])

    outcomes = sorted(answer.outcome for _, answer in answers)
    assert outcomes == ["accepted", "accepted", "accepted", "not_now"]


# Connections that are kept


@both_ways
@pytest.mark.parametrize("act", [drop, say_and_drop("421 4.4.2 idle too long")])
def test_a_connection_the_relay_left_is_opened_again_for_the_next_message(act, extensions):
    """The second message finds the connection dead and is tried once more on a new one."""

    def leave_after_the_first(session: Session) -> None:
        if session.number == 1 and session.server.messages:
            act(session)
        behave(session)

    with (
        SmtpServer({"mail": leave_after_the_first}, extensions) as server,
        relay_to(server) as relay,
    ):
        answers = [relay.hand_over([a_message(key)])[0][1] for key in (1, 2)]

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED] * 2
    assert [one.connection for one in server.messages] == [1, 2]


def test_a_connection_that_closes_behind_the_answer_is_opened_again():
    def accept_and_leave(session):
        behave(session)
        session.say("421 4.4.2 idle too long")
        drop(session)

    with SmtpServer({"dot": [accept_and_leave]}) as server, relay_to(server) as relay:
        answers = [relay.hand_over([a_message(key)])[0][1] for key in (1, 2)]

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED] * 2
    assert [one.connection for one in server.messages] == [1, 2]


def test_a_dead_connection_is_opened_again_only_once():
    def leave_after_the_first(session: Session) -> None:
        (drop if session.server.messages else behave)(session)

    script = {"mail": leave_after_the_first}
    with SmtpServer(script) as server, relay_to(server) as relay:
        relay.hand_over([a_message(1)])
        [(_, answer)] = relay.hand_over([a_message(2)])

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.MAIL)
    assert server.connections == 2


@pytest.mark.parametrize("limits", [Limits(messages_per_connection=1), Limits(idle=0)])
def test_a_connection_is_renewed_in_time_and_says_goodbye(limits):
    with SmtpServer() as server, relay_to(server, limits) as relay:
        for key in range(3):
            [(_, answer)] = relay.hand_over([a_message(key)])
            assert answer.outcome is Outcome.ACCEPTED

    assert server.connections == 3
    assert server.commands.count("QUIT") == 3


# A real server


class Kept:
    """What aiosmtpd was given."""

    def __init__(self) -> None:
        self.octets: list[bytes] = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - its interface
        self.octets.append(envelope.content)
        return "550 5.7.1 not wanted" if b"unwanted" in envelope.content else "250 2.0.0 kept"


@contextmanager
def running(controller):
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def test_aiosmtpd_takes_what_we_send():
    kept = Kept()
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    with running(controller):
        address = RelayAddress.parse(f"smtp://127.0.0.1:{controller.port}")
        with Relay(address, helo="news.example.org", connections=3) as relay:
            outcomes = [
                answer.outcome
                for _ in range(3)
                for _, answer in relay.hand_over([a_message(1), UNWANTED, a_message(3, HUGE)])
            ]

    assert outcomes == [Outcome.ACCEPTED, Outcome.NEVER, Outcome.ACCEPTED] * 3
    assert sorted(map(len, kept.octets)) == sorted(
        [sum(map(len, one.parts)) for one in (a_message(), UNWANTED, a_message(3, HUGE))] * 3
    )


UNWANTED = a_message(2, (b"Subject: unwanted\r\n\r\nx\r\n",))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


def test_aiosmtpd_on_a_unix_socket_takes_what_we_send(tmp_path: Path):
    kept = Kept()
    path = tmp_path / "mail.sock"
    address = RelayAddress.parse(f"smtp+unix://{path}")
    with (
        running(UnixSocketController(kept, unix_socket=str(path))),
        Relay(address, helo="news.example.org") as relay,
    ):
        [(_, answer)] = relay.hand_over([a_message()])

    assert answer.outcome is Outcome.ACCEPTED
    assert kept.octets == [b"".join(BODY)]
