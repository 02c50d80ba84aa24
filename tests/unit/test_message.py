"""A mail is composed once, and each reader's copy is right to the octet."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.links import TOKEN_LENGTH
from newsletter.mail.headers import BadLetter, Mailbox
from newsletter.mail.message import (
    MARKS,
    Hole,
    Letter,
    Mailing,
    Template,
    compose,
    date_header,
    find_mark,
)

HOME = "https://brief.example.org"
LEAVE = f"{HOME}/unsubscribe/{MARKS[Hole.UNSUBSCRIBE]}"
CHOOSE = f"{HOME}/ar/preferences/{MARKS[Hole.PREFERENCES]}"

MAILING = Mailing(
    name="The Libya Brief",
    list_id="brief.example.org",
    unsubscribe=(LEAVE, f"mailto:leave@example.org?subject={MARKS[Hole.UNSUBSCRIBE]}"),
    archive=f"{HOME}/issues/",
    owner="editors@example.org",
    feedback_id="87:brief:issue:example",
)
ENGLISH = "The blockade of the town entered its second month, and prices doubled.\n"
ARABIC = "دخل حصار المدينة شهره الثاني وتضاعفت الأسعار في السوق.\n"

READER = {
    Hole.RECIPIENT: b"reader@example.net",
    Hole.MESSAGE_ID: b"<abc.def@example.org>",
    Hole.DATE: date_header(datetime(2017, 8, 15, 6, 30, tzinfo=UTC)),
    Hole.UNSUBSCRIBE: b"u" * TOKEN_LENGTH,
    Hole.PREFERENCES: b"-_" * (TOKEN_LENGTH // 2),
    Hole.CONFIRM: b"c" * TOKEN_LENGTH,
}


def a_letter(text: str = ENGLISH, html: str | None = None, subject: str = "Derna") -> Letter:
    return Letter(
        subject=subject,
        sender=Mailbox("The Libya Brief", "brief@example.org"),
        text=text,
        html=html,
        public_url=HOME,
        mailing=MAILING,
    )


def text_with_links(words: str) -> str:
    return f"{words}\nLeave:\n{LEAVE}\n\nChoose:\n{CHOOSE}\n{words}"


def html_with_links(words: str) -> str:
    return f'<p>{words}</p><a class="x" href="{LEAVE}">Leave</a> {words} <p>{CHOOSE}</p>'


def filled(text: str, values: dict[Hole, bytes] = READER) -> str:
    for hole, mark in MARKS.items():
        text = text.replace(mark, values[hole].decode())
    return text


def parse(octets: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(octets)


def mail_of(letter: Letter) -> tuple[bytes, EmailMessage]:
    octets = b"".join(compose(letter).fill(READER))
    return octets, parse(octets)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def assert_fit_for_travel(octets: bytes) -> None:
    assert octets.endswith(b"\r\n")
    assert octets.isascii()
    assert b"\0" not in octets
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", octets), "a bare CR or LF"
    assert not re.search(rb"^\.", octets, re.MULTILINE), "a line begins with a dot"
    head, body = octets.split(b"\r\n\r\n", 1)
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76


def assert_no_defects(mail: EmailMessage) -> None:
    for one in mail.walk():
        assert one.defects == []
        for name in one.keys():  # noqa: SIM118 - a message is no mapping of its parts
            assert one[name].defects == (), name


# Words as an editor may write them: Latin, Arabic and mixed, dots and white space at every edge.
LETTERS = st.sampled_from(["a", "e", "é", "ا", "ل", "م", "ن", "=", ".", " ", "\n", "\t", "—", "😀"])
WORDS = st.one_of(
    st.text(LETTERS, max_size=400),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=200),
    st.integers(60, 90).map(lambda n: "." * n + " " * n + "\n.\n..\nFrom\n"),
)


@given(WORDS, WORDS)
def test_what_the_reader_sees_is_what_was_written_with_the_links_filled(one: str, two: str):
    text = text_with_links(one)
    html = html_with_links(two)

    octets, mail = mail_of(a_letter(text, html))

    assert_fit_for_travel(octets)
    assert_no_defects(mail)
    seen = re.sub(r" +(?=\nhttps:)", "", part(mail, "plain"))
    assert seen.removesuffix("\n") == re.sub(r" +(?=\nhttps:)", "", filled(text)).removesuffix("\n")
    assert without_white_space(part(mail, "html")) == without_white_space(filled(html))


def without_white_space(text: str) -> str:
    return "".join(text.split())


@given(WORDS)
def test_a_mail_of_plain_text_alone_is_right_too(words: str):
    octets, mail = mail_of(a_letter(text_with_links(words)))

    assert_fit_for_travel(octets)
    assert_no_defects(mail)
    assert mail.get_content_type() == "text/plain"
    assert f"\n{filled(LEAVE)}\n" in part(mail, "plain")


@pytest.mark.parametrize(("words", "encoding"), [(ENGLISH, "quoted-printable"), (ARABIC, "base64")])
def test_each_part_takes_the_shorter_encoding(words: str, encoding: str):
    _, mail = mail_of(a_letter(text_with_links(words * 5), html_with_links(words * 5)))

    encodings = [one["Content-Transfer-Encoding"] for one in mail.iter_parts()]
    assert encodings == [encoding, encoding]
    assert f"\n{filled(CHOOSE)}\n" in part(mail, "plain")
    assert f'href="{filled(LEAVE)}"' in part(mail, "html")
    assert without_white_space(part(mail, "html")) == without_white_space(
        filled(html_with_links(words * 5))
    )


def test_an_issue_carries_the_headers_of_a_mailing():
    octets, mail = mail_of(a_letter())

    token = "u" * TOKEN_LENGTH
    assert mail["To"] == "reader@example.net"
    assert mail["From"] == "The Libya Brief <brief@example.org>"
    assert mail["Message-ID"] == "<abc.def@example.org>"
    assert mail["Date"].datetime == datetime(2017, 8, 15, 6, 30, tzinfo=UTC)
    assert mail["List-Id"] == "The Libya Brief <brief.example.org>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Archive"] == f"<{HOME}/issues/>"
    assert mail["List-Owner"] == "<mailto:editors@example.org>"
    assert mail["Feedback-ID"] == "87:brief:issue:example"
    assert mail["Precedence"] == "bulk"
    assert mail["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert "Auto-Submitted" not in mail
    assert (
        f"\r\nList-Unsubscribe: <{HOME}/unsubscribe/{token}>,\r\n"
        f" <mailto:leave@example.org?subject={token}>\r\n"
    ).encode() in octets


def test_a_notice_says_that_no_person_sent_it_and_names_no_list():
    letter = replace(a_letter(), mailing=None, reply_to=Mailbox("", "help@example.org"))

    _, mail = mail_of(letter)

    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Reply-To"] == "help@example.org"
    assert not [name for name in mail.keys() if name.startswith(("List-", "Precedence"))]  # noqa: SIM118


# What compose refuses in a header: control characters, line separators, half characters.
REFUSED = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800]))
LINE = st.text(st.characters(codec="utf-8", exclude_characters=REFUSED), max_size=300)


@given(LINE, LINE)
def test_subject_and_names_arrive_as_they_were_written(subject: str, name: str):
    letter = replace(a_letter(subject=subject), sender=Mailbox(name, "brief@example.org"))

    octets, mail = mail_of(letter)

    assert_fit_for_travel(octets)
    head = octets.split(b"\r\n\r\n")[0].decode()
    assert all(len(word) <= 75 for word in re.findall(r"=\?utf-8\?b\?\S*", head))
    assert all(len(line) <= 76 for line in head.split("\r\n") if "=?utf-8?b?" in line)
    if subject == subject.strip():
        assert mail["Subject"] == subject
    sender = mail["From"].addresses[0]
    assert sender.addr_spec == "brief@example.org"
    # the parser of addresses, unlike that of subjects, changes white space
    assert without_white_space(sender.display_name) == without_white_space(name)


def test_an_editor_who_types_an_encoded_word_gets_exactly_those_characters():
    _, mail = mail_of(a_letter(subject="=?utf-8?b?QmNjOg==?= in a subject"))

    assert mail["Subject"] == "=?utf-8?b?QmNjOg==?= in a subject"


INJECTIONS = [
    "x\r\nBcc: spy@example.net",
    "x\nBcc: spy@example.net",
    "x\rBcc: y",
    "x\0y",
    "x\u2028y",
]


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize(
    "change",
    [
        lambda letter, value: replace(letter, subject=value),
        lambda letter, value: replace(letter, sender=Mailbox(value, "a@example.org")),
        lambda letter, value: replace(letter, sender=Mailbox("A", f"a@example.org{value}")),
        lambda letter, value: replace(letter, reply_to=Mailbox(value, "a@example.org")),
        lambda letter, value: replace(letter, reply_to=Mailbox("", value)),
        lambda letter, value: in_mailing(letter, name=value),
        lambda letter, value: in_mailing(letter, list_id=value),
        lambda letter, value: in_mailing(letter, unsubscribe=(value,)),
        lambda letter, value: in_mailing(letter, archive=value),
        lambda letter, value: in_mailing(letter, owner=value),
        lambda letter, value: in_mailing(letter, feedback_id=value),
    ],
)
def test_no_header_lets_anything_be_injected(change, value: str):
    with pytest.raises(BadLetter):
        compose(change(a_letter(), value))


def in_mailing(letter: Letter, **changes: object) -> Letter:
    return replace(letter, mailing=replace(MAILING, **changes))  # type: ignore[arg-type] # by name


@pytest.mark.parametrize(
    "address", ["leser@bücher.example", "a b@example.org", "<a@b.example>", "a"]
)
def test_an_address_that_is_not_plain_ascii_is_refused(address: str):
    with pytest.raises(BadLetter):
        compose(replace(a_letter(), sender=Mailbox("A", address)))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("subject", MARKS[Hole.UNSUBSCRIBE]),
        ("text", f"See {LEAVE} for it\n"),
        ("text", f"See\nhttps://elsewhere.example/{MARKS[Hole.PREFERENCES]}\n"),
        ("html", f"<p>{MARKS[Hole.UNSUBSCRIBE]}</p>"),
        ("html", f'<a href="https://elsewhere.example/?t={MARKS[Hole.PREFERENCES]}">x</a>'),
        ("html", f'<a href="{LEAVE}/{MARKS[Hole.PREFERENCES]}">x</a>'),
        ("html", f'<a href="{LEAVE}.elsewhere.example">x</a>'),
    ],
)
def test_a_mark_outside_our_own_links_is_refused(field: str, words: str):
    letter = replace(a_letter(), html="<p></p>")

    with pytest.raises(BadLetter):
        compose(replace(letter, **{field: words}))  # type: ignore[arg-type] # by name


def test_a_mark_in_somebodys_words_is_found():
    assert find_mark(f"Look: {MARKS[Hole.PREFERENCES]}!") is Hole.PREFERENCES
    assert find_mark("unsubscribe-mark, preferences-mark") is None


@pytest.mark.parametrize("text", ["a\0b", "half a \ud83d character"])
def test_what_no_mail_can_carry_is_refused(text: str):
    with pytest.raises(BadLetter):
        compose(a_letter(text=text))


@pytest.mark.parametrize(
    ("hole", "value"),
    [
        (Hole.UNSUBSCRIBE, b"u" * (TOKEN_LENGTH - 1)),
        (Hole.UNSUBSCRIBE, b"u" * (TOKEN_LENGTH + 1)),
        (Hole.UNSUBSCRIBE, b"u" * (TOKEN_LENGTH - 1) + b"="),
        (Hole.UNSUBSCRIBE, b"u" * TOKEN_LENGTH + b"\n"),
        (Hole.RECIPIENT, b"a@example.org\r\nBcc: b@example.org"),
        (Hole.RECIPIENT, b"a@example.org, b@example.org"),
        (Hole.RECIPIENT, b"a@example.org\n"),
        (Hole.RECIPIENT, b""),
        (Hole.RECIPIENT, "قارئ@example.org\r\nBcc: b@example.org".encode()),
        (Hole.RECIPIENT, "قارئ@example.org, b@example.org".encode()),
        (Hole.RECIPIENT, "قارئ\u2028@example.org".encode()),
        (Hole.RECIPIENT, "gr\u0085ün@example.org".encode()),
        (Hole.RECIPIENT, "\u202eقارئ@example.org".encode()),
        (Hole.RECIPIENT, "leser@bücher.example".encode()),
        (Hole.RECIPIENT, "grün@example.org".encode("latin-1")),
        (Hole.RECIPIENT, "gr\ufffdn@example.org".encode()),
        (Hole.RECIPIENT, ("ق" * 33 + "@example.org").encode()),
        (Hole.MESSAGE_ID, "<ق@example.org>".encode()),
        (Hole.MESSAGE_ID, b"<a@b>\r\nX: y"),
        (Hole.MESSAGE_ID, b"a@b"),
        (Hole.DATE, b"Tue, 15 Aug 2017 06:30:00\r\n"),
    ],
)
def test_a_value_that_does_not_fit_its_hole_is_refused(hole: Hole, value: bytes):
    template = compose(a_letter(text_with_links(ENGLISH)))

    with pytest.raises(BadLetter):
        template.fill(READER | {hole: value})


@pytest.mark.parametrize(
    "address", ["قارئ@example.org", "grün@example.org", "ユーザー@xn--wgv71a.jp"]
)
def test_a_recipient_stands_in_the_header_as_it_is_and_the_rest_stays_ascii(address: str):
    template = compose(a_letter(text_with_links(ARABIC), html_with_links(ARABIC)))

    octets = b"".join(template.fill(READER | {Hole.RECIPIENT: address.encode()}))

    header = f"\r\nTo: {address}\r\n".encode()
    assert octets.count(header) == 1
    assert_fit_for_travel(octets.replace(header, b"\r\nTo: reader@example.net\r\n"))
    mail = parse(octets)
    assert mail["To"] == address
    del mail["To"]  # Python calls every letter beyond ASCII in it a defect
    assert_no_defects(mail)


@given(
    st.one_of(
        st.binary(max_size=80),
        st.text().map(lambda text: f"{text}@b.org".encode("utf-8", "surrogatepass")),
    )
)
def test_whatever_is_taken_for_a_recipient_stays_one_address_in_one_header(value: bytes):
    template = compose(a_letter())
    try:
        octets = b"".join(template.fill(READER | {Hole.RECIPIENT: value}))
    except BadLetter:
        return

    mail = parse(octets)
    assert mail.keys() == parse(b"".join(template.fill(READER))).keys()
    assert len(mail["To"].addresses) == 1
    assert mail["To"] == value.decode()
    assert len(f"To: {value.decode()}".splitlines()) == 1


def test_a_missing_value_is_refused():
    with pytest.raises(BadLetter):
        compose(a_letter()).fill({Hole.RECIPIENT: b"reader@example.net"})


def test_two_readers_share_every_static_buffer():
    template = compose(a_letter(text_with_links(ENGLISH), html_with_links(ARABIC * 20)))

    one = template.fill(READER)
    two = template.fill(READER | {Hole.RECIPIENT: b"other@example.net"})

    assert len(one) == 2 * len(template.segments) - 1
    assert all(mine is yours for mine, yours in zip(one[::2], two[::2], strict=True))


def test_a_template_comes_back_from_its_dump_and_knows_its_size():
    template = compose(a_letter(text_with_links(ENGLISH), html_with_links(ARABIC * 20)))

    assert Template.load(template.dump()) == template
    values = (READER[hole] for hole in (Hole.RECIPIENT, Hole.MESSAGE_ID, Hole.DATE))
    octets = b"".join(template.fill(READER))
    assert 0 <= len(octets) - sum(map(len, values)) - template.size < 100


def test_marks_are_as_long_as_tokens_and_survive_any_escaping():
    assert all(re.fullmatch(r"[a-z0-9-]{48}", mark) for mark in MARKS.values())
    assert len(set(MARKS.values())) == len(MARKS) == 3


def test_a_date_without_time_zone_is_refused():
    with pytest.raises(ValueError, match="aware"):
        date_header(datetime(2017, 8, 15))  # noqa: DTZ001 - that is the point
