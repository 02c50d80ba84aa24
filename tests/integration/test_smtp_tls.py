"""Encryption and login: certificates are verified, and no password leaves without them."""

import socket
import ssl
import struct
import subprocess
from pathlib import Path

import pytest

from newsletter.mail.smtp import Answer, Limits, Message, Outcome, Relay, RelayAddress, Stage
from tests.smtp_sender import PATIENCE, send
from tests.smtp_server import Act, Session, SmtpServer, drop, hang, once, say, say_and_drop

SHORT = Limits(connect=1, before_dot=1, after_dot=0.4)
BODY = (b"Subject: Derna\r\n\r\n", b"The blockade tightens.\r\n" * 20)
HUGE = (b"Subject: x\r\n\r\n", *[b"A line of the body, nothing more.\r\n" * 3000] * 100)


def openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


def sign(folder: Path, name: str, alternatives: str) -> None:
    """A key and a certificate for these names, signed by the authority in the folder."""
    (folder / f"{name}.ext").write_text(f"subjectAltName={alternatives}\n")
    openssl(folder, f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN=x")
    openssl(
        folder,
        f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
        f" -out {name}.pem -extfile {name}.ext",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An authority of our own, and two servers it vouches for."""
    path = tmp_path_factory.mktemp("certificates")
    assert isinstance(path, Path)
    openssl(
        path,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2"
        " -subj /CN=authority -addext keyUsage=critical,keyCertSign",
    )
    sign(path, "relay", "IP:127.0.0.1,DNS:localhost")
    sign(path, "elsewhere", "DNS:elsewhere.example")
    return path


def serving(folder: Path, name: str = "relay") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ca.pem"))


@pytest.fixture(params=["starttls", "from the start"])
def server_with(request, folder):
    """Make an encrypting server, in either of the two ways."""

    def make(script: dict[str, Act] | None = None, certificate: str = "relay") -> SmtpServer:
        return SmtpServer(
            script or {},
            tls=serving(folder, certificate),
            tls_from_the_start=request.param == "from the start",
        )

    return make


def address_of(server: SmtpServer, credentials: str = "", starttls: str = "?starttls=true"):
    scheme, _, host = server.url.partition("://")
    return RelayAddress.parse(
        f"{scheme}://{credentials}{host}{'' if scheme == 'smtps' else starttls}"
    )


def answer_of(
    server: SmtpServer,
    folder: Path,
    credentials: str = "",
    *,
    limits: Limits = SHORT,
    parts: tuple[bytes, ...] = BODY,
) -> Answer:
    message = Message(1, "from@example.org", "to@example.net", parts)
    address = address_of(server, credentials)
    with Relay(address, helo="news.example.org", limits=limits, tls=trusting(folder)) as relay:
        [(_, answer)] = relay.hand_over([message])
    return answer


@pytest.mark.parametrize("parts", [BODY, HUGE], ids=["small", "huge"])
def test_a_message_goes_encrypted(server_with, folder, parts):
    with server_with() as server:
        answer = answer_of(server, folder, limits=Limits(), parts=parts)

    assert answer.outcome is Outcome.ACCEPTED
    assert [one.octets == b"".join(parts) for one in server.messages] == [True]


def test_eight_encrypted_connections_carry_a_message_each(server_with, folder):
    with (
        server_with() as server,
        Relay(
            address_of(server), helo="news.example.org", connections=8, tls=trusting(folder)
        ) as relay,
    ):
        for _ in range(2):
            messages = [Message(key, "", f"to{key}@example.net", BODY) for key in range(8)]
            answers = relay.hand_over(messages)
            assert {answer.outcome for _, answer in answers} == {Outcome.ACCEPTED}

    assert server.connections == 8
    assert len(server.messages) == 16


def test_a_certificate_for_another_host_is_not_trusted(server_with, folder):
    with server_with(certificate="elsewhere") as server:
        answer = answer_of(server, folder)

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.TLS)
    assert "certificate" in answer.text
    assert server.messages == []


def test_a_certificate_of_an_unknown_authority_is_not_trusted(server_with):
    with server_with() as server:
        message = Message(1, "from@example.org", "to@example.net", BODY)
        with Relay(address_of(server), helo="news.example.org", limits=SHORT) as relay:
            [(_, answer)] = relay.hand_over([message])

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.TLS)
    assert "certificate" in answer.text


@pytest.mark.parametrize("mechanisms", ["AUTH PLAIN LOGIN", "AUTH LOGIN"])
def test_a_login_goes_encrypted(server_with, folder, mechanisms):
    with server_with() as server:
        server.extensions = (mechanisms,)
        answer = answer_of(server, folder, "user%40example.org:p%3Ass%20w%C3%B6rd@")

    assert answer.outcome is Outcome.ACCEPTED
    assert server.logins == [("user@example.org", "p:ss wörd")]


@pytest.mark.parametrize("reply", ["535 5.7.8 wrong password", "454 4.7.0 later", "334 more"])
def test_a_failed_login_says_nothing_about_the_message(server_with, folder, reply):
    with server_with({"auth": say(reply)}) as server:
        server.extensions = ("AUTH PLAIN",)
        answer = answer_of(server, folder, "user:secret@")

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.AUTH)
    assert answer.code == int(reply[:3])
    assert "secret" not in answer.text


@pytest.mark.parametrize("act", [drop, hang])
def test_a_line_lost_during_login_is_not_now(server_with, folder, act):
    with server_with({"auth": act}) as server:
        server.extensions = ("AUTH PLAIN",)
        answer = answer_of(server, folder, "user:secret@")

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.AUTH)


def test_a_relay_without_a_login_we_know_is_not_now(server_with, folder):
    with server_with() as server:
        server.extensions = ("AUTH CRAM-MD5",)
        answer = answer_of(server, folder, "user:secret@")

    assert answer.outcome is Outcome.NOT_NOW
    assert "log in" in answer.text


def test_a_login_on_loopback_needs_no_encryption():
    with SmtpServer(extensions=("AUTH PLAIN",)) as server:
        address = address_of(server, "user:secret@", starttls="")
        with Relay(address, helo="news.example.org", limits=SHORT) as relay:
            [(_, answer)] = relay.hand_over([Message(1, "", "to@example.net", BODY)])

    assert answer.outcome is Outcome.ACCEPTED
    assert server.logins == [("user", "secret")]


def test_a_demanded_encryption_that_is_not_offered_sends_neither_password_nor_mail(folder):
    with SmtpServer(extensions=("AUTH PLAIN",)) as server:
        answer = answer_of(server, folder, "user:secret@")

    assert answer.outcome is Outcome.NOT_NOW
    assert "STARTTLS" in answer.text
    assert [line.split()[0] for line in server.commands] == ["EHLO"]


@pytest.mark.parametrize(
    "act",
    [say("454 4.7.0 no"), say("500 what"), say_and_drop("421 bye"), drop, hang, say("220 go")],
)
def test_a_starttls_that_fails_is_not_now(folder, act):
    """The last of these says yes and then talks on in the clear."""
    with SmtpServer({"starttls": act}, tls=serving(folder)) as server:
        answer = answer_of(server, folder)

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.TLS)
    assert server.messages == []


def test_a_handshake_that_never_ends_is_not_now(folder):
    def go_ahead_and_hang(session: Session) -> None:
        session.say("220 go")
        hang(session)

    with SmtpServer({"starttls": go_ahead_and_hang}, tls=serving(folder)) as server:
        answer = answer_of(server, folder)

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.TLS)
    assert "in time" in answer.text


# where the line is gone already, the standard library leaves closing to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_line_reset_on_the_way_into_encryption_is_not_now(folder):
    """Tried often, because the reset may be noticed at any step of the handshake."""

    def go_ahead_and_reset(session: Session) -> None:
        session.say("220 go")
        session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        drop(session)

    messages = [Message(key, "", "to@example.net", BODY) for key in range(8)]
    with (
        SmtpServer({"starttls": go_ahead_and_reset}, tls=serving(folder)) as server,
        Relay(
            address_of(server), helo="news.example.org", connections=8, tls=trusting(folder)
        ) as relay,
    ):
        for _ in range(10):
            answers = [answer for _, answer in relay.hand_over(messages)]
            assert {answer.outcome for answer in answers} == {Outcome.NOT_NOW}
            assert {answer.stage for answer in answers} == {Stage.TLS}


def test_words_injected_before_the_encryption_have_no_effect(folder):
    """Were they heard, the relay would seem to take no message of this size."""

    def inject(session: Session) -> None:
        session.socket.sendall(b"220 go\r\n250-evil\r\n250 SIZE 1\r\n")
        session.encrypt()

    with SmtpServer({"starttls": inject}, tls=serving(folder)) as server:
        answer = answer_of(server, folder)

    assert answer.outcome is Outcome.ACCEPTED
    assert [line.split()[0] for line in server.commands[:3]] == ["EHLO", "STARTTLS", "EHLO"]


@pytest.mark.parametrize(
    ("place", "act", "outcome"),
    [
        ("mail", drop, Outcome.NOT_NOW),
        ("rcpt", hang, Outcome.NOT_NOW),
        ("data", drop, Outcome.NOT_NOW),
        ("dot", drop, Outcome.IN_DOUBT),
        ("dot", hang, Outcome.IN_DOUBT),
        ("dot", say("451 4.3.0 later"), Outcome.NOT_NOW),
        ("dot", say("554 5.6.0 never"), Outcome.NEVER),
    ],
)
def test_a_broken_encrypted_line_is_told_like_any_other(server_with, folder, place, act, outcome):
    with server_with({place: act}) as server:
        assert answer_of(server, folder).outcome is outcome


@pytest.mark.parametrize("act", [drop, hang])
def test_an_encrypted_relay_that_stops_reading_has_not_got_the_dot(server_with, folder, act):
    with server_with({"body": act}) as server:
        answer = answer_of(server, folder, parts=HUGE)

    assert (answer.outcome, answer.stage) == (Outcome.NOT_NOW, Stage.DOT)


# Offered ahead of the mark


def messages(count: int, parts: tuple[bytes, ...] = BODY) -> list[Message]:
    return [Message(key, "", f"to{key}@example.net", parts) for key in range(1, count + 1)]


def relay_to(
    server: SmtpServer, folder: Path, connections: int = 1, limits: Limits = SHORT
) -> Relay:
    return Relay(
        address_of(server),
        helo="news.example.org",
        connections=connections,
        limits=limits,
        tls=trusting(folder),
    )


@pytest.mark.parametrize("parts", [BODY, HUGE], ids=["small", "huge"])
def test_encrypted_messages_follow_each_other_without_a_pause(server_with, folder, parts):
    count = 20 if parts is BODY else 3
    with server_with() as server, relay_to(server, folder, 2, Limits()) as relay:
        answers = send(relay, messages(count, parts))

    assert {answered.answer.outcome for answered in answers.values()} == {Outcome.ACCEPTED}
    assert sorted(one.recipient for one in server.messages) == sorted(
        one.recipient for one in messages(count)
    )
    assert {one.octets for one in server.messages} == {b"".join(parts)}
    assert server.connections == 2


def test_an_encrypted_mark_refused_after_354_lets_nothing_arrive(server_with, folder):
    with server_with() as server:
        with relay_to(server, folder) as relay:
            answers = send(relay, messages(3), refused={2})
        server.wait_for_hangups()

    assert sorted(answers) == [1, 3]
    assert [one.recipient for one in server.messages] == ["to1@example.net", "to3@example.net"]
    assert server.broken_off == [b""]


@pytest.mark.parametrize("act", [drop, hang])
def test_of_two_encrypted_messages_one_is_in_doubt_at_most(server_with, folder, act):
    with server_with({"dot": once(act)}) as server, relay_to(server, folder) as relay:
        answers = send(relay, messages(2))

    assert [answers[key].answer.outcome for key in (1, 2)] == [Outcome.IN_DOUBT, Outcome.NOT_NOW]
    assert [answers[key].was_cleared for key in (1, 2)] == [True, False]


def test_an_encrypted_relay_that_hangs_up_during_the_mark_has_not_got_the_message(
    server_with, folder
):
    with server_with({"body": drop}) as server, relay_to(server, folder) as relay:
        relay.offer(messages(1)[0])
        assert relay.wait(PATIENCE).ready == [1]
        server.wait_for_hangups()
        relay.clear([1])
        turn = relay.wait(PATIENCE)

    assert [one.answer.outcome for one in turn.answers] == [Outcome.NOT_NOW]
