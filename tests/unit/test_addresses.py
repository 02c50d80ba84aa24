"""Reading an address: what we accept, what we make of it, and how we say no."""

import string
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.addresses import Address, BadAddress, Flaw, parse_address

LOCAL_PARTS = st.text(string.ascii_letters + string.digits + "-_!#$%&'*+/=?^`{|}~", min_size=1)
LABELS = st.text(
    st.characters(codec="utf-8", categories=("Ll", "Lu", "Lo", "Nd", "Mn"), include_characters="-"),
    min_size=1,
    max_size=12,
)
ALMOST_ADDRESSES = st.one_of(
    st.text(),
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
    ("text", "folded"),
    [
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
        ("قارئ@example.org", Flaw.NOT_ASCII),
        ("jürgen@example.org", Flaw.NOT_ASCII),
        ("\u212a@example.org", Flaw.NOT_ASCII),
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
    assert all("!" <= letter <= "~" for letter in address.smtp)
    assert len(address.smtp) <= 254
    assert address.smtp.endswith("@" + address.domain)
