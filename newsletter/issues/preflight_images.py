"""Checks of pictures: those that readers would not see, would not hear of, or would wait for."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from markdown_it.token import Token
from sqlalchemy import func, select

from newsletter.database import db
from newsletter.issues.findings import Finding, article_facts, article_place
from newsletter.issues.link_checks import inline_tokens, is_ours
from newsletter.issues.markdown import words
from newsletter.issues.models import Article, Image, ImageSize, Issue
from newsletter.locales import translatable

KB = 1000  # bytes
HEAVY = 400 * KB  # a picture
HEAVY_IN_ALL = 1500 * KB  # those of an issue in one language
NO_WORDS = frozenset({"describe the picture", "صف الصورة"})  # what stands there until somebody does


def doubtful(issue: Issue) -> Iterator[Finding]:
    """Pictures from elsewhere, without words for who cannot see them, or too heavy."""
    pictures = [(article, token) for article in issue.articles for token in _pictures_in(article)]
    sizes = _sizes({_key(str(token.attrs["src"])) for _, token in pictures})
    in_all: dict[str, int] = {}
    for article, token in pictures:
        source = str(token.attrs["src"])
        size = sizes.get(_key(source), 0)
        in_all[article.language] = in_all.get(article.language, 0) + size
        yield from _of_one(article, token, source, size)
    for article in issue.articles:
        total = in_all.pop(article.language, 0)
        if total > HEAVY_IN_ALL:
            yield Finding(
                "images-weight",
                translatable(
                    "The pictures of the %(language)s edition weigh %(size)s KB together."
                ),
                translatable("Leave some out: phones on slow lines wait for each."),
                facts=article_facts(article, size=total // KB),
            )


def _of_one(article: Article, token: Token, source: str, size: int) -> Iterator[Finding]:
    place = article_place(article)
    if not is_ours(source):
        yield Finding(
            "foreign-image",
            translatable(
                "The %(language)s article in %(section)s shows an image from elsewhere as a link"
                " only: %(url)s"
            ),
            translatable("Put the picture itself into the article, if you may use it."),
            place,
            article_facts(article, url=source),
        )
    alternative = words(token.children or ()).strip()
    if not alternative or alternative.casefold() in NO_WORDS:
        yield Finding(
            "alt-text",
            translatable(
                "The %(language)s article in %(section)s has an image without alternative text:"
                " %(url)s"
            ),
            translatable(
                "Say in the square brackets what is to be seen, for those who cannot see it."
            ),
            place,
            article_facts(article, url=source),
        )
    if size > HEAVY:
        yield Finding(
            "image-weight",
            translatable(
                "A picture of the %(language)s article in %(section)s weighs %(size)s KB: %(url)s"
            ),
            translatable("Put in one with fewer details, or a part of it."),
            place,
            article_facts(article, url=source, size=size // KB),
        )


def _pictures_in(article: Article) -> list[Token]:
    return [token for token in inline_tokens(article) if token.type == "image"]


def _sizes(keys: set[str]) -> dict[str, int]:
    """By the key of a picture of ours: how many bytes its largest size has."""
    if not keys:
        return {}
    rows = db.session.execute(
        select(Image.key, func.max(ImageSize.octets))
        .join(ImageSize, ImageSize.image_id == Image.id)
        .where(Image.key.in_(keys))
        .group_by(Image.key)
    )
    return dict(rows.all())


def _key(source: str) -> str:
    """What a picture of ours is known by: `…/images/KEY.jpg` or `…/images/KEY-600.jpg`."""
    name = urlsplit(source).path.rpartition("/")[2].partition(".")[0]
    return name.partition("-")[0]
