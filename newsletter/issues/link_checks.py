"""Where the links of an issue lead: which there are, and what is known of each.

Somebody asks, a worker tries them one by one, and the verdicts are kept by address: a link that
stands in four articles is tried once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from markdown_it.token import Token
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database import db, execute, is_sqlite
from newsletter.issues.markdown import UnreadableMarkup, parse
from newsletter.issues.models import Article, Issue, LinkCheck
from newsletter.pages import settings

FINE = ""
WAITING = "waiting"
KEPT = 32  # articles that were read; every check of an issue asks for them again
HOLDS_FOR = timedelta(days=7)  # then nobody knows any more


def inline_tokens(article: Article) -> tuple[Token, ...]:
    """What stands in the lines of an article, to be read only; nothing if it cannot be read."""
    return _inline_tokens(article.body)


def links_in(article: Article) -> list[str]:
    """The addresses on the web that an article leads to, each once, but for our own site's.

    An image from elsewhere is one of them: readers get it as a link.
    """
    found = [
        str(token.attrs.get("href") or token.attrs.get("src") or "")
        for token in inline_tokens(article)
        if token.type in {"link_open", "image"}
    ]
    return [url for url in dict.fromkeys(found) if _is_on_the_web(url) and not is_ours(url)]


def is_ours(url: str) -> bool:
    """Whether an address is one of our own site."""
    ours = settings().public_url
    return url == ours or url.startswith((f"{ours}/", f"{ours}?", f"{ours}#"))


def links_of(issue: Issue) -> list[str]:
    """The addresses that the articles of an issue lead to, each once."""
    return list(dict.fromkeys(url for article in issue.articles for url in links_in(article)))


def ask(urls: Collection[str], *, now: datetime) -> None:
    """Let a worker try these addresses anew."""
    rows = [{"url": url, "checked_at": now, "fault": WAITING} for url in sorted(set(urls))]
    if not rows:
        return
    insert = (sqlite if is_sqlite() else postgresql).insert(LinkCheck)
    again = {"checked_at": insert.excluded.checked_at, "fault": insert.excluded.fault}
    execute(insert.on_conflict_do_update(index_elements=[LinkCheck.url], set_=again), rows)


def waiting() -> Sequence[str]:
    """The addresses to be tried, those first that have waited longest."""
    return db.session.scalars(
        select(LinkCheck.url)
        .where(LinkCheck.fault == WAITING)
        .order_by(LinkCheck.checked_at, LinkCheck.url)
    ).all()


def record(url: str, fault: str, *, now: datetime) -> None:
    """Keep what was found; `fault` is empty for nothing."""
    execute(update(LinkCheck).where(LinkCheck.url == url).values(fault=fault, checked_at=now))


def verdicts(urls: Collection[str], *, now: datetime) -> dict[str, LinkCheck]:
    """What is known of these addresses, as far as it still holds."""
    rows = db.session.scalars(
        select(LinkCheck).where(LinkCheck.url.in_(urls), LinkCheck.checked_at > now - HOLDS_FOR)
    )
    return {row.url: row for row in rows}


def forget(*, now: datetime) -> None:
    """Delete what does not hold any more, also a question that nobody came to try."""
    execute(delete(LinkCheck).where(LinkCheck.checked_at <= now - HOLDS_FOR))


@lru_cache(maxsize=KEPT)
def _inline_tokens(markdown: str) -> tuple[Token, ...]:
    try:
        tokens = parse(markdown)
    except UnreadableMarkup:  # blocks the sending: rendering says so
        return ()
    return tuple(piece for token in tokens for piece in token.children or ())


def _is_on_the_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))
