"""Reading an address: what we accept, what we make of it, and how we say no."""

import string
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.addresses import Address, BadAddress, Flaw, parse_address
from newsletter.mail.international import may_travel
from newsletter.mail.smtp_answers import Message

LOCAL_PARTS = st.text(string.ascii_letters + string.digits + "-_!#$%&'*+/=?^`{|}~", min_size=1)
LABELS = st.text(
    st.characters(codec="utf-8", categories=("Ll", "Lu", "Lo", "Nd", "Mn"), include_characters="-"),
    min_size=1,
    max_size=12,
)
INTERNATIONAL_LOCAL_PARTS = st.text(
    st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S")), min_size=1, max_size=20
)
ALMOST_ADDRESSES = st.one_of(
    st.text(),
    st.builds("{}@{}.test".format, INTERNATIONAL_LOCAL_PARTS, LABELS),
    st.builds("{}@example.org".format, INTERNATIONAL_LOCAL_PARTS),
    st.builds("{}@{}.{}".format, LOCAL_PARTS, LABELS, st.sampled_from(["test", "ORG", "de", "рф"])),
    st.builds("{}@{}".format, st.text(), st.text()),
    st.text('aZ.@+-[]"<>,; \t\r\n\0\u200bäم。\u202e@xn--', max_size=40),
)


def flaw_of(text: str) -> Flaw:
    with pytest.raises(BadAddress) as refusal:
        parse_address(text)
    assert str(refusal.value) == refusal.value.flaw.value
    return refusal.value.flaw


def test_an_address_keeps_its_spelling_and_has_one_key():
    assert parse_address("  Layla.Haddad+News@Example.ORG\n") == Address(
        text="Layla.Haddad+News@example.org",
        key="layla.haddad+news@example.org",
        smtp="Layla.Haddad+News@example.org",
        domain="example.org",
    )


def test_a_domain_in_its_own_script_is_shown_so_and_sent_as_ascii():
    address = parse_address("leser@Bücher.example")

    assert address.text == "leser@bücher.example"
    assert address.smtp == "leser@xn--bcher-kva.example"
    assert address == parse_address("leser@XN--BCHER-KVA.example")


def test_an_arabic_domain_is_accepted():
    assert parse_address("reader@مثال.test").smtp == "reader@xn--mgbh0fb.test"


def test_the_sharp_s_stays_a_domain_of_its_own():
    assert parse_address("a@faß.de").domain == "xn--fa-hia.de"
    assert parse_address("a@faß.de").key != parse_address("a@fass.de").key


@pytest.mark.parametrize(
    ("composed", "decomposed"),
    [("a@b\u00fccher.test", "a@bu\u0308cher.test"), ("a@x.test", "a@x\u3002test")],
)
def test_two_ways_to_encode_a_domain_have_one_key(composed, decomposed):
    assert parse_address(composed).key == parse_address(decomposed).key


@pytest.mark.parametrize(
    ("text", "smtp", "key"),
    [
        ("قارئ@example.org", "قارئ@example.org", "قارئ@example.org"),
        ("Grün@Example.org", "Grün@example.org", "grün@example.org"),
        ("GRU\u0308N@example.org", "GRÜN@example.org", "grün@example.org"),
        ("ЧИТАТЕЛЬ@пример.рф", "ЧИТАТЕЛЬ@xn--e1afmkfd.xn--p1ai", "читатель@xn--e1afmkfd.xn--p1ai"),
        ("用户+tag@bücher.example", "用户+tag@xn--bcher-kva.example", None),
        ("पाठक.हिन्दी@example.org", "पाठक.हिन्दी@example.org", None),
        ("น้ำ@example.org", "น้ำ@example.org", None),
        ("\u212a@example.org", "K@example.org", "k@example.org"),
    ],
)
def test_before_the_at_any_letters_travel_as_they_are_and_have_one_key(text, smtp, key):
    address = parse_address(text)

    assert address.smtp == smtp
    assert address.key == (key or smtp)
    assert parse_address(address.smtp) == address


@pytest.mark.parametrize(
    "others",
    [
        ("straße@x.test", "strasse@x.test"),
        ("ﬁ@x.test", "fi@x.test"),
        ("ſmith@x.test", "smith@x.test"),
        ("ｇ@x.test", "g@x.test"),
        ("ıd@x.test", "id@x.test", "İd@x.test"),
        ("gruen@x.test", "grün@x.test", "grun@x.test"),
    ],
)
def test_letters_that_only_look_or_sound_alike_are_different_mailboxes(others):
    assert len({parse_address(text).key for text in others}) == len(others)


@given(st.characters(exclude_characters=string.printable))
def test_no_letter_beyond_ascii_has_the_key_of_another_letter_in_ascii(letter):
    try:
        address = parse_address(f"{letter}@example.org")
    except BadAddress:
        return

    assert address.key.isascii() == address.smtp.isascii()
    assert address.key == parse_address(address.key).key


def test_a_part_of_64_octets_is_as_long_as_it_may_be():
    assert parse_address("ق" * 32 + "@example.org").smtp == "ق" * 32 + "@example.org"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("grün+news@example.org", "grün@example.org"),
        ("N.a.m.e+one@gmail.com", "name@gmail.com"),
        ("name@GoogleMail.com", "name@gmail.com"),
        ("n.ame+two@example.org", "n.ame@example.org"),
        ("+tag@example.org", "+tag@example.org"),
    ],
)
def test_for_counting_only_tags_and_the_dots_of_gmail_are_dropped(text, folded):
    assert parse_address(text).folded == folded


@pytest.mark.parametrize("text", ["a@x.test", "o'hara@x.example", "a_b-c@sub.x.org", "1@x.org"])
def test_ordinary_addresses_are_accepted_as_they_are(text):
    assert parse_address(text).text == text


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", Flaw.EMPTY),
        (" \t\n", Flaw.EMPTY),
        ("name", Flaw.NO_AT),
        ("@example.org", Flaw.NO_LOCAL_PART),
        ("name@", Flaw.NO_DOMAIN),
        ("name@one@two.org", Flaw.TWO_AT),
        ("a" * 65 + "@example.org", Flaw.TOO_LONG),
        ("a@" + "b." * 130 + "org", Flaw.TOO_LONG),
        ("name@example.org\r\nBcc: other@example.org", Flaw.INVISIBLE),
        ("na\0me@example.org", Flaw.INVISIBLE),
        ("name@exam\u202eple.org", Flaw.INVISIBLE),
        ("name@exam\ud800ple.org", Flaw.INVISIBLE),
        ("a@example.org, b@example.org", Flaw.SEVERAL),
        ("a@example.org b@example.org", Flaw.SEVERAL),
        ("Name <name@example.org>", Flaw.NAMED),
        ('"na me"@example.org', Flaw.QUOTED),
        ('"name"@example.org', Flaw.QUOTED),
        ("ق" * 33 + "@example.org", Flaw.TOO_LONG),
        ("ق" * 32 + "@" + "b" * 63 + "." + "b" * 63 + "." + "b" * 63 + ".org", Flaw.TOO_LONG),
        ("gr\u00adün@example.org", Flaw.INVISIBLE),
        ("gr\u200bün@example.org", Flaw.INVISIBLE),
        ("\u202eقارئ@example.org", Flaw.INVISIBLE),
        ("\u2066قارئ\u2069@example.org", Flaw.INVISIBLE),
        ("می\u200cخواهم@example.org", Flaw.INVISIBLE),
        ("gr\u0085ün@example.org", Flaw.INVISIBLE),
        ("gr\u2028ün@example.org", Flaw.INVISIBLE),
        ("gr\u3164ün@example.org", Flaw.INVISIBLE),
        ("grün\ufe0f@example.org", Flaw.INVISIBLE),
        ("gr\u00a0ün@example.org", Flaw.SPACE),
        ("gr\u3000ün@example.org", Flaw.SPACE),
        ("grün@example.org، قارئ@example.org", Flaw.SEVERAL),
        ("Grün <grün@example.org>", Flaw.NAMED),
        ("grün.@example.org", Flaw.BAD_LOCAL_PART),
        ("gr(ü)n@example.org", Flaw.BAD_LOCAL_PART),
        ("gr\u037eün@example.org", Flaw.BAD_LOCAL_PART),
        ("\u0308grun@example.org", Flaw.BAD_LOCAL_PART),
        ("gr.\u0308un@example.org", Flaw.BAD_LOCAL_PART),
        ("gr\ue000n@example.org", Flaw.BAD_LOCAL_PART),
        ("gr\ufffdn@example.org", Flaw.BAD_LOCAL_PART),
        ("gr\U000e0fffün@example.org", Flaw.BAD_LOCAL_PART),
        ("grün＠example.org", Flaw.NO_AT),
        ("قارئ@exam_ple.org", Flaw.BAD_DOMAIN),
        ("na me@example.org", Flaw.SPACE),
        ("name.@example.org", Flaw.BAD_LOCAL_PART),
        ("na..me@example.org", Flaw.BAD_LOCAL_PART),
        ("na(me)@example.org", Flaw.BAD_LOCAL_PART),
        ("name@[192.0.2.1]", Flaw.DOMAIN_LITERAL),
        ("name@[IPv6:2001:db8::1]", Flaw.DOMAIN_LITERAL),
        ("a@b", Flaw.NO_DOT),
        ("name@localhost", Flaw.NO_DOT),
        ("name@test", Flaw.NO_DOT),
        ("name@mail.localhost", Flaw.BAD_DOMAIN),
        ("name@example.invalid", Flaw.BAD_DOMAIN),
        ("name@192.0.2.1", Flaw.BAD_DOMAIN),
        ("name@example..org", Flaw.BAD_DOMAIN),
        ("name@-example.org", Flaw.BAD_DOMAIN),
        ("name@exam_ple.org", Flaw.BAD_DOMAIN),
        ("name@xn--zzzzzz999.de", Flaw.BAD_DOMAIN),
        ("name@" + "b" * 64 + ".org", Flaw.BAD_DOMAIN),
        ("name@\u3002test", Flaw.BAD_DOMAIN),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text, flaw):
    assert flaw_of(text) is flaw


@pytest.mark.parametrize("monster", ["a@" * 10_000_000, " " * 20_000_000 + "a@x.test"])
def test_a_monstrous_input_is_refused_without_a_copy(monster):
    tracemalloc.start()
    try:
        assert flaw_of(monster) is Flaw.TOO_LONG
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(ALMOST_ADDRESSES)
def test_whatever_is_typed_is_an_address_or_a_bad_one(text):
    try:
        address = parse_address(text)
    except BadAddress:
        return

    assert parse_address(address.text) == address
    assert parse_address(address.key).key == address.key
    assert parse_address(address.smtp) == address
    assert address.smtp.isprintable()
    assert not set(address.smtp) & set(' "(),:;<>[\\]')
    assert len(address.smtp.encode()) <= 254
    assert address.smtp.endswith("@" + address.domain)
    assert address.domain.isascii()


@given(ALMOST_ADDRESSES)
def test_whatever_is_accepted_fits_into_an_envelope_and_a_header(text):
    try:
        address = parse_address(text)
    except BadAddress:
        return

    assert Message(1, "b@example.org", address.smtp, (b"\r\n",)).recipient == address.smtp
    assert may_travel(address.smtp)
