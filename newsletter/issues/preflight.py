"""What would go wrong if an issue were sent as it is.

What blocks would harm every reader of it; all else is said and left to the editor. The full
edition of every language and format is rendered, because those are the largest.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel import Locale
from markdown_it.token import Token

from newsletter.errors import NewsletterError
from newsletter.issues import choice as choices
from newsletter.issues.editions import RenderedEdition, articles_in, render_edition
from newsletter.issues.markdown import UnreadableMarkup, parse, words
from newsletter.issues.models import Article, Format, Issue
from newsletter.issues.sections import sections_of, standing_sections
from newsletter.links import TOKEN_LENGTH, Purpose
from newsletter.locales import LANGUAGES
from newsletter.mail.message import MARKS, Hole, find_mark
from newsletter.pages import settings

KB = 1000  # bytes
LARGEST = 95 * KB  # of HTML: Gmail cuts a mail near 102 KB
LARGE = 70 * KB
FAR = timedelta(days=7)
# On any host, for a site has had others; with the backslashes that an editor may put before "_".
READERS_LINK = re.compile(rf"/({'|'.join(Purpose)})/(?:\\?[\w-]){{{TOKEN_LENGTH}}}", re.ASCII)


@dataclass(frozen=True)
class Preflight:
    """What keeps an issue from being sent, and what an editor should look at before it is."""

    blocking: tuple[str, ...]
    warnings: tuple[str, ...]


def check(issue: Issue, *, now: datetime) -> Preflight:
    """Look for everything that would go wrong, in sentences that say where."""
    blocking = [*_missing(issue), *_readers_links(issue)]
    warnings = [
        *_silent_sections(issue),
        *_untranslated(issue),
        *_images(issue),
        *_date(issue, now),
    ]
    if not blocking:
        try:
            editions = _full_editions(issue)
        except NewsletterError as error:
            blocking.append(str(error))
        else:
            blocking += [*_too_large(editions), *_without_a_way_out(editions)]
            warnings += _large(editions)
    return Preflight(tuple(blocking), tuple(warnings))


def _full_editions(issue: Issue) -> dict[tuple[str, Format], RenderedEdition]:
    """The edition with all sections in every language offered: any reader may have asked for it."""
    return {
        (language, format_): render_edition(issue, language, choices.ALL, format_)
        for language in LANGUAGES
        for format_ in Format
    }


def _missing(issue: Issue) -> Iterator[str]:
    default = settings().default_language
    if not issue.articles:
        yield f"Issue {issue.number} has no article."
    if not any(s.language == default and s.subject.strip() for s in issue.subjects):
        yield f"Issue {issue.number} has no subject in {_name(default)}, the default language."


def _readers_links(issue: Issue) -> Iterator[str]:
    """Editors' words that hold a reader's own link, or the mark for one, as a copied mail would."""
    texts = [
        (f"The {_name(subject.language)} subject", f"{subject.subject}\n{subject.preheader}")
        for subject in issue.subjects
    ] + [(_place(article), f"{article.headline}\n{article.body}") for article in issue.articles]
    for place, text in texts:
        if mark := find_mark(text):
            yield f"{place} holds the mark of a reader's own {mark} link. Take it out."
        elif link := READERS_LINK.search(text):
            yield (
                f"{place} holds some reader's own {link[1]} link, copied from a mail: whoever"
                " opens it acts for that reader. Take it out."
            )


def _too_large(editions: dict[tuple[str, Format], RenderedEdition]) -> Iterator[str]:
    for language, size in _sizes(editions):
        if size > LARGEST:
            yield (
                f"The {_name(language)} edition has {size // KB} KB of HTML; mail programs cut it"
                f" off beyond {LARGEST // KB} KB. Shorten an article."
            )


def _large(editions: dict[tuple[str, Format], RenderedEdition]) -> Iterator[str]:
    for language, size in _sizes(editions):
        if LARGE < size <= LARGEST:
            yield (
                f"The {_name(language)} edition has {size // KB} KB of HTML; more than"
                f" {LARGEST // KB} KB cannot be sent."
            )


def _sizes(editions: dict[tuple[str, Format], RenderedEdition]) -> Iterator[tuple[str, int]]:
    for (language, _format), edition in editions.items():
        if edition.html is not None:
            yield language, len(edition.html.encode())


def _without_a_way_out(editions: dict[tuple[str, Format], RenderedEdition]) -> Iterator[str]:
    mark = MARKS[Hole.UNSUBSCRIBE]
    for (language, format_), edition in editions.items():
        if mark not in edition.text or (edition.html is not None and mark not in edition.html):
            yield f"The {_name(language)} edition ({format_}) has no unsubscribe link."


def _silent_sections(issue: Issue) -> Iterator[str]:
    speaking = {section.id for section in sections_of(issue)}
    for section in standing_sections():
        if section.id not in speaking:
            title = section.title(settings().default_language)
            yield f"There is no article in {title}: who reads that section alone gets no mail."


def _untranslated(issue: Issue) -> Iterator[str]:
    for language in LANGUAGES:
        name = _name(language)
        if language not in issue.languages:
            other = _name(settings().default_language)
            yield (
                f"There is no {name} text: readers of {name} get the {other} one, with a line that"
                " says so."
            )
            continue
        for article in articles_in(issue, language):
            if article.language != language:
                yield f"{_place(article)} stands in the {name} edition, because there is no other."


def _images(issue: Issue) -> Iterator[str]:
    ours = settings().public_url + "/"
    for article in issue.articles:
        for image in _images_in(article):
            source = str(image.attrs["src"])
            if not source.startswith(ours):
                yield f"{_place(article)} shows an image from elsewhere as a link only: {source}"
            if not words(image.children or ()).strip():
                yield f"{_place(article)} has an image without alternative text: {source}"


def _images_in(article: Article) -> list[Token]:
    try:
        tokens = parse(article.body)
    except UnreadableMarkup:  # blocks the sending: rendering says so
        return []
    return [piece for token in tokens for piece in token.children or () if piece.type == "image"]


def _date(issue: Issue, now: datetime) -> Iterator[str]:
    today = now.astimezone(ZoneInfo(settings().time_zone)).date()
    if abs(issue.date - today) > FAR:
        yield f"Issue {issue.number} is dated {issue.date}, but today is {today}."


def _place(article: Article) -> str:
    return f"The {_name(article.language)} article in {article.section_title}"


def _name(language: str) -> str:
    return str(Locale.parse(language).english_name)
