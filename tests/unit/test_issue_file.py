"""An issue as a file: what is read from it, and what its editors are told when it is wrong."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.issues.issue_file import (
    ArticleText,
    BadIssueFile,
    IssueFile,
    read_issue_file,
    section_key,
)

SECTIONS = {
    section_key(name): slug
    for slug, *names in (
        ("isis-in-action", "ISIS in Action", "داعش في الميدان"),
        ("western-response", "Western Response", "الرد الغربي"),
        ("other-jihadi-actors", "Other Jihadi Actors", "جهات جهادية أخرى"),
    )
    for name in (slug, *names)
}
KNOWN = "isis-in-action, western-response, other-jihadi-actors"
LANGUAGES = ["en", "ar"]
WEATHER = "Weather " * 10
JOIN = "Put what it says into one article."

HEAD = """---
number: 87
date: 2017-08-15
subject: Derna under siege
preheader: The blockade tightens; an oil trail to Sicily
---
"""
BODY = """# Other Jihadi Actors
## Derna under *siege*

The road was closed.

### Later

```
# no section
```
# isis-in-action
## A quiet week
Nothing new.
"""


def read(text: str | bytes) -> IssueFile:
    return read_issue_file(text if isinstance(text, bytes) else text.encode(), SECTIONS, LANGUAGES)


def complaints(text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(BadIssueFile) as refusal:
        read(text)
    problems = [(problem.line, problem.sentence) for problem in refusal.value.problems]
    assert problems == sorted(problems)
    assert str(refusal.value) == "\n".join(f"Line {line}: {words}" for line, words in problems)
    return problems


def complaint(text: str | bytes) -> tuple[int, str]:
    (problem,) = complaints(text)
    return problem


def head(**changes: str | None) -> str:
    """The front matter with some lines changed, or dropped."""
    lines = {"number": "87", "date": "2017-08-15", "subject": "Derna under siege"} | changes
    return "---\n" + "".join(f"{k}: {v}\n" for k, v in lines.items() if v is not None) + "---\n"


def test_an_issue_is_read_as_its_editors_wrote_it():
    assert read(HEAD + BODY) == IssueFile(
        number=87,
        date=date(2017, 8, 15),
        language="en",
        subject="Derna under siege",
        preheader="The blockade tightens; an oil trail to Sicily",
        articles=(
            ArticleText(
                "other-jihadi-actors",
                "Derna under siege",
                "The road was closed.\n\n### Later\n\n```\n# no section\n```",
            ),
            ArticleText("isis-in-action", "A quiet week", "Nothing new."),
        ),
    )


def test_line_ends_and_marks_of_other_editors_make_no_difference():
    text = HEAD + BODY

    assert read(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()) == read(text)
    assert read(text.replace("\n", "\r")) == read(text)


def test_an_arabic_issue_names_its_sections_in_arabic():
    issue = read(head(language="AR") + "# الرد  الغربي\n## درنة\nنص.\n")

    assert issue.language == "ar"
    assert issue.articles == (ArticleText("western-response", "درنة", "نص."),)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ('"Derna: a siege"', "Derna: a siege"),
        ("2017", "2017"),
        ("Yes", "Yes"),
        ("'# 1'", "# 1"),
        ("Two\n  lines", "Two lines"),
    ],
)
def test_a_subject_is_text_whatever_it_looks_like(subject, expected):
    assert read(head(subject=subject) + BODY).subject == expected


@pytest.mark.parametrize("control", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_no_line_of_its_own_turns_the_direction_of_what_stands_around_it(control):
    escaped = f'"Derna \\u{ord(control):04x}under siege"'
    named = f"U+{ord(control):04X}"

    def told(text):
        ((line, sentence),) = complaints(text)
        assert named in sentence
        assert sentence.endswith("Delete it.")
        return line

    assert told(head(subject=f"Derna {control}under siege") + BODY) == 4
    assert told(head(preheader=escaped) + BODY) == 5
    assert told(HEAD + BODY.replace("A quiet", f"A {control}quiet")) == 18
    assert told(HEAD + BODY.replace("A quiet", f"A &#{ord(control)};quiet")) == 18
    assert (
        control
        in read(HEAD + BODY.replace("Nothing new", f"Nothing {control}new")).articles[1].body
    )


@pytest.mark.parametrize(
    ("changes", "line", "sentence"),
    [
        (
            {"subject": None},
            1,
            'The subject is missing. Write it like "subject: Derna under siege".',
        ),
        ({"number": None}, 1, 'The number is missing. Write it like "number: 87".'),
        ({"date": ""}, 3, 'The date is missing. Write it like "date: 2017-08-15".'),
        ({"number": "0"}, 2, "The number must be a whole number from 1 to 999999, like 87."),
        ({"number": "-1"}, 2, "The number must be a whole number from 1 to 999999, like 87."),
        ({"number": "٨٧"}, 2, "The number must be a whole number from 1 to 999999, like 87."),
        (
            {"number": "2147483648"},
            2,
            "The number must be a whole number from 1 to 999999, like 87.",
        ),
        ({"number": "9" * 4000}, 2, "The number must be a whole number from 1 to 999999, like 87."),
        (
            {"date": "15 August 2017"},
            3,
            "The date must be a day, written year-month-day like 2017-08-15.",
        ),
        (
            {"date": "2017-02-30"},
            3,
            "The date must be a day, written year-month-day like 2017-08-15.",
        ),
        ({"subject": "x" * 201}, 4, "The subject has 201 characters; at most 200 are possible."),
        ({"subject": '"a\\r\\nBcc: b"'}, 4, "The subject must be one line of ordinary text."),
        ({"subject": '"a\\0b"'}, 4, "The subject must be one line of ordinary text."),
        ({"subject": '"a\\ud800b"'}, 4, "The subject must be one line of ordinary text."),
        ({"preheader": "|\n  a\n  b"}, 5, "The preheader must be one line of ordinary text."),
        ({"language": "tlh"}, 5, "The language must be one of those offered: en, ar."),
        ({"subjet": "x"}, 5, '"subjet" means nothing here. Did you mean "subject"?'),
        (
            {"author": "x"},
            5,
            '"author" means nothing here. Known are number, date, language, subject, preheader.',
        ),
        ({"Number": "88"}, 5, "The number stands in line 2 already."),
    ],
)
def test_front_matter_that_does_not_fit_is_named_with_its_line(changes, line, sentence):
    assert complaint(head(**changes) + BODY) == (line, sentence)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"subject": "Derna: a siege"}, 4),
        ({"subject": "@Derna"}, 4),
        ({"subject": '"never closed', "preheader": "x"}, 4),
        ({"subject": "x\n--- y"}, 5),
        ({"subject": "[a, b]"}, 4),
        ({"subject": "{a: b}"}, 4),
        ({"subject": "&a x", "preheader": "*a"}, 4),
        ({"subject": "!!python/name:os.system"}, 4),
        ({"subject": "[" * 3000}, 4),
        ({"subject": "x\n- y"}, 5),
        ({"subject": "x\n...\nnumber: 8"}, 6),
    ],
)
def test_front_matter_that_is_no_flat_list_is_refused_with_its_line(changes, line):
    found, sentence = complaint(head(**changes) + BODY)

    assert found == line
    assert 'Write every line as "key: value"' in sentence


def test_front_matter_full_of_aliases_is_refused_before_it_grows():
    bomb = "a: &a [x, x]\n" + "".join(f"k{i}: &k{i} [*a, *a]\n" for i in range(100))

    assert complaint(f"---\n{bomb}---\n{BODY}")[0] == 2


def test_front_matter_that_goes_on_and_on_is_refused():
    assert complaint(head(preheader="x" * 5000) + BODY) == (
        1,
        "The front matter is longer than 4,096 characters.",
    )


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        (BODY, 1, 'The front matter is missing: begin the file with it, between lines "---".'),
        (
            HEAD.removesuffix("---\n") + BODY,
            6,
            'Put a line "---" above this one, to end the front matter.',
        ),
        (
            HEAD + "\nWelcome.\n" + BODY,
            8,
            'This text stands in no section. Put a line "# " with a section above it.',
        ),
        (
            HEAD + BODY.replace("# isis-in-action", "# ISIS Aktion"),
            17,
            f'There is no section "ISIS Aktion". Did you mean "isis-in-action"? Known are {KNOWN}.',
        ),
        (
            HEAD + BODY.replace("# isis-in-action", "# " + WEATHER),
            17,
            f'There is no section "{WEATHER[:59]}…". Known are {KNOWN}.',
        ),
        (
            HEAD + BODY.replace("# isis-in-action", "# OTHER  jihadi actors"),
            17,
            f'The section "other-jihadi-actors" is there already, in line 7. {JOIN}',
        ),
        (
            HEAD + BODY.replace("## A quiet week", ""),
            17,
            'This section has no headline. Write one below it, after "## ".',
        ),
        (
            HEAD + BODY.replace("## A quiet week", "##"),
            18,
            'The headline is empty. Write it after the "## ".',
        ),
        (
            HEAD + BODY.replace("## A quiet week", "## " + "x" * 201),
            18,
            "This headline is too long: at most 200 characters.",
        ),
        (
            HEAD + BODY.replace("## A quiet week", "\nToo early.\n\n## A quiet week"),
            19,
            "This text stands above the headline of its article. Move it below.",
        ),
        (
            HEAD + BODY.replace("Nothing new.", " "),
            18,
            "This article has no text. Write it below its headline.",
        ),
        (
            HEAD + BODY.replace("Nothing new.", "```\nNothing\n"),
            19,
            "The code block that begins here has no end. Close it.",
        ),
        (
            HEAD + BODY.replace("Nothing new.", "Fine.\n\n" + "- " * 1000 + "deep"),
            21,
            "Lists, quotations or emphasis are nested more than 50 deep here. Write it flatter.",
        ),
        (
            HEAD + BODY.replace("A quiet week", "[" * 100),
            18,
            "More than 50 square brackets are open at once here. Close them.",
        ),
        (
            HEAD + BODY + "\0\n\nfine\x1b\x1b\n",
            20,
            "There is an invisible control character in this line. Delete it.",
        ),
        (
            (HEAD + BODY).encode() + "Grüße".encode("latin-1"),
            20,
            "This is no UTF-8 text. Save the file as plain text, encoded as UTF-8.",
        ),
        (
            HEAD + "x" * 1024 * 1024,
            1,
            "The file is larger than 1 MiB. Shorten its articles.",
        ),
        (
            HEAD + BODY + "- a\n" * 20_000,
            20_000,
            "The file has more than 20,000 lines. Shorten its articles.",
        ),
        (
            "---\nnumber: 87\n",
            1,
            'The front matter that begins here has no end. Put a line "---" below it.',
        ),
    ],
)
def test_every_mistake_is_named_with_its_line_and_what_to_do(text, line, sentence):
    assert (line, sentence) in complaints(text)


def test_nothing_but_the_one_mistake_is_complained_of():
    assert len(complaints(HEAD + BODY.replace("# isis-in-action", "# ISIS Aktion"))) == 1
    assert len(complaints(BODY)) == 1
    assert len(complaints(HEAD.removesuffix("---\n") + BODY)) == 1
    assert len(complaints(HEAD + BODY.replace("Nothing new.", " "))) == 1


def test_all_mistakes_are_named_at_once_in_the_order_of_their_lines():
    text = head(number="none", subject=None) + "stray\n# Weather\n# isis-in-action\n## Empty\n"

    assert [line for line, _ in complaints(text)] == [1, 2, 5, 6, 6, 8]


def test_two_issues_in_one_file_are_told_apart():
    second = HEAD.replace("87", "88") + "# western-response\n## More\nText.\n"

    assert complaint(HEAD + BODY + "\n" + second) == (
        21,
        "A second issue begins here. Put each into a file of its own.",
    )


def test_a_line_across_an_article_is_no_second_issue():
    assert len(read(HEAD + BODY.replace("Nothing new.", "Nothing.\n\n---\n\nNew.")).articles) == 2


@pytest.mark.parametrize("text", ["", "\n", "---", "---\n---\n", HEAD])
def test_an_empty_file_or_one_without_articles_is_refused(text):
    assert complaints(text)


PIECES = st.sampled_from(
    [
        *(HEAD + BODY).splitlines(keepends=True),
        *("---\n", "# ", "## ", "\n", "- ", "> ", ": ", '"', "[", "&a ", "*a\n", "```\n"),
        *("\t", "\r", "\0", "\x85", "\ufeff", "\uffff", "\u2028", "é", "number: 88\n"),
    ]
)
TEXTS = st.lists(PIECES).map("".join)


@given(st.one_of(st.text(), TEXTS, TEXTS.map(HEAD.__add__), TEXTS.map((HEAD + BODY).__add__)))
def test_whatever_is_uploaded_is_an_issue_or_a_bad_file(text):
    try:
        issue = read(text.encode(errors="surrogatepass"))
    except BadIssueFile as refusal:
        problems = refusal.problems
    else:
        problems = ()
        assert issue.number > 0
        assert issue.subject.strip()
        assert all(article.headline and article.body.strip() for article in issue.articles)
        assert {article.section_slug for article in issue.articles} <= set(SECTIONS.values())

    lines = len(re.split("\r\n|\r|\n", text))
    assert all(1 <= problem.line <= lines for problem in problems)


@given(st.binary())
def test_binary_rubbish_is_a_bad_file(data):
    with pytest.raises(BadIssueFile):
        read(data)
