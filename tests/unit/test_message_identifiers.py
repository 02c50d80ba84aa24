"""Message-ID and envelope sender: the same for every attempt, and nobody else can make them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.identifiers import MessageIds, VerpSenders, read_verp_sender, verp_sender

KEY, OLD_KEY = b"k" * 32, b"o" * 32


@given(st.integers(0, 2**63 - 1))
def test_an_envelope_sender_leads_back_to_its_delivery_even_in_capitals(delivery_id: int):
    local_part, domain = verp_sender(OLD_KEY, delivery_id, "bounce.example.org").split("@")

    assert domain == "bounce.example.org"
    assert len(local_part) <= 64
    assert read_verp_sender([KEY, OLD_KEY], local_part.upper()) == delivery_id
    assert read_verp_sender([KEY], local_part) is None


@given(st.text())
def test_no_other_local_part_is_taken_for_ours(text: str):
    assert read_verp_sender([KEY], text) is None


def test_the_signature_of_one_delivery_does_not_open_another():
    signature = verp_sender(KEY, 7, "example.org").split("@")[0].split("-")[2]

    assert read_verp_sender([KEY], f"b-7-{signature}") == 7
    assert read_verp_sender([KEY], f"b-8-{signature}") is None


def test_a_message_id_is_the_same_every_time_and_differs_by_delivery_and_key():
    first = MessageIds(KEY, "example.org").of(7)

    assert re.fullmatch(rb"<[0-9a-f]{40}@example\.org>", first)
    assert MessageIds(KEY, "example.org").of(7) == first
    others = [MessageIds(KEY, "example.org").of(8), MessageIds(OLD_KEY, "example.org").of(7)]
    assert len({first, *others}) == 3


@pytest.mark.parametrize("domain", ["", "exa mple.org", "example.org\r\nBcc: x", "bücher.example"])
def test_a_domain_that_breaks_a_header_is_refused(domain: str):
    with pytest.raises(ValueError, match="domain"):
        MessageIds(KEY, domain)
    with pytest.raises(ValueError, match="domain"):
        VerpSenders(KEY, domain)
