"""Signed links."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.links import TOKEN_LENGTH, BrokenLink, Links, Purpose, Signer

OLD, NEW = "an old key that is long enough to sign", "a new key that is long enough to sign"
numbers = st.integers(min_value=0, max_value=2**48 - 1)


@given(st.sampled_from(Purpose), numbers, numbers)
def test_a_token_says_what_was_signed_and_has_always_the_same_length(purpose, first, second):
    links = Links([NEW])
    token = links.token(purpose, first, second)

    assert links.read(purpose, token) == (first, second)
    assert len(token) == TOKEN_LENGTH


def test_a_token_outlives_its_key_as_long_as_the_key_is_kept():
    token = Links([OLD]).token(Purpose.UNSUBSCRIBE, 7, 87)

    assert Links([NEW, OLD]).read(Purpose.UNSUBSCRIBE, token) == (7, 87)
    with pytest.raises(BrokenLink):
        Links([NEW]).read(Purpose.UNSUBSCRIBE, token)


def test_the_first_key_signs():
    assert Links([NEW, OLD]).token(Purpose.CONFIRM, 1) == Links([NEW]).token(Purpose.CONFIRM, 1)


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.PREFERENCES])
def test_a_token_for_one_purpose_is_nothing_for_another(purpose):
    links = Links([NEW])
    token = links.token(Purpose.UNSUBSCRIBE, 7, 87)

    with pytest.raises(BrokenLink):
        links.read(purpose, token)


@given(st.text(max_size=80))
def test_whatever_was_never_signed_is_refused(token):
    with pytest.raises(BrokenLink):
        Links([NEW]).read(Purpose.CONFIRM, token)


@given(st.integers(0, TOKEN_LENGTH - 1), st.characters())
def test_a_token_with_one_other_character_is_refused(place, character):
    links = Links([NEW])
    token = links.token(Purpose.UNSUBSCRIBE, 7, 87)
    forged = token[:place] + character + token[place + 1 :]

    if forged != token:
        with pytest.raises(BrokenLink):
            links.read(Purpose.UNSUBSCRIBE, forged)


def test_a_token_in_the_other_alphabet_of_base64_is_refused():
    links = Links([NEW])
    token = next(token for n in range(99) if "-" in (token := links.token(Purpose.UNSUBSCRIBE, n)))

    with pytest.raises(BrokenLink):
        links.read(Purpose.UNSUBSCRIBE, token.replace("-", "+"))


@given(st.integers(0, TOKEN_LENGTH - 1))
def test_a_truncated_token_is_refused(length):
    links = Links([NEW])
    with pytest.raises(BrokenLink):
        links.read(Purpose.UNSUBSCRIBE, links.token(Purpose.UNSUBSCRIBE, 7, 87)[:length])


@given(st.binary(max_size=64), st.binary())
def test_what_is_signed_is_signed_as_the_standard_says(key, data):
    assert Signer(key).sign(data) == hmac.digest(key, data, "sha256")


def test_a_key_too_long_to_be_worked_in_is_refused():
    with pytest.raises(ValueError, match="longer"):
        Signer(b"x" * 65)
