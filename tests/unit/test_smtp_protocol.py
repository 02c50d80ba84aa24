"""The conversation with a relay, fed with bytes: right order, and a defined answer to anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.smtp_address import RelayAddress, Tls
from newsletter.mail.smtp_answers import Answer, Message, Outcome, Stage, Turn
from newsletter.mail.smtp_protocol import Conversation

PLAIN = RelayAddress.parse("smtp://127.0.0.1")
ANY = RelayAddress.parse("smtp://relay.example")
SECURED = RelayAddress.parse("smtp://user:secret@relay.example")
BODY = b"Subject: x\r\n\r\nText.\r\n"
OK = b"250 ok\r\n"
GO_AHEAD = b"354 go\r\n"
READY = OK + OK + GO_AHEAD


def a_message(key: int = 1) -> Message:
    return Message(key, "from@example.org", f"to{key}@example.net", (BODY,))


def envelope(key: int = 1) -> bytes:
    return b"MAIL FROM:<from@example.org>\r\nRCPT TO:<to%d@example.net>\r\nDATA\r\n" % key


class Talk(Conversation):
    """A conversation on a wire that takes everything."""

    def __init__(self, address: RelayAddress) -> None:
        self.turn = Turn([], [])
        super().__init__(address, "news.example.org", self.turn)

    def said(self) -> bytes:
        """Take all that is to be written, as if it had left."""
        self.pump()
        octets = b"".join(self.outgoing)
        self.written(len(octets))
        return octets

    def news(self) -> Turn:
        return self.turn

    @property
    def answers(self) -> dict[int, Answer]:
        return {key: answer for key, answer, _ in self.turn.answers}

    @property
    def outcomes(self) -> dict[int, Outcome]:
        return {key: answer.outcome for key, answer, _ in self.turn.answers}


def opened(address: RelayAddress, *extensions: str) -> Talk:
    """A conversation up to the reply to EHLO."""
    talk = Talk(address)
    talk.connected()
    talk.receive(b"220 hello\r\n")
    assert talk.said() == b"EHLO news.example.org\r\n"
    talk.receive(b"250-relay\r\n" + b"".join(b"250-%s\r\n" % e.encode() for e in extensions))
    talk.receive(b"250 HELP\r\n")
    return talk


def ready(*extensions: str) -> Talk:
    """A conversation up to 354."""
    talk = opened(PLAIN, *extensions)
    talk.offer(a_message())
    for reply in (OK, OK, GO_AHEAD):
        talk.said()
        talk.receive(reply)
    assert talk.turn.ready == [1]
    return talk


def test_without_pipelining_every_command_waits_for_its_reply():
    talk = opened(PLAIN)
    talk.offer(a_message())

    assert talk.said() == b"MAIL FROM:<from@example.org>\r\n"
    talk.receive(OK)
    assert talk.said() == b"RCPT TO:<to1@example.net>\r\n"
    talk.receive(OK)
    assert talk.said() == b"DATA\r\n"
    talk.receive(GO_AHEAD)
    assert talk.news() == ([], [1])
    talk.clear()
    talk.offer(a_message(2))
    assert talk.said() == BODY + b".\r\n"
    talk.receive(b"250 taken\r\n")
    assert talk.turn.answers == [(1, Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250), True)]
    assert talk.said() == b"MAIL FROM:<from@example.org>\r\n"


def test_no_octet_of_a_body_leaves_before_it_is_cleared():
    talk = ready("PIPELINING")

    assert talk.said() == b""
    talk.clear()
    assert talk.said() == BODY + b".\r\n"


def test_only_what_is_ready_can_be_cleared():
    talk = opened(PLAIN, "PIPELINING")
    with pytest.raises(ValueError, match="ready"):
        talk.clear()
    talk.offer(a_message())
    talk.said()
    talk.receive(OK + OK)
    with pytest.raises(ValueError, match="ready"):
        talk.clear()


def test_a_dot_and_the_next_envelope_share_a_group():
    talk = ready("PIPELINING")
    talk.clear()
    talk.offer(a_message(2))

    assert talk.said() == BODY + b".\r\n" + envelope(2)
    talk.receive(b"250 taken\r\n" + READY)
    assert talk.outcomes == {1: Outcome.ACCEPTED}
    assert talk.turn.ready == [1, 2]
    talk.clear()
    assert talk.said() == BODY + b".\r\n"
    talk.lose("gone")
    assert talk.outcomes == {1: Outcome.ACCEPTED, 2: Outcome.IN_DOUBT}


def test_a_third_message_has_no_room():
    talk = ready("PIPELINING")
    with pytest.raises(ValueError, match="room"):
        talk.offer(a_message(2))
    talk.clear()
    talk.offer(a_message(2))
    with pytest.raises(ValueError, match="room"):
        talk.offer(a_message(3))


def test_of_two_messages_on_a_lost_line_only_the_one_with_its_dot_out_is_in_doubt():
    talk = ready("PIPELINING")
    talk.clear()
    talk.offer(a_message(2))
    talk.said()
    talk.lose("gone")

    assert talk.turn.answers == [
        (1, Answer(Outcome.IN_DOUBT, Stage.DOT, "gone"), True),
        (2, Answer(Outcome.NOT_NOW, Stage.MAIL, "gone"), False),
    ]


def test_a_421_to_the_dot_leaves_nobody_in_doubt():
    talk = ready("PIPELINING")
    talk.clear()
    talk.offer(a_message(2))
    talk.said()
    talk.receive(b"421 4.3.2 bye\r\n")

    assert talk.outcomes == {1: Outcome.NOT_NOW, 2: Outcome.NOT_NOW}
    assert (talk.answers[1].code, talk.answers[2].code) == (421, None)


def test_a_message_that_is_ready_when_the_server_leaves_is_not_ready_any_more():
    talk = ready("PIPELINING")
    talk.receive(b"421 4.4.2 too slow\r\n")

    assert talk.news() == (
        [
            (
                1,
                Answer(
                    Outcome.NOT_NOW,
                    Stage.DATA,
                    "too slow",
                    421,
                    "4.4.2",
                ),
                False,
            )
        ],
        [],
    )


def test_a_refused_message_is_forgotten_before_the_next_begins():
    talk = opened(PLAIN, "PIPELINING")
    talk.offer(a_message(1))
    talk.said()

    talk.receive(b"250 ok\r\n550 5.1.1 nobody\r\n")
    assert talk.answers == {}
    talk.receive(b"554 no recipient\r\n")
    assert talk.answers[1] == Answer(Outcome.NEVER, Stage.RCPT, "nobody", 550, "5.1.1")
    talk.offer(a_message(2))
    assert talk.said() == b"RSET\r\n" + envelope(2)


def test_a_lone_dot_needs_no_clearance_and_never_means_sent():
    talk = opened(PLAIN, "PIPELINING")
    talk.offer(a_message(1))
    talk.said()
    talk.receive(b"250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n")
    talk.offer(a_message(2))

    assert talk.said() == b".\r\n" + envelope(2)
    assert talk.news() == ([], [])
    talk.receive(b"250 taken, strangely\r\n" + READY)
    assert talk.news() == (
        [(1, Answer(Outcome.NEVER, Stage.RCPT, "nobody", 550, "5.1.1"), False)],
        [2],
    )


def test_no_empty_message_goes_to_a_recipient_whom_the_server_took():
    talk = opened(PLAIN, "PIPELINING")
    talk.offer(a_message(1))
    talk.said()
    talk.receive(b"451 4.7.1 slow down\r\n250 ok\r\n354 go\r\n")

    assert talk.said() == b""
    assert talk.is_over
    assert talk.answers == {1: Answer(Outcome.NOT_NOW, Stage.MAIL, "slow down", 451, "4.7.1")}


# Taken back


def test_a_message_that_nobody_spoke_of_is_simply_forgotten():
    talk = opened(PLAIN, "PIPELINING")
    talk.offer(a_message())
    talk.withdraw(1)

    assert talk.said() == b""
    assert talk.is_idle


@pytest.mark.parametrize("replies", [b"", OK, OK + OK])
def test_a_message_withdrawn_after_data_closes_the_connection_at_354(replies):
    talk = opened(PLAIN, "PIPELINING")
    talk.offer(a_message())
    talk.said()
    talk.receive(replies)
    talk.withdraw(1)
    talk.receive(READY[len(replies) :])
    assert talk.is_over
    assert talk.news() == ([], [])
    assert talk.said() == b""


def test_a_message_withdrawn_when_it_is_ready_closes_the_connection():
    talk = ready("PIPELINING")
    talk.withdraw(1)

    assert talk.is_over
    assert talk.news() == ([], [])
    assert talk.said() == b""


def test_a_withdrawn_message_that_is_refused_costs_no_connection():
    talk = opened(PLAIN, "PIPELINING")
    talk.offer(a_message())
    talk.said()
    talk.withdraw(1)
    talk.receive(b"250 ok\r\n550 nobody\r\n554 nothing to send\r\n")

    assert talk.said() == b"RSET\r\n"
    assert talk.news() == ([], [])
    assert talk.is_idle


def test_without_pipelining_a_withdrawn_message_is_reset():
    talk = opened(PLAIN)
    talk.offer(a_message())
    talk.said()
    talk.withdraw(1)
    talk.receive(OK)

    assert talk.said() == b"RSET\r\n"
    assert talk.is_idle
    assert talk.news() == ([], [])


def test_behind_a_dot_a_message_is_withdrawn_without_spoiling_the_answer_before():
    talk = ready("PIPELINING")
    talk.clear()
    talk.offer(a_message(2))
    talk.said()
    talk.withdraw(2)
    talk.receive(b"250 taken\r\n" + READY)

    assert talk.outcomes == {1: Outcome.ACCEPTED}
    assert talk.is_over


def test_a_message_withdrawn_while_its_lone_dot_leaves_gets_no_answer():
    talk = opened(PLAIN, "PIPELINING")
    talk.offer(a_message(1))
    talk.said()
    talk.receive(b"250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n")
    talk.withdraw(1)
    talk.said()
    talk.receive(b"554 nobody\r\n")

    assert talk.news() == ([], [])
    assert talk.is_idle


# Dead when it was needed


def used() -> Talk:
    talk = ready("PIPELINING")
    talk.clear()
    talk.said()
    return talk


@pytest.mark.parametrize("end", ["close", "421"])
@pytest.mark.parametrize("is_behind_a_dot", [True, False])
def test_what_a_server_that_left_never_heard_of_may_go_to_another_connection(end, is_behind_a_dot):
    talk = used()
    if not is_behind_a_dot:
        talk.receive(OK)
    talk.offer(a_message(2))
    talk.said()
    if is_behind_a_dot:
        talk.receive(OK)
    if end == "close":
        talk.lose("gone")
    else:
        talk.receive(b"421 enough\r\n")

    assert talk.outcomes == {1: Outcome.ACCEPTED}
    assert talk.unheard == a_message(2)


@pytest.mark.parametrize("replies", [b"", OK + OK, OK + b"450 wait\r\n", OK + b"354 go\r\n"])
def test_in_any_other_case_it_has_its_answer(replies):
    """The line is lost: with a dot out, after a reply to MAIL, or after a refusal."""
    talk = used()
    talk.offer(a_message(2))
    talk.said()
    talk.receive(replies)
    talk.lose("gone")

    assert talk.unheard is None
    assert talk.outcomes[2] is Outcome.NOT_NOW


def test_a_server_that_is_silent_is_not_asked_again():
    talk = used()
    talk.receive(OK)
    talk.offer(a_message(2))
    talk.said()
    talk.give_up("too slow")

    assert talk.unheard is None
    assert talk.outcomes[2] is Outcome.NOT_NOW


# How far the dot has come


@pytest.mark.parametrize("written", range(len(BODY) + 4))
def test_doubt_begins_with_the_first_octet_of_the_dot(written):
    talk = ready()
    talk.clear()

    talk.written(written)
    assert talk.dot_can_have_left == (written > len(BODY))
    assert b"".join(talk.outgoing) == (BODY + b".\r\n")[written:]
    talk.lose("gone")

    assert talk.outcomes == {1: Outcome.IN_DOUBT if written > len(BODY) else Outcome.NOT_NOW}


def test_what_may_have_left_counts_as_left_for_doubt_but_not_for_an_answer():
    talk = ready()
    talk.clear()
    talk.reached(len(BODY) + 3)
    talk.receive(b"250 taken\r\n")

    assert talk.outcomes == {1: Outcome.IN_DOUBT}
    assert talk.is_over


# Encryption and login


def test_words_before_encryption_are_forgotten():
    talk = opened(ANY, "STARTTLS", "SIZE 1")
    assert talk.said() == b"STARTTLS\r\n"
    talk.receive(b"220 go\r\n250-evil\r\n250 SIZE 1\r\n354 ")
    assert talk.wants_tls
    talk.secured()
    assert talk.said() == b"EHLO news.example.org\r\n"
    talk.receive(b"250 relay\r\n")
    talk.offer(a_message())
    assert talk.said() == b"MAIL FROM:<from@example.org>\r\n"


def test_encryption_that_is_only_offered_may_be_refused():
    talk = opened(ANY, "STARTTLS")
    talk.said()
    talk.receive(b"454 not now\r\n")
    talk.offer(a_message())
    assert talk.said().startswith(b"MAIL")


def test_a_password_is_not_said_without_encryption():
    talk = Talk(SECURED)
    talk.offer(a_message())
    talk.connected()
    talk.receive(b"220 hello\r\n")
    talk.said()
    talk.receive(b"250-relay\r\n250 AUTH PLAIN LOGIN\r\n")

    assert talk.said() == b""
    assert (talk.answers[1].outcome, talk.is_over) == (Outcome.NOT_NOW, True)


def test_a_password_is_not_said_even_when_encryption_was_only_hoped_for():
    hoping = RelayAddress("relay.example", 25, Tls.IF_OFFERED, user="user", password="secret")
    talk = opened(hoping, "AUTH PLAIN")

    assert talk.said() == b""
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
    talk.offer(a_message())
    talk.said()
    talk.receive(words.encode() + b"\r\n")

    answer = talk.answers[1]
    assert (answer.outcome, answer.code, answer.status) == (Outcome.NEVER, 550, status)


@pytest.mark.parametrize("words", [b"250-more\r\n", b"2", b"250-" + b"x" * 3000])
def test_a_reply_without_end_is_not_waited_for(words):
    talk = Talk(PLAIN)
    talk.connected()
    for _ in range(3000):
        talk.receive(words)

    assert talk.is_over


@pytest.mark.parametrize("part", ["sender", "recipient"])
@pytest.mark.parametrize("address", ["a@b\r\nRSET", "a b@c", "a@b>", "<a@b", "a@ü.b", "a@b\0"])
@pytest.mark.parametrize("letters", ["", "قارئ"])
def test_no_envelope_address_can_become_a_command(part, address, letters):
    envelope = {"sender": "a@example.org", "recipient": "b@example.org"} | {part: letters + address}

    with pytest.raises(ValueError, match="envelope"):
        Message(1, **envelope, parts=(BODY,))


def test_a_sender_is_plain_ascii():
    with pytest.raises(ValueError, match="envelope"):
        Message(1, "ü@example.org", "b@example.org", (BODY,))


SIGNS = st.one_of(
    st.characters(),
    st.sampled_from('\r\n\0\x85\u2028\u2029\u00a0\u202e\u2066\u200b<>@ :;,"\\\ud800'),
)


@given(st.one_of(st.text(SIGNS, max_size=40), st.builds("ق{}@b.org".format, st.text(SIGNS))))
def test_whatever_is_taken_for_a_recipient_stays_one_word_of_one_command(recipient):
    try:
        message = Message(1, "a@example.org", recipient, (BODY,))
    except ValueError:
        return
    talk = opened(PLAIN, "PIPELINING", "SMTPUTF8")
    talk.offer(message)

    mail, rcpt, data, end = talk.said().decode().split("\r\n")
    assert mail.startswith("MAIL FROM:<a@example.org>")
    assert (rcpt, data, end) == (f"RCPT TO:<{recipient}>", "DATA", "")
    assert len(f"{mail} {rcpt}".splitlines()) == 1
    assert len(rcpt.split()) == 2
    assert rcpt.isprintable()


def to_arabic(key: int = 1) -> Message:
    return Message(key, "from@example.org", "قارئ@example.net", (BODY,))


ARABIC_MAIL = b"MAIL FROM:<from@example.org> BODY=8BITMIME SMTPUTF8\r\n"
ARABIC_RCPT = "RCPT TO:<قارئ@example.net>\r\n".encode()
NO_UTF8_HERE = Answer(
    Outcome.NEVER,
    Stage.MAIL,
    "The relay does not take addresses with letters like these (SMTPUTF8).",
    status="5.6.7",
)


def test_letters_beyond_ascii_are_announced_for_the_message_that_needs_them_alone():
    talk = opened(PLAIN, "PIPELINING", "SMTPUTF8", "8BITMIME")
    talk.offer(to_arabic(1))
    assert talk.said() == ARABIC_MAIL + ARABIC_RCPT + b"DATA\r\n"
    talk.receive(READY)
    talk.clear()
    talk.offer(a_message(2))

    assert talk.said() == BODY + b".\r\n" + envelope(2)


def test_a_size_is_told_before_it():
    talk = opened(PLAIN, "SIZE 1000", "SMTPUTF8")
    talk.offer(to_arabic())

    size = b"SIZE=%d" % len(BODY)
    assert talk.said() == b"MAIL FROM:<from@example.org> " + size + b" BODY=8BITMIME SMTPUTF8\r\n"


def test_without_pipelining_letters_beyond_ascii_go_line_by_line():
    talk = opened(PLAIN, "SMTPUTF8")
    talk.offer(to_arabic())

    assert talk.said() == ARABIC_MAIL
    talk.receive(OK)
    assert talk.said() == ARABIC_RCPT
    talk.receive(OK)
    assert talk.said() == b"DATA\r\n"


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), ("PIPELINING", "8BITMIME")])
def test_where_it_is_not_offered_that_message_alone_fails_without_a_word_to_the_server(extensions):
    talk = ready(*extensions)
    talk.clear()
    talk.said()
    talk.offer(to_arabic(2))

    assert talk.said() == b""
    assert talk.turn.answers == [(2, NO_UTF8_HERE, False)]
    talk.offer(a_message(3))
    talk.said()
    talk.receive(b"250 taken\r\n")
    assert talk.outcomes == {2: Outcome.NEVER, 1: Outcome.ACCEPTED}
    for reply in (OK, OK, GO_AHEAD):
        talk.said()
        talk.receive(reply)
    assert talk.turn.ready == [1, 3]


def test_what_was_offered_before_encryption_counts_no_longer():
    talk = opened(ANY, "STARTTLS", "SMTPUTF8")
    talk.said()
    talk.receive(b"220 go\r\n")
    talk.secured()
    talk.said()
    talk.receive(b"250 relay\r\n")
    talk.offer(to_arabic())

    assert talk.said() == b""
    assert talk.answers == {1: NO_UTF8_HERE}


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


ADDRESSES = [PLAIN, ANY, SECURED, RelayAddress.parse("smtps://relay.example")]
OPENING = b"220 hello\r\n250-relay\r\n250 PIPELINING\r\n"
GOOD = st.sampled_from(
    [
        OK,
        READY,
        OK + READY,
        GO_AHEAD,
        b"250 ok\r\n550 no\r\n354 go\r\n",
        b"450 no\r\n250 ok\r\n354 go\r\n",
    ]
)
EVENTS = st.one_of(
    st.tuples(st.just("hear"), st.lists(GOOD, min_size=1, max_size=1)),
    st.tuples(st.just("hear"), CHUNKS),
    st.tuples(st.just("write"), st.integers(0, 200)),
    st.tuples(st.just("write"), st.just(10_000)),
    st.tuples(st.sampled_from(["offer", "clear", "encrypt", "lose"])),
    st.tuples(st.just("withdraw"), st.integers(0, 1)),
)


class Wire:
    """Both ends of a line, and what the caller and the relay can know of each message."""

    def __init__(self, address: RelayAddress) -> None:
        self.talk = Talk(address)
        self.octets = b""
        self.offered: list[int] = []
        self.cleared: list[int] = []
        self.withdrawn: list[int] = []

    @property
    def answered(self) -> list[int]:
        return [key for key, _, _ in self.talk.turn.answers]

    @property
    def uncleared(self) -> list[int]:
        over = {*self.cleared, *self.withdrawn, *self.answered}
        return [key for key in self.offered if key not in over]

    @property
    def ready(self) -> list[int]:
        return [key for key in self.talk.turn.ready if key in self.uncleared]

    def hear(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self.talk.receive(chunk)

    def write(self, octets: int) -> None:
        self.talk.pump()
        leaving = b"".join(self.talk.outgoing)[:octets]
        self.octets += leaving
        self.talk.written(len(leaving))

    def offer(self) -> None:
        if self.talk.has_room:
            self.offered.append(len(self.offered) + 1)
            self.talk.offer(distinct(self.offered[-1]))

    def clear(self) -> None:
        if self.ready:
            self.cleared += self.ready
            self.talk.clear()

    def withdraw(self, which: int) -> None:
        if which < len(self.uncleared) and not self.talk.is_over:
            self.withdrawn.append(self.uncleared[which])
            self.talk.withdraw(self.withdrawn[-1])

    def encrypt(self) -> None:
        if self.talk.wants_tls:
            self.talk.secured()

    def lose(self) -> None:
        self.talk.lose("gone")


def distinct(key: int) -> Message:
    return Message(key, "a@example.org", f"to{key}@example.net", (b"Body of %d.\r\n" % key,))


def dot_left(wire: bytes, key: int) -> bool:
    """Whether any of a dot left behind a body."""
    return b"Body of %d.\r\n." % key in wire


@given(st.sampled_from(ADDRESSES), st.booleans(), st.lists(EVENTS, max_size=40))
def test_whatever_happens_every_message_gets_one_true_answer(address, is_opened, events):
    wire = Wire(address)
    wire.offer()
    wire.talk.connected()
    if is_opened:
        wire.hear([OPENING])
    for event, *arguments in events:
        getattr(wire, event)(*arguments)
        assert len([key for key in wire.cleared if key not in wire.answered]) <= 1
        for key in wire.offered:
            assert key in wire.cleared or b"Body of %d." % key not in wire.octets
    wire.talk.lose("gone")

    unheard = [wire.talk.unheard.key] if wire.talk.unheard else []
    expected = [key for key in wire.offered if key not in wire.withdrawn]
    assert sorted(wire.answered + unheard) == expected
    for key, answer, was_cleared in wire.talk.turn.answers:
        assert was_cleared == (key in wire.cleared)
        if answer.outcome in (Outcome.ACCEPTED, Outcome.IN_DOUBT):
            assert was_cleared
            assert dot_left(wire.octets, key)
        if answer.outcome is Outcome.NOT_NOW and answer.code is None:
            assert not dot_left(wire.octets, key)
    assert wire.ready == []
    assert wire.talk.is_over
    assert not wire.talk.is_idle
    assert not wire.talk.has_room


@given(st.integers(1, 40))
def test_replies_may_come_in_pieces_of_any_size(size):
    talk = Talk(PLAIN)
    talk.offer(a_message())
    talk.connected()
    for reply in (
        b"220-welcome\r\n220 hello\r\n",
        b"250-relay\r\n250 HELP\r\n",
        *[b"250 2.1.0 ok\r\n"] * 2,
        b"354 go\r\n",
        b"250 2.0.0 taken\r\n",
    ):
        talk.said()
        for start in range(0, len(reply), size):
            talk.receive(reply[start : start + size])
        if talk.turn.ready and talk.has_room is False and reply == GO_AHEAD:
            talk.clear()

    assert talk.answers[1] == Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250, "2.0.0")
