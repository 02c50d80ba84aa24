"""What would go wrong if an issue were sent as it is.

What blocks would harm every reader of it; all else is said and left to the editor. The full
edition of every language is rendered, because those are the largest. It holds the same words as
HTML and as plain text, so readers of plain text need none of their own here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from newsletter.errors import NewsletterError
from newsletter.issues import (
    choice,
    preflight_images,
    preflight_links,
    preflight_texts,
    preflight_whole,
)
from newsletter.issues.editions import RenderedEdition, render_edition
from newsletter.issues.findings import Finding, Tongue
from newsletter.issues.models import Format, Issue
from newsletter.locales import LANGUAGES, translatable
from newsletter.mail.message import MARKS, Hole

KB = 1000  # bytes
LARGEST = 95 * KB  # of HTML: Gmail cuts a mail near 102 KB
LARGE = 70 * KB

Editions = dict[str, RenderedEdition]
"""By language."""


@dataclass(frozen=True)
class Preflight:
    """What keeps an issue from being sent, and what an editor should look at before it is."""

    blocking: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def check(issue: Issue, *, now: datetime) -> Preflight:
    """Look for everything that would go wrong; nobody outside is asked, only what is known."""
    blocking = [
        *preflight_whole.missing(issue),
        *preflight_texts.halves(issue),
        *preflight_texts.readers_links(issue),
    ]
    warnings = [
        *preflight_whole.silent_sections(issue),
        *preflight_whole.untranslated(issue),
        *preflight_texts.left_over(issue),
        *preflight_texts.too_long(issue),
        *preflight_texts.same_headlines(issue),
        *preflight_links.doubtful(issue, now=now),
        *preflight_images.doubtful(issue),
        *preflight_whole.date_far_away(issue, now=now),
    ]
    if not blocking:
        try:
            editions = _full_editions(issue)
        except NewsletterError as error:
            blocking.append(_unfit(error))
        else:
            blocking += [*too_large(editions), *without_a_way_out(editions)]
            warnings += large(editions)
    return Preflight(tuple(blocking), tuple(warnings))


def too_large(editions: Editions) -> Iterator[Finding]:
    """Editions that mail programs would cut off, and with them the way out."""
    for language, size in _sizes(editions):
        if size > LARGEST:
            yield Finding(
                "size",
                translatable(
                    "The %(language)s edition has %(size)s KB of HTML; mail programs cut it off"
                    " beyond %(largest)s KB. Shorten an article."
                ),
                translatable("Shorten an article, or move a part of it to a page of its own."),
                facts=_of_size(language, size),
            )


def large(editions: Editions) -> Iterator[Finding]:
    """Editions that come near to that."""
    for language, size in _sizes(editions):
        if LARGE < size <= LARGEST:
            yield Finding(
                "size",
                translatable(
                    "The %(language)s edition has %(size)s KB of HTML; more than %(largest)s KB"
                    " cannot be sent."
                ),
                translatable("Shorten an article if more is to come."),
                facts=_of_size(language, size),
            )


def without_a_way_out(editions: Editions) -> Iterator[Finding]:
    """Editions without an unsubscribe link in each of their parts."""
    mark = MARKS[Hole.UNSUBSCRIBE]
    for language, edition in editions.items():
        for format_, part in ((Format.HTML, edition.html), (Format.TEXT, edition.text)):
            if part is None or mark not in part:
                yield Finding(
                    "unsubscribe",
                    translatable("The %(language)s edition (%(format)s) has no unsubscribe link."),
                    translatable(
                        "The template of the mail lost it: tell whoever runs the service."
                    ),
                    facts={"language": Tongue(language), "format": format_.value},
                )


def _full_editions(issue: Issue) -> Editions:
    """The edition with all sections in every language offered: any reader may have asked for it."""
    return {
        language: render_edition(issue, language, choice.ALL, Format.HTML) for language in LANGUAGES
    }


def _unfit(error: NewsletterError) -> Finding:
    return Finding(
        "unfit",
        translatable("%(sentence)s"),
        translatable("Look at the articles one by one in the preview to see which it is."),
        facts={"sentence": str(error)},
    )


def _sizes(editions: Editions) -> Iterator[tuple[str, int]]:
    for language, edition in editions.items():
        if edition.html is not None:
            yield language, len(edition.html.encode())


def _of_size(language: str, size: int) -> dict[str, object]:
    return {"language": Tongue(language), "size": size // KB, "largest": LARGEST // KB}
