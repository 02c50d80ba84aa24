"""What a reader sees of a text that was found."""

from hypothesis import given
from hypothesis import strategies as st

from newsletter.issues.folding import words
from newsletter.issues.snippets import LENGTH, mark, snippet

FILLER = "Nobody was hurt and nothing was taken in the quiet week before. " * 20


def shown(pieces):
    return "".join(f"[{piece.text}]" if piece.is_found else piece.text for piece in pieces)


def test_words_are_marked_as_they_were_written():
    assert shown(mark("The Coast, the coast's ROAD", [("coast",)])) == (
        "The [Coast], the [coast]'s ROAD"
    )


def test_vowel_signs_are_marked_with_their_word():
    assert shown(mark("هذا كِتَابٌ جديد", [("كتاب",)])) == "هذا [كِتَابٌ] جديد"


def test_a_phrase_is_marked_as_a_whole_and_only_where_its_words_stand_together():
    assert shown(mark("South-west of the south, not west", [("south", "west")])) == (
        "[South-west] of the south, not west"
    )


def test_a_longer_phrase_goes_before_a_word_in_it():
    assert shown(mark("the coast road", [("coast",), ("coast", "road")])) == "the [coast road]"


def test_a_ligature_that_holds_several_words_is_marked_once():
    assert shown(mark("ﷺ", [("الله",), ("وسلم",)])) == "[ﷺ]"


def test_a_short_text_is_shown_whole():
    assert shown(snippet("A quiet\n\tweek.", [("week",)])) == "A quiet [week]."


def test_a_snippet_begins_a_little_before_what_was_found_and_breaks_no_word():
    text = shown(snippet(FILLER + "A logbook was opened. " + FILLER, [("logbook",)]))

    assert text.startswith("… ")
    assert text.endswith(" …")
    assert "A [logbook] was opened." in text
    assert set(words(text)) <= set(words(FILLER + "A logbook was opened."))


def test_the_stretch_with_the_most_different_words_is_shown():
    text = "The coast was calm. " + FILLER + "On the coast a road was closed. " + FILLER

    assert "On the [coast] a [road] was closed" in shown(snippet(text, [("coast",), ("road",)]))


def test_without_a_place_in_the_text_its_beginning_is_shown():
    assert shown(snippet(FILLER, [("logbook",)])).startswith("Nobody was hurt")


terms = st.lists(
    st.lists(st.sampled_from(["a", "b", "كتاب", "صلي", "الله"]), min_size=1, max_size=3).map(tuple),
    max_size=4,
)
texts = st.lists(st.sampled_from(["a", "B", "a-b", "كِتاب", "ﷺ", "x" * 300, "\n", "é", "<b>"])).map(
    " ".join
) | st.text(max_size=600)


@given(texts, terms)
def test_marking_loses_and_adds_nothing(text, terms):
    assert "".join(piece.text for piece in mark(text, terms)) == text


@given(texts, terms)
def test_a_snippet_is_a_short_part_of_the_text(text, terms):
    text = " ".join(text.split())
    pieces = snippet(text, terms)

    cut = "".join(piece.text for piece in pieces).removeprefix("… ").removesuffix(" …")
    assert cut in text
    longest = max((len(piece.text) for piece in pieces if piece.is_found), default=0)
    assert len(cut) <= max(LENGTH, longest) + longest + 60
    assert all(piece.text for piece in pieces)
