"""What reads the same is found the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.issues.folding import LONGEST_WORD, places, words

LIKE_A_QUERY_LANGUAGE = set("'\"\\|&!:*()<>%_^-+ABCDEFGHIJKLMNOPQRSTUVWXYZ\0\t\n ")


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("libya", "LIBYA"),
        ("strasse", "Straße"),
        ("istanbul", "İstanbul"),
        ("Hamas", "Ḥamās"),
        ("fine", "ﬁne"),
        ("كتاب", "كِتَابٌ"),
        ("كتاب", "كـتـاب"),
        ("هذا", "هٰذا"),
        ("ايمان", "إيمان"),
        ("احمد", "أحمد"),
        ("اسيا", "آسيا"),
        ("الله", "ٱللّٰه"),
        ("الله", "ﷲ"),
        ("علي", "على"),
        ("علي", "علی"),
        ("مدرسه", "مدرسة"),
        ("كابول", "کابول"),
        ("ساحل", "الساحل"),
        ("ساحل", "والسّاحل"),
        ("ساحل", "للساحل"),
        ("87", "٨٧"),
        ("87", "۸۷"),
        ("cooperation", "coopera\u00adtion"),
    ],
)
def test_two_spellings_of_one_word_are_the_same(typed, written):
    assert words(typed) == words(written)
    assert len(words(typed)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("كتاب", "كتب"),
        ("الله", "له"),
        ("والد", "د"),
        ("が", "か"),
        ("हिंदू", "हिंदी"),
    ],
)
def test_two_words_are_not_the_same(one, other):
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("… — \"'()* \0 \ufe0f ـ", []),
        ("Libya's south-west, the U.S.", ["libya", "s", "south", "west", "the", "u", "s"]),
        ("سرت، بنغازي؟", ["سرت", "بنغازي"]),
        ("1½ ﷺ", ["11", "2", "صلي", "الله", "عليه", "وسلم"]),
        ("a\u200bb x_y", ["a", "b", "x", "y"]),
    ],
)
def test_a_text_falls_into_its_words(text, expected):
    assert words(text) == expected


@given(st.text() | st.text("وفبكالس"))
def test_folding_twice_changes_nothing(text):
    once = words(text)

    assert words(" ".join(once)) == once


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_how_a_program_composes_letters_makes_no_difference(text, form):
    assert words(unicodedata.normalize(form, text)) == words(unicodedata.normalize("NFD", text))


@given(st.text())
def test_a_word_holds_nothing_that_a_query_language_knows(text):
    for word in words(text):
        assert 0 < len(word) <= LONGEST_WORD
        assert not LIKE_A_QUERY_LANGUAGE & set(word)


@given(st.text())
def test_every_word_knows_the_part_of_the_text_it_was_made_from(text):
    found = list(places(text))

    for word, start, end in found:
        assert word in words(text[start:end])
    assert [start for _, start, _ in found] == sorted(start for _, start, _ in found)
