"""An issue written as a file is read as the same issue, whatever its editors wrote."""

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.issues.export import write_issue_file
from newsletter.issues.front_matter import LONGEST_TITLE
from newsletter.issues.issue_file import (
    ArticleText,
    BadIssueFile,
    IssueFile,
    read_issue_file,
    section_key,
)
from newsletter.issues.markdown import UnreadableMarkup
from newsletter.issues.markup import to_html
from newsletter.issues.revisions import Words
from newsletter.issues.subjects import Lines

TITLES = {"isis-in-action": "ISIS in Action", "western-response": "الرد الغربي"}
SECTIONS = {section_key(name): slug for slug, title in TITLES.items() for name in (slug, title)}
LANGUAGES = ["en", "ar"]

SIGNS = st.sampled_from([*"*_`[]()<>#!&~\\|\"':-+.= \t\u00a0\u2028", "&amp;", "https://a.example"])
LINES = st.one_of(st.text(), st.lists(st.one_of(SIGNS, st.text(max_size=3))).map("".join))
PIECES = st.sampled_from(
    [
        *("# Heading\n", "## Sub\n", "```\n", "~~~~ python\n", "---\n", "number: 8\n", "- ", "> "),
        *("    ", "\n", "\n\n", "===\n", "[a]: /b\n", "1. ", "text\n", "[^1]: note\n", "<!--\n"),
    ]
)
BODIES = st.one_of(st.text(), st.lists(st.one_of(PIECES, LINES)).map("".join))


def issue(**changes):
    facts: dict[str, Any] = {
        "number": 87,
        "date": date(2017, 8, 15),
        "language": "en",
        "subject": "Derna under siege",
        "preheader": "",
        "articles": (ArticleText("isis-in-action", "A headline", "Text."),),
    }
    return IssueFile(**(facts | changes))


def written(file, titles=TITLES):
    return write_issue_file(file, titles, SECTIONS)


def there_and_back(file):
    return read_issue_file(written(file).encode(), SECTIONS, LANGUAGES)


def test_a_file_looks_as_somebody_would_write_it():
    text = ArticleText("western-response", "Donors turn away", "One.\n\n## Later\n\nTwo.")
    file = issue(preheader="An oil trail: to Sicily", articles=(*issue().articles, text))

    assert written(file, TITLES | {"western-response": "Western Response"}) == (
        "---\nnumber: 87\ndate: 2017-08-15\nlanguage: en\nsubject: Derna under siege\n"
        'preheader: "An oil trail: to Sicily"\n---\n'
        "# ISIS in Action\n\n## A headline\n\nText.\n\n"
        "# western-response\n\n## Donors turn away\n\nOne.\n\n## Later\n\nTwo.\n\n"
    )


@given(LINES, LINES)
@example('"', "# x")
@example("yes: no", "&a *b")
def test_subject_and_preheader_come_back(subject, preheader):
    lines = Lines.typed("en", subject or "x", preheader)
    file = issue(subject=lines.subject[:LONGEST_TITLE].strip() or "x", preheader=lines.preheader)
    file = issue(subject=file.subject, preheader=file.preheader[:LONGEST_TITLE].strip())

    assert there_and_back(file) == file


@given(LINES)
@example("# *Derna* #")
@example("a &#10; b")
@example("1. [x](https://a.example) <b>")
@example("*" * LONGEST_TITLE)
@example("[" * 60)
def test_a_headline_comes_back(headline):
    said = Words.typed(headline, "").headline[:LONGEST_TITLE].strip() or "x"
    file = issue(articles=(ArticleText("isis-in-action", said, "Text."),))

    assert there_and_back(file) == file


@given(BODIES, BODIES)
@example("# A\n\n```\n# B", "x")
@example("---\nnumber: 8", "    code")
@example("> ```\n> open", "- ```\n  open")
def test_bodies_come_back_and_look_as_they_did(one, other):
    bodies = [Words.typed("", body).body or "x" for body in (one, other)]
    articles = [ArticleText(s, "A headline", b) for s, b in zip(TITLES, bodies, strict=True)]
    looks = []
    for body in bodies:
        try:
            looks.append(look(body))
        except UnreadableMarkup:
            return  # no file holds it: preflight has said so

    back = there_and_back(issue(articles=tuple(articles)))

    assert [article.headline for article in back.articles] == ["A headline"] * 2
    assert [look(article.body) for article in back.articles] == looks
    for body, article in zip(bodies, back.articles, strict=True):
        if not re.search(r"^ {0,3}(#|```|~~~|---)", body, re.MULTILINE):
            assert article.body == body
    assert there_and_back(back) == back


def look(body):
    html = str(to_html(body, anchor="a", direction="ltr", images_under="https://x.example"))
    return re.sub("-{3,}", "---", html).replace("\n</code>", "</code>")


def test_an_article_that_is_not_finished_says_where_when_it_is_imported():
    file = issue(articles=(ArticleText("isis-in-action", "", "Text."),))

    with pytest.raises(BadIssueFile) as refusal:
        there_and_back(file)

    assert "The headline is empty" in str(refusal.value)
