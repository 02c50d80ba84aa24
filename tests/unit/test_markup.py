"""An editor's Markdown: safe and well-formed HTML, text that reads well, and clear bounds."""

import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mjml import mjml2html

from newsletter.issues.markdown import LONGEST_ARTICLE, UnreadableMarkup
from newsletter.issues.markup import to_html, to_text

OWN = "https://weekly.example"
URL = "https://archive.example/2017/08/a-report-with-a-very-long-name/and-a-page/number-12345678"
SIGNS = [
    *"[]()*_`#>|<&\\{}^!",
    "![",
    "](",
    "[^a]",
    "[^a]: ",
    "**",
    "```",
    "~~~",
    "## ",
    "- ",
    "1. ",
]
BLANKS = [" ", "    ", "\t", "\n", "\n\n", "  \n", "---\n", "===\n", "|-|-|\n", "\r", "\r\n"]
HOSTILE = ["<script>", "javascript:alert(1)", "data:text/html,", "&#13;", "&#0;", "&lt;", "<b>"]
BROKEN = ["\0", "\x1b", "\u2028", "\u202e", "\uffff", "\ud800"]
WORDS = ["word", "كلمة", "שלום", "漢字", "e\u0301", "https://x.example", "mailto:a@x.example", "1"]
FRAGMENTS = st.sampled_from([*SIGNS, *BLANKS, *HOSTILE, *BROKEN, *WORDS])
MARKDOWN = st.one_of(st.text(), st.lists(FRAGMENTS, max_size=60).map("".join))


def html(markdown: str, direction="ltr", anchor="western-response") -> str:
    return to_html(markdown, anchor=anchor, direction=direction, images_under=OWN)


def in_a_mail(fragment: str) -> str:
    """The fragment laid out by the MJML engine, which raises for what is not well-formed."""
    mail = mjml2html(
        "<mjml><mj-body><mj-section><mj-column><mj-text>"
        f"<i>begin</i>{fragment}<i>end</i>"
        "</mj-text></mj-column></mj-section></mj-body></mjml>",
        fonts={},
    )
    return mail.split("<i>begin</i>")[1].split("<i>end</i>")[0]


class Elements(HTMLParser):
    """All elements of a fragment with their attributes."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(fragment)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


ARTICLE = f"""
The road was *closed* again[^1], [the council said]({URL}).

## What follows

1. Fuel
2. Bread

| Town  | Litres |
|-------|-------:|
| Derna |  1,200 |
| سرت   |     30 |

![A map of the coast]({OWN}/map.png)

[^1]: By a decree of **Monday**.
"""


def test_an_article_becomes_the_html_that_its_editor_meant():
    assert html(ARTICLE) == (
        "<p>The road was <em>closed</em> again"
        '<sup><a href="#fn-western-response-1" id="fnref-western-response-1"'
        ' role="doc-noteref" rel="noreferrer">1</a></sup>,'
        f' <a href="{URL}" rel="noreferrer">the council said</a>.</p>\n'
        "<h3>What follows</h3>\n"
        "<ol>\n<li>Fuel</li>\n<li>Bread</li>\n</ol>\n"
        "<table>\n<thead>\n<tr>\n"
        '<th scope="col">Town</th>\n<th align="right" scope="col">Litres</th>\n'
        "</tr>\n</thead>\n<tbody>\n"
        '<tr>\n<td>Derna</td>\n<td align="right">1,200</td>\n</tr>\n'
        '<tr>\n<td dir="rtl">سرت</td>\n<td align="right">30</td>\n</tr>\n'
        "</tbody>\n</table>\n"
        f'<p><img src="{OWN}/map.png" alt="A map of the coast"></p>\n'
        '<hr>\n<ol>\n<li id="fn-western-response-1">\n'
        "<p>By a decree of <strong>Monday</strong>."
        ' <a href="#fnref-western-response-1" role="doc-backlink" rel="noreferrer">↩\ufe0e</a>'
        "</p>\n</li>\n</ol>\n"
    )


def test_an_article_becomes_text_that_reads_well():
    assert to_text(ARTICLE) == (
        "The road was closed again[1], the council said\n"
        f"<{URL}>.\n"
        "\n"
        "What follows\n"
        "------------\n"
        "\n"
        "1. Fuel\n"
        "2. Bread\n"
        "\n"
        "Town   Litres\n"
        "-----  ------\n"
        "Derna   1,200\n"
        "سرت        30\n"
        "\n"
        "[Image: A map of the coast]\n"
        "\n"
        "[1] By a decree of Monday."
    )


def test_the_mail_engine_takes_an_article_as_it_is():
    laid_out = in_a_mail(html(ARTICLE))

    assert Elements(laid_out).found == Elements(html(ARTICLE)).found


def test_headings_stand_below_the_headline_whatever_the_editor_chose():
    tags = re.findall(r"<(h\d)>", html("# A\n## B\n### C\n#### D\n##### E\n###### F\n"))

    assert tags == ["h3", "h3", "h4", "h5", "h6", "h6"]


def test_headings_go_down_one_step_at_a_time_whatever_the_editor_left_out():
    tags = re.findall(r"<(h\d)>", html("### A\n##### B\n### C\n## D\n#### E\n"))

    assert tags == ["h3", "h4", "h3", "h3", "h4"]


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt&colon;alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "![a](data:image/svg+xml;base64,PHN2Zz4=)",
        "[a](vbscript:x)",
        "[a](//elsewhere.example)",
        "[a](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "[a][b]\n\n[b]: javascript:alert(1)",
        '[a](https://x.example "\\" onmouseover=alert(1)")',
        "</p></div><b>",
        "a < b & c > d",
    ],
)
def test_nothing_that_editors_write_becomes_active(markdown):
    for tag, attributes in Elements(in_a_mail(html(markdown))).found:
        assert tag in {"p", "a"}
        assert re.match(r"https://x\.example$", attributes.get("href") or "https://x.example")
        assert set(attributes) <= {"href", "rel"}


def test_an_address_without_https_shows_as_it_was_typed():
    assert html("[report](www.archive.example)") == "<p>[report](www.archive.example)</p>\n"
    assert to_text("[report](www.archive.example)") == "[report](www.archive.example)"


@pytest.mark.parametrize(
    ("markdown", "target", "words"),
    [
        ("![A *map*](https://x.example/m.png)", "https://x.example/m.png", "A map"),
        ("![](https://x.example/m.png)", "https://x.example/m.png", "https://x.example/m.png"),
        ("[![A map](https://x.example/m.png)](https://y.example)", "https://y.example", "A map"),
        (f"![Map]({OWN}.x.example/m.png)", f"{OWN}.x.example/m.png", "Map"),
    ],
)
def test_an_image_from_elsewhere_is_linked_to_and_never_loaded(markdown, target, words):
    assert html(markdown) == f'<p><a href="{target}" rel="noreferrer">{words}</a></p>\n'


@pytest.mark.parametrize(
    ("markdown", "direction", "expected"),
    [
        ("«قال» and more", "ltr", '<p dir="rtl">'),
        ("«قال» and more", "rtl", "<p>"),
        ("Derna: درنة", "rtl", '<p dir="ltr">'),
        ("1,200 (!) **درنة**", "ltr", '<p dir="rtl">'),
        ("### درنة", "ltr", '<h3 dir="rtl">'),
        ("> درنة", "ltr", '<blockquote dir="rtl">\n<p>'),
        ("- درنة\n- Derna", "ltr", '<ul dir="rtl">\n<li>درنة</li>\n<li dir="ltr">Derna'),
        ("- Derna\n- درنة", "ltr", '<ul>\n<li>Derna</li>\n<li dir="rtl">درنة'),
        ("[درنة](https://x.example)", "ltr", '<p dir="rtl">'),
        ("2017", "rtl", "<p>"),
    ],
)
def test_what_begins_in_the_other_direction_says_so(markdown, direction, expected):
    assert expected in html(markdown, direction)
    assert html(markdown, direction).count("dir=") == expected.count("dir=")


def test_a_note_mentioned_twice_leads_back_to_both_places():
    found = Elements(html("One[^n] and two[^n].\n\n[^n]: Note.")).found
    ids = {attributes["id"] for _, attributes in found if "id" in attributes}
    targets = {a["href"] for _, a in found if "href" in a}

    assert targets == {f"#{identity}" for identity in ids}
    assert len(ids) == 3


def test_notes_of_two_articles_do_not_meet():
    markdown = "One[^n].\n\n[^n]: Note."
    first, second = (
        {attributes.get("id") for _, attributes in Elements(html(markdown, anchor=anchor)).found}
        for anchor in ("isis-in-action", "western-response")
    )

    assert first & second == {None}


def test_lists_and_quotations_hang_and_wrap_at_72_columns():
    markdown = (
        "- " + "word " * 20 + "\n\n  1. " + "inner " * 15 + "\n- second\n\n"
        "> " + "quoted " * 15 + "\n>\n> again\n\n"
        "9. nine\n10. ten\n"
    )

    assert to_text(markdown) == (
        "- word word word word word word word word word word word word word word\n"
        "  word word word word word word\n"
        "\n"
        "  1. inner inner inner inner inner inner inner inner inner inner inner\n"
        "     inner inner inner inner\n"
        "\n"
        "- second\n"
        "\n"
        "> quoted quoted quoted quoted quoted quoted quoted quoted quoted quoted\n"
        "> quoted quoted quoted quoted quoted\n"
        ">\n"
        "> again\n"
        "\n"
        " 9. nine\n"
        "10. ten"
    )


def test_a_table_too_wide_for_a_mail_is_read_row_by_row():
    wide = "the road to the harbour was closed and opened again in the same night"
    markdown = f"| Town | What happened | |\n|-|-|-|\n| Derna | {wide} | a |\n| Sirte | calm | |\n"

    assert to_text(markdown) == (
        "Town: Derna\n"
        "What happened: the road to the harbour was closed and opened again in\n"
        "  the same night\n"
        "a\n"
        "\n"
        "Town: Sirte\n"
        "What happened: calm"
    )


def test_columns_stay_in_line_under_wide_letters_and_vowel_signs():
    assert to_text("|a|b|\n|-|-|\n|漢字|x|\n|مَدِينَة|x|\n|e\u0301|x|\n") == (
        "a      b\n-----  -\n漢字   x\nمَدِينَة  x\ne\u0301      x"
    )


def test_an_address_is_never_broken_and_code_stays_as_it_is():
    text = to_text(f"{'word ' * 13}[here]({URL}) <{URL}>\n\n```\n{'x  ' * 40}\n```")

    assert text.count(f"<{URL}>") == 2
    assert f"    {'x  ' * 40}".rstrip() in text


def test_text_names_images_in_the_language_of_the_article():
    assert to_text(f"![خريطة]({OWN}/m.png)", image="صورة") == "[صورة: خريطة]"


@pytest.mark.parametrize(
    ("markdown", "line"),
    [
        ("fine\n\n" + "> " * 1000 + "deep", 3),
        ("- " * 1000 + "deep", 1),
        ("\n".join("  " * depth + "- item" for depth in range(300)), 25),
        ("fine\n\n" + "[" * 1000, 3),
        ("![" * 1000 + "](https://x.example)" * 1000, 1),
        ("*a **b " * 200 + "b** a*" * 200, 1),
        ("a" * (LONGEST_ARTICLE + 1), 1),
        ("[x]" * 3000 + "\n\n[x]: https://x.example/" + "y" * 1900, 1),
        ("a[^1]\n\n[^1]: one\n\n    [^2]: two\n", 5),
    ],
)
@pytest.mark.parametrize("write", [html, to_text])
def test_what_is_out_of_bounds_is_refused_with_its_line(markdown, line, write):
    with pytest.raises(UnreadableMarkup) as refusal:
        write(markdown)

    assert refusal.value.line == line


def test_the_deepest_article_that_we_accept_goes_through_the_mail_engine():
    deepest = "> " * 48 + "*a* ![m](https://weekly.example/m.png)"

    assert in_a_mail(html(deepest)).count("<blockquote>") == 48
    assert to_text(deepest).startswith("> " * 48 + "a")


@pytest.mark.parametrize(
    "pattern",
    [
        *("[", "![", "*", "``", "```", "<", "[a](", "[a](<b", "](", "[]", "&", "|", "\\", "-", ">"),
        *("#", "[^a]", "x", "*a ", "**a _b ", "a`b``", "|\n", "> a\n", "- a\n", "a|b\n-|-\n"),
        *("[a]: b\n", "[^a]: b\n\n", "a[^a]\n\n[^a]: b\n\n", "~~~\n", "x\n", "# a\n"),
        *("![a](https://x.example)", "https://x.example "),
    ],
)
@pytest.mark.parametrize("write", [html, to_text])
def test_the_work_grows_in_step_with_the_text(pattern, write):
    short, long = (pattern * (size // len(pattern)) for size in (1_000, 4_000))

    assert calls_of(write, long) < 6 * calls_of(write, short)  # 16 times, if in its square


def calls_of(write: Callable[[str], str], markdown: str) -> int:
    """How many functions are called to write this text, ours and Python's own."""
    events: Counter[str] = Counter()
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _argument: events.update([event]))
    try:
        with suppress(UnreadableMarkup):
            write(markdown)
    finally:
        sys.setprofile(before)
    return events["call"] + events["c_call"]


@given(MARKDOWN, st.sampled_from(["ltr", "rtl"]))
@example("a&#12;b", "ltr")
def test_whatever_is_typed_is_safe_html_that_the_mail_engine_takes(markdown, direction):
    try:
        fragment = html(markdown, direction)
    except UnreadableMarkup:
        return

    elements = Elements(fragment).found
    assert Elements(in_a_mail(fragment)).found == elements
    for tag, attributes in elements:
        assert tag not in {"script", "style", "iframe", "h1", "h2"}
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert re.match(r"#|https?://|mailto:", attributes.get("href") or "#")
        assert (attributes.get("src") or OWN).startswith(OWN)
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", fragment)


@given(MARKDOWN)
@example("&#13;")
@example("a&#12;b")
@example("a &#10;&#10;&#10; b")
def test_whatever_is_typed_becomes_text_without_control_characters(markdown):
    try:
        text = to_text(markdown)
    except UnreadableMarkup:
        return

    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f]", text)
    assert not text.endswith("\n")
    assert "\n\n\n" not in text or "```" in markdown or "~~~" in markdown or "    " in markdown


@given(st.lists(st.from_regex(r"[A-Za-z\u0621-\u064a]{1,20}", fullmatch=True), min_size=1))
def test_no_word_of_a_paragraph_is_lost_and_no_line_is_too_long(words):
    text = to_text(" ".join(words))

    assert text.split() == words
    assert all(len(line) <= 72 for line in text.split("\n"))
