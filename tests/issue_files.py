"""Issue files for the tests: the samples, and small ones with whatever a test is about."""

from datetime import date
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "docs" / "samples"
TUESDAY = date(2026, 11, 17)

ARTICLES = {"ISIS in Action": "Eleven incidents were counted this week, one fewer than before."}


def sample(language: str) -> bytes:
    """The invented issue 87 in a language."""
    return (SAMPLES / f"issue-87.{language}.md").read_bytes()


def issue_file(
    articles: dict[str, str] = ARTICLES,
    *,
    number: int = 87,
    day: date = TUESDAY,
    language: str = "en",
    subject: str = "A quiet week",
    headline: str = "A headline",
) -> bytes:
    """An issue of these sections, by title or slug, each with a text in Markdown."""
    parts = [f"# {section}\n\n## {headline}\n\n{text}\n" for section, text in articles.items()]
    front = f"number: {number}\ndate: {day}\nlanguage: {language}\nsubject: {subject}\n"
    return f"---\n{front}---\n{''.join(parts)}".encode()
