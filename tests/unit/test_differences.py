"""What changed between two texts is told by the word, and both can be read from it."""

from hypothesis import given
from hypothesis import strategies as st

from newsletter.issues.differences import Kind, Piece, by_word

TEXTS = st.one_of(
    st.text(), st.lists(st.sampled_from(["one ", "two", "\n", ".", "درنة "])).map("".join)
)


def without(kind, pieces):
    return "".join(piece.text for piece in pieces if piece.kind is not kind)


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_from_what_changed(old, new):
    pieces = by_word(old, new)

    assert without(Kind.NEW, pieces) == old
    assert without(Kind.GONE, pieces) == new
    assert all(piece.text for piece in pieces)


def test_only_the_words_that_changed_are_marked():
    assert by_word("The road was closed.\nMore.", "The road is closed.\nMore.") == [
        Piece(Kind.SAME, "The road "),
        Piece(Kind.GONE, "was"),
        Piece(Kind.NEW, "is"),
        Piece(Kind.SAME, " closed.\nMore."),
    ]


def test_a_text_against_itself_or_nothing_has_no_difference_or_is_all_new():
    assert by_word("Same.", "Same.") == [Piece(Kind.SAME, "Same.")]
    assert by_word("", "New.") == [Piece(Kind.NEW, "New.")]
    assert by_word("", "") == []


def test_the_longest_articles_are_compared_without_keeping_anybody_waiting():
    old = "one two three. " * 13_000
    new = "\n".join(f"four {n}" for n in range(20_000))

    assert without(Kind.GONE, by_word(old, new)) == new
