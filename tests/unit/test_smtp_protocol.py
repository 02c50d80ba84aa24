"""The conversation with a relay, fed with bytes: right order, and a defined answer to anything."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.smtp_address import RelayAddress, Tls
from newsletter.mail.smtp_answers import Answer, Message, Outcome, Stage
from newsletter.mail.smtp_protocol import Conversation

PLAIN = RelayAddress.parse("smtp://127.0.0.1")
ANY = RelayAddress.parse("smtp://relay.example")
SECURED = RelayAddress.parse("smtp://user:secret@relay.example")
BODY = b"Subject: x\r\n\r\nText.\r\n"


def a_message(key: int = 1) -> Message:
    return Message(key, "from@example.org", f"to{key}@example.net", (BODY,))


def opened(address: RelayAddress, *extensions: str) -> Conversation:
    """A conversation up to the reply to EHLO."""
    talk = Conversation(address, "news.example.org")
    talk.connected()
    talk.receive(b"220 hello\r\n")
    assert said(talk) == b"EHLO news.example.org\r\n"
    talk.receive(b"250-relay\r\n" + b"".join(b"250-%s\r\n" % e.encode() for e in extensions))
    talk.receive(b"250 HELP\r\n")
    return talk


def said(talk: Conversation) -> bytes:
    """Take all that is to be written, as if it had left."""
    octets = b"".join(talk.outgoing)
    talk.written(len(octets))
    return octets


def answers(talk: Conversation) -> dict[int, Answer]:
    return dict(talk.answers)


def test_without_pipelining_every_command_waits_for_its_reply():
    talk = opened(PLAIN)
    talk.begin(a_message())

    assert said(talk) == b"MAIL FROM:<from@example.org>\r\n"
    talk.receive(b"250 ok\r\n")
    assert said(talk) == b"RCPT TO:<to1@example.net>\r\n"
    talk.receive(b"250 ok\r\n")
    assert said(talk) == b"DATA\r\n"
    talk.receive(b"354 go\r\n")
    assert said(talk) == BODY + b".\r\n"
    talk.receive(b"250 taken\r\n")
    assert talk.is_idle
    assert answers(talk)[1].outcome is Outcome.ACCEPTED


def test_with_pipelining_a_message_goes_in_two_groups():
    talk = opened(PLAIN, "PIPELINING")
    talk.begin(a_message())

    assert said(talk) == (b"MAIL FROM:<from@example.org>\r\nRCPT TO:<to1@example.net>\r\nDATA\r\n")
    talk.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert said(talk) == BODY + b".\r\n"


def test_a_dot_and_the_next_envelope_may_share_a_group():
    talk = opened(PLAIN, "PIPELINING")
    talk.begin(a_message(1))
    talk.begin(a_message(2))
    said(talk)

    talk.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert said(talk) == (
        BODY + b".\r\nMAIL FROM:<from@example.org>\r\nRCPT TO:<to2@example.net>\r\nDATA\r\n"
    )
    talk.receive(b"250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert said(talk) == BODY + b".\r\n"
    talk.lose("gone")
    assert {key: answer.outcome for key, answer in talk.answers} == {
        1: Outcome.ACCEPTED,
        2: Outcome.IN_DOUBT,
    }


def test_a_refused_message_is_forgotten_before_the_next_begins():
    talk = opened(PLAIN, "PIPELINING")
    talk.begin(a_message(1))
    said(talk)

    talk.receive(b"250 ok\r\n550 5.1.1 nobody\r\n")
    assert answers(talk) == {}
    talk.receive(b"554 no recipient\r\n")
    assert answers(talk)[1] == Answer(Outcome.NEVER, Stage.RCPT, "nobody", 550, "5.1.1")
    talk.begin(a_message(2))
    assert said(talk).startswith(b"RSET\r\nMAIL FROM:")


@pytest.mark.parametrize("written", range(len(BODY) + 4))
def test_doubt_begins_with_the_first_octet_of_the_dot(written):
    talk = opened(PLAIN)
    talk.begin(a_message())
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        said(talk)
        talk.receive(reply)

    talk.written(written)
    assert talk.dot_can_have_left == (written > len(BODY))
    assert b"".join(talk.outgoing) == (BODY + b".\r\n")[written:]
    talk.lose("gone")

    [(_, answer)] = talk.answers
    assert answer.outcome is (Outcome.IN_DOUBT if written > len(BODY) else Outcome.NOT_NOW)


def test_what_may_have_left_counts_as_left_for_doubt_but_not_for_an_answer():
    talk = opened(PLAIN)
    talk.begin(a_message())
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        said(talk)
        talk.receive(reply)

    talk.reached(len(BODY) + 3)
    talk.receive(b"250 taken\r\n")

    [(_, answer)] = talk.answers
    assert answer.outcome is Outcome.IN_DOUBT
    assert talk.is_over


def test_words_before_encryption_are_forgotten():
    talk = opened(ANY, "STARTTLS", "SIZE 1")
    assert said(talk) == b"STARTTLS\r\n"
    talk.receive(b"220 go\r\n250-evil\r\n250 SIZE 1\r\n354 ")
    assert talk.wants_tls
    talk.secured()
    assert said(talk) == b"EHLO news.example.org\r\n"
    talk.receive(b"250 relay\r\n")
    talk.begin(a_message())
    assert said(talk) == b"MAIL FROM:<from@example.org>\r\n"


def test_encryption_that_is_only_offered_may_be_refused():
    talk = opened(ANY, "STARTTLS")
    said(talk)
    talk.receive(b"454 not now\r\n")
    talk.begin(a_message())
    assert said(talk).startswith(b"MAIL")


def test_a_password_is_not_said_without_encryption():
    talk = Conversation(SECURED, "news.example.org")
    talk.begin(a_message())
    talk.connected()
    talk.receive(b"220 hello\r\n")
    said(talk)
    talk.receive(b"250-relay\r\n250 AUTH PLAIN LOGIN\r\n")

    assert said(talk) == b""
    [(_, answer)] = talk.answers
    assert (answer.outcome, talk.is_over) == (Outcome.NOT_NOW, True)


def test_a_password_is_not_said_even_when_encryption_was_only_hoped_for():
    hoping = RelayAddress("relay.example", 25, Tls.IF_OFFERED, user="user", password="secret")
    talk = opened(hoping, "AUTH PLAIN")

    assert said(talk) == b""
    assert talk.is_over


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("550 5.1.1 nobody", "5.1.1"),
        ("550 4.1.1 nobody", None),
        ("550 nobody", None),
        ("550", None),
        ("550 5.1.1", "5.1.1"),
        ("550 5.1.1nobody", None),
    ],
)
def test_an_enhanced_status_counts_where_it_agrees_with_the_code(words, status):
    talk = opened(PLAIN)
    talk.begin(a_message())
    talk.receive(words.encode() + b"\r\n")

    answer = answers(talk)[1]
    assert (answer.outcome, answer.code, answer.status) == (Outcome.NEVER, 550, status)


@pytest.mark.parametrize("words", [b"250-more\r\n", b"2", b"250-" + b"x" * 3000])
def test_a_reply_without_end_is_not_waited_for(words):
    talk = Conversation(PLAIN, "news.example.org")
    talk.connected()
    for _ in range(3000):
        talk.receive(words)

    assert talk.is_over


@pytest.mark.parametrize("part", ["sender", "recipient"])
@pytest.mark.parametrize("address", ["a@b\r\nRSET", "a b@c", "a@b>", "<a@b", "ü@b", "a@b\0"])
def test_no_envelope_address_can_become_a_command(part, address):
    envelope = {"sender": "a@example.org", "recipient": "b@example.org"} | {part: address}

    with pytest.raises(ValueError, match="envelope"):
        Message(1, **envelope, parts=(BODY,))


def test_a_bounce_may_have_no_sender_but_a_message_ends_with_crlf():
    assert Message(1, "", "b@example.org", (BODY,)).size == len(BODY)
    with pytest.raises(ValueError, match="CRLF"):
        Message(1, "", "b@example.org", (BODY, b"x"))
    with pytest.raises(ValueError, match="CRLF"):
        Message(1, "", "b@example.org", ())


# Whatever a relay says

REPLIES = [
    *(b"220 hello", b"250 ok", b"250-more", b"250 PIPELINING", b"250-STARTTLS", b"250 STARTTLS"),
    *(b"250 AUTH PLAIN LOGIN", b"250-AUTH LOGIN", b"235 in", b"334 go", b"354 go", b"421 bye"),
    *(b"450 4.2.0 later", b"550 5.1.1 no", b"100 hm", b"250 SIZE 5", b"250-PIPELINING", b"221 bye"),
]
LINES = st.sampled_from(REPLIES).map(lambda line: line + b"\r\n")
CHUNKS = st.lists(st.one_of(LINES, st.binary(max_size=20), LINES, LINES), max_size=25)


@given(
    st.sampled_from([PLAIN, ANY, SECURED, RelayAddress.parse("smtps://relay.example")]),
    CHUNKS,
    st.lists(st.integers(0, 200), min_size=25, max_size=25),
)
def test_whatever_a_relay_says_every_message_gets_one_true_answer(address, chunks, written):
    talk = Conversation(address, "news.example.org")
    talk.begin(a_message(1))
    talk.begin(a_message(2))
    talk.connected()
    has_left = play(talk, zip(chunks, written, strict=False))
    talk.lose("gone")

    given_answers = list(talk.answers)
    assert sorted(key for key, _ in given_answers) == [1, 2]
    for key, answer in given_answers:
        if answer.outcome in (Outcome.ACCEPTED, Outcome.IN_DOUBT):
            assert has_left[key]
    assert talk.is_over
    assert not talk.is_idle
    assert not talk.outgoing


def play(talk: Conversation, events: Iterable[tuple[bytes, int]]) -> dict[int, bool]:
    """Let the server speak and the wire carry; tell which messages left with their dot."""
    wire = b""
    for chunk, octets in events:
        if talk.wants_tls:
            talk.secured()
        leaving = b"".join(talk.outgoing)[:octets]
        wire += leaving
        talk.written(len(leaving))
        talk.receive(chunk)
    bodies = wire.split(BODY)
    return {
        key: any(
            b"<to%d@" % key in envelope and dot.startswith(b".")
            for envelope, dot in pairwise(bodies)
        )
        for key in (1, 2)
    }


@given(st.integers(1, 40))
def test_replies_may_come_in_pieces_of_any_size(size):
    talk = Conversation(PLAIN, "news.example.org")
    talk.begin(a_message())
    talk.connected()
    for reply in (
        b"220-welcome\r\n220 hello\r\n",
        b"250-relay\r\n250 HELP\r\n",
        *[b"250 2.1.0 ok\r\n"] * 2,
        b"354 go\r\n",
        b"250 2.0.0 taken\r\n",
    ):
        said(talk)
        for start in range(0, len(reply), size):
            talk.receive(reply[start : start + size])

    assert answers(talk)[1] == Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250, "2.0.0")
