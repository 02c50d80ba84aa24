"""Write an issue as the file of one language that `issue_file` reads: nothing else is changed.

Whatever could be read as something else is written so that it can't: each line is read back
before it is taken. Two things in a body are said otherwise, with the same look: a heading of the
first level, which would begin a section, and a code block that nobody closed.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from newsletter.issues import markdown
from newsletter.issues.front_matter import read_front_matter
from newsletter.issues.issue_file import (
    FENCE,
    FRONT_MATTER,
    SECTION,
    ArticleText,
    IssueFile,
    section_key,
)

NOT_PLAIN = re.compile(r"[^\w ]|(?<= ) |^ | $")
FENCE_OF_CODE = re.compile(r"`{3,}|~{3,}")


def write_issue_file(
    file: IssueFile, titles: Mapping[str, str], sections: Mapping[str, str]
) -> str:
    """The text of a file. `titles` are the sections' titles by their slugs.

    `sections` leads from the `section_key` of every known name to a slug.
    """
    front = [
        f"number: {file.number}",
        f"date: {file.date.isoformat()}",
        f"language: {file.language}",
        f"subject: {_value(file.subject)}",
        *([f"preheader: {_value(file.preheader)}"] if file.preheader else []),
    ]
    parts = [_article(article, titles, sections) for article in file.articles]
    return "\n".join([FENCE, *front, FENCE, *parts]) + "\n"


def _article(article: ArticleText, titles: Mapping[str, str], sections: Mapping[str, str]) -> str:
    slug = article.section_slug
    title = titles.get(slug, slug)
    read = [heading.text for heading in markdown.outline(f"# {title}").headings]
    name = title if [sections.get(section_key(text)) for text in read] == [slug] else slug
    return f"# {name}\n\n## {_line(article.headline)}\n\n{_body(article.body)}\n"


def _value(words: str) -> str:
    """A line of the front matter, in quotation marks where YAML would take it for more."""
    quoted = '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return words if _read_value(words) == words else quoted


def _read_value(written: str) -> str | None:
    complaints: list[str] = []
    text = f"number: 1\ndate: 2017-08-15\nsubject: {written}"
    front = read_front_matter(text, ["en"], lambda _line, words: complaints.append(words))
    return None if complaints else front.subject


def _line(headline: str) -> str:
    """A headline, whose signs are escaped where Markdown would take them for more."""
    ways: Iterable[Callable[[str], str]] = (str, _with_backslashes, _with_numbers)
    return next((way(headline) for way in ways if _heading(way(headline)) == headline), headline)


def _heading(written: str) -> str | None:
    """What a heading says when it is read back; None if it is none."""
    outline = markdown.outline(f"## {written}")
    if len(outline.headings) != 1 or "\n" in written:
        return None
    try:
        return markdown.words_of_line(outline.headings[0].text)
    except markdown.UnreadableMarkup:
        return None


def _with_backslashes(words: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#!&~])", r"\\\1", words)


def _with_numbers(words: str) -> str:
    return NOT_PLAIN.sub(lambda found: f"&#{ord(found[0])};", words)


def _body(body: str) -> str:
    lines = body.split("\n")
    outline = markdown.outline(body)
    for heading in outline.headings:
        if heading.level == SECTION:
            lines[heading.line - 1] = lines[heading.line - 1].replace("#", "##", 1)
    for number, following in enumerate(lines[1:]):
        if lines[number].rstrip() == FENCE and FRONT_MATTER.match(following):
            lines[number] = FENCE + "-"
    if outline.open_fence:
        opening = FENCE_OF_CODE.search(lines[outline.open_fence - 1])
        lines.append(opening[0] if opening else "```")
    return "\n".join(lines)
