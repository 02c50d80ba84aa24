"""An article as HTML: on a page, where wide tables scroll by themselves, and in a feed."""

import re
from functools import lru_cache
from itertools import pairwise
from textwrap import shorten

from flask_babel import gettext
from markupsafe import Markup

from newsletter.issues.images import images_in
from newsletter.issues.images import on_page as images_on_page
from newsletter.issues.markdown import parse, words
from newsletter.issues.markup import to_html
from newsletter.issues.models import Article
from newsletter.locales import Direction, direction
from newsletter.pages import settings

KEPT = 256  # articles; a hundred kilobytes each at the very most, in practice ten
LONGEST_OPENING = 240  # characters
ALIGNED = re.compile(r'(<t[dh][^>]*?) align="(left|center|right)"')
NOTE = re.compile(r"\[\^[^\]\s]+\]")  # refers to a footnote


def on_page(article: Article) -> Markup:
    """The body for a page. A table stands in a region of its own that the keyboard can scroll.

    Its cells are aligned by a class: the attribute is for mails and feeds, which have no style.
    """
    opening = Markup('<div class="scroller" role="group" tabindex="0" aria-label="{}"><table>')
    html = _html(article).replace("<table>", opening.format(gettext("Table")))
    html = html.replace("</table>", Markup("</table></div>"))
    return Markup(ALIGNED.sub(r'\1 class="\2"', str(html)))  # noqa: S704  # it was safe before


def in_feed(article: Article, url: str) -> Markup:
    """The body for a feed, away from its page: footnotes lead to the issue's page at `url`."""
    return _html(article).replace('<a href="#', Markup('<a href="{}#').format(url))


@lru_cache(maxsize=4 * KEPT)
def opening(markdown: str) -> str:
    """The words that an article begins with; the end of its Markdown may be missing."""
    pairs = pairwise(parse(NOTE.sub("", markdown)))
    first = next((inline for start, inline in pairs if start.type == "paragraph_open"), None)
    text = "" if first is None else words(first.children or ())
    return shorten(text, LONGEST_OPENING, placeholder=" …")


def _html(article: Article) -> Markup:
    return _rendered(
        article.body,
        article.section.slug,
        direction(article.language),
        settings().public_url,
    )


@lru_cache(maxsize=KEPT)
def _rendered(body: str, anchor: str, way: Direction, images_under: str) -> Markup:
    """An article's HTML, made once: the images that it names never change."""
    images = {address: images_on_page(sizes) for address, sizes in images_in([body]).items()}
    return to_html(body, anchor=anchor, direction=way, images_under=images_under, images=images)
