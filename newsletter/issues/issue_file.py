"""Read an issue from a text file: front matter, then a `#` section and a `##` headline per article.

Editors write it by hand, under a deadline: every complaint names its line and says what to do, and
all of them come at once.
"""

import datetime
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice, pairwise
from typing import NoReturn

from newsletter.errors import NewsletterError
from newsletter.issues import markdown
from newsletter.issues.front_matter import (
    LONGEST_TITLE,
    TURNS,
    Complain,
    read_front_matter,
    turned_by,
)
from newsletter.issues.markdown import NOT_TEXT, Heading, UnreadableMarkup

LARGEST_FILE = 1024 * 1024  # bytes
MOST_LINES = 20_000
LONGEST_HEADING = 2_000  # characters of a headline with its signs escaped
LONGEST_QUOTE = 60  # characters of what was typed that a complaint repeats
MOST_CONTROL_CHARACTERS = 10  # complaints of them; where there are more, the file is rubbish
FENCE = "---"
FRONT_MATTER = re.compile(r"(number|date|subject)[ \t]*:")
SECTION, HEADLINE = 1, 2  # levels of headings


@dataclass(frozen=True, slots=True)
class ArticleText:
    """What the file says in one section; the body is Markdown."""

    section_slug: str
    headline: str
    body: str


@dataclass(frozen=True, slots=True)
class IssueFile:
    """One issue in one language, as its editors wrote it."""

    number: int
    date: datetime.date
    language: str
    subject: str
    preheader: str
    articles: tuple[ArticleText, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in a line, counted from 1, and what to do about it."""

    line: int
    sentence: str


class BadIssueFile(NewsletterError):
    """The file can't be read as an issue; `problems` tells why, in the order of its lines."""

    page = "bad_issue_file"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(f"Line {p.line}: {p.sentence}" for p in self.problems))


def read_issue_file(
    data: bytes, sections: Mapping[str, str], languages: Sequence[str]
) -> IssueFile:
    """Read a file as it was uploaded; raise `BadIssueFile` with every problem in it.

    `sections` leads from the `section_key` of every known name to a slug. `languages` are the
    tags of those offered; a file that names none is in the first one.
    """
    problems: list[Problem] = []

    def complain(line: int, sentence: str) -> None:
        problems.append(Problem(line, sentence))

    lines = _printable(_decode(data).split("\n"), complain)
    head, start = _split(lines, sections, complain)
    front = read_front_matter("\n".join(head), languages, complain) if head is not None else None
    # What came before is blanked, not cut off, so that the lines keep their numbers.
    articles = tuple(_articles([""] * start + lines[start:], sections, complain))
    if problems or front is None:
        raise BadIssueFile(problems)
    return IssueFile(
        front.number, front.date, front.language, front.subject, front.preheader, articles
    )


def section_key(name: str) -> str:
    """What all ways to write a section's name have in common."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _decode(data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        _refuse(1, "The file is larger than 1 MiB. Shorten its articles.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(line, "This is no UTF-8 text. Save the file as plain text, encoded as UTF-8.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") >= MOST_LINES:
        _refuse(MOST_LINES, f"The file has more than {MOST_LINES:,} lines. Shorten its articles.")
    return text


def _refuse(line: int, sentence: str) -> NoReturn:
    raise BadIssueFile([Problem(line, sentence)])


def _printable(lines: list[str], complain: Complain) -> list[str]:
    """Complain of control characters, and read on as if they were blanks."""
    found = (number for number, line in enumerate(lines, start=1) if NOT_TEXT.search(line))
    for number in islice(found, MOST_CONTROL_CHARACTERS):
        complain(number, "There is an invisible control character in this line. Delete it.")
    return [NOT_TEXT.sub(" ", line) for line in lines]


def _split(
    lines: list[str], sections: Mapping[str, str], complain: Complain
) -> tuple[list[str] | None, int]:
    """Give the lines of the front matter, if there is any, and how many stand before the body."""
    if lines[0].rstrip() != FENCE:
        complain(
            1, f'The front matter is missing: begin the file with it, between lines "{FENCE}".'
        )
        return None, 0
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == FENCE:
            return lines[1:number], number + 1
        if line.startswith("# ") and section_key(line.strip("# ")) in sections:
            complain(number + 1, f'Put a line "{FENCE}" above this one, to end the front matter.')
            return lines[1:number], number
    complain(1, f'The front matter that begins here has no end. Put a line "{FENCE}" below it.')
    return None, len(lines)


def _articles(
    body: list[str], sections: Mapping[str, str], complain: Complain
) -> Iterator[ArticleText]:
    outline = markdown.outline("\n".join(body))
    titles = [heading for heading in outline.headings if heading.level == SECTION]
    headlines = [heading for heading in outline.headings if heading.level == HEADLINE]
    if outline.open_fence:
        complain(outline.open_fence, "The code block that begins here has no end. Close it.")
    _check_start(body, titles, sections, complain)
    _check_for_second_issue(body, complain)

    first_lines: dict[str, int] = {}
    ends = [title.line for title in titles[1:]] + [len(body) + 1]
    for title, end in zip(titles, ends, strict=False):
        slug = _slug(title, sections, complain)
        if slug in first_lines:
            where = f'The section "{slug}" is there already, in line {first_lines[slug]}.'
            complain(title.line, f"{where} Put what it says into one article.")
        elif slug:
            first_lines[slug] = title.line
        within = (headline for headline in headlines if title.line < headline.line < end)
        yield _article(slug, title, next(within, None), body[: end - 1], complain)


def _check_start(
    body: list[str], titles: list[Heading], sections: Mapping[str, str], complain: Complain
) -> None:
    """Complain of a body that does not begin with a section."""
    if not titles:
        known = _known(sections)
        complain(len(body), f'There is no article. Begin one with "# " and a section: {known}.')
    before = body[: titles[0].line - 1] if titles else body
    if stray := _first_with_text(before):
        complain(stray, 'This text stands in no section. Put a line "# " with a section above it.')


def _check_for_second_issue(body: list[str], complain: Complain) -> None:
    for number, (line, following) in enumerate(pairwise(body), start=1):
        if line.rstrip() == FENCE and FRONT_MATTER.match(following):
            complain(number, "A second issue begins here. Put each into a file of its own.")


def _slug(title: Heading, sections: Mapping[str, str], complain: Complain) -> str:
    """Find the section that a heading names; empty after a complaint."""
    key = section_key(title.text)
    if key in sections:
        return sections[key]
    close = [sections[name] for name in get_close_matches(key, sections, n=1)]
    hint = f' Did you mean "{close[0]}"?' if close else ""
    complain(
        title.line,
        f'There is no section "{_quote(title.text)}".{hint} Known are {_known(sections)}.',
    )
    return ""


def _article(
    slug: str, title: Heading, headline: Heading | None, lines: list[str], complain: Complain
) -> ArticleText:
    """Read the article that ends where `lines` end; its parts may be empty after a complaint."""
    if not headline:
        complain(title.line, 'This section has no headline. Write one below it, after "## ".')
        return ArticleText(slug, "", "")
    if stray := _first_with_text(lines[: headline.line - 1], title.line):
        complain(stray, "This text stands above the headline of its article. Move it below.")
    body = "\n".join(lines[headline.line :])
    if not body.strip():
        complain(headline.line, "This article has no text. Write it below its headline.")
    try:
        markdown.parse(body)
    except UnreadableMarkup as error:
        complain(headline.line + error.line, str(error))
    return ArticleText(slug, _words(headline, complain), body.strip("\n").rstrip())


def _words(headline: Heading, complain: Complain) -> str:
    too_long = f"This headline is too long: at most {LONGEST_TITLE} characters."
    if len(headline.text) > LONGEST_HEADING:
        complain(headline.line, too_long)
        return ""
    try:
        words = markdown.words_of_line(headline.text)
    except UnreadableMarkup as error:
        complain(headline.line, str(error))
        return ""
    if len(words) > LONGEST_TITLE:
        complain(headline.line, too_long)
    if not words:
        complain(headline.line, 'The headline is empty. Write it after the "## ".')
    if turn := TURNS.search(words):
        complain(headline.line, f"This headline {turned_by(turn[0])}.")
    return words


def _first_with_text(lines: list[str], skipped: int = 0) -> int:
    """Find the first line that is not blank, counted from 1; 0 if there is none."""
    numbered = enumerate(lines[skipped:], start=skipped + 1)
    return next((number for number, line in numbered if line.strip()), 0)


def _known(sections: Mapping[str, str]) -> str:
    return ", ".join(dict.fromkeys(sections.values()))


def _quote(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
