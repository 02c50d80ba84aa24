"""Checks of links: where readers could not follow, by the address itself or by who tried it."""

import re
from collections.abc import Iterator
from datetime import datetime

from newsletter.issues.findings import Finding, article_facts, article_place
from newsletter.issues.link_checks import (
    FINE,
    WAITING,
    inline_tokens,
    is_ours,
    links_in,
    verdicts,
)
from newsletter.issues.models import Article, Issue
from newsletter.issues.web_address import Fault, Unopenable, read_address
from newsletter.locales import translatable
from newsletter.pages import settings

RELATIVE = re.compile(r"\]\(<?([^()<>\s]*)|\]:[ \t]+(\S*[/.]\S+)")
GUARDED = frozenset({"401", "403", "405", "406", "429", "451", "503", "999"})  # not for programs
OPEN_IT = translatable("Open it yourself; correct it, or take the link out.")
WORDS = {
    Fault.MISREAD: translatable(
        "The %(language)s article in %(section)s has a link that is no address: %(url)s"
    ),
    Fault.SCHEME: translatable(
        "The %(language)s article in %(section)s links to what is no page on the web: %(url)s"
    ),
    Fault.PORT: translatable(
        "The %(language)s article in %(section)s links to an unusual port, which was not tried:"
        " %(url)s"
    ),
    Fault.PRIVATE: translatable(
        "The %(language)s article in %(section)s links into a private network, where readers"
        " cannot follow: %(url)s"
    ),
    Fault.NO_HOST: translatable(
        "The %(language)s article in %(section)s links to a site that does not exist: %(url)s"
    ),
    Fault.UNREACHABLE: translatable(
        "The %(language)s article in %(section)s links to a site that does not answer: %(url)s"
    ),
    Fault.CERTIFICATE: translatable(
        "The %(language)s article in %(section)s links to a site that browsers warn of, because of"
        " its certificate: %(url)s"
    ),
    Fault.SLOW: translatable(
        "The %(language)s article in %(section)s links to a site that takes too long to answer:"
        " %(url)s"
    ),
    Fault.BROKEN: translatable(
        "The %(language)s article in %(section)s links to a site that breaks off its answer:"
        " %(url)s"
    ),
    Fault.CIRCLE: translatable(
        "The %(language)s article in %(section)s has a link that is passed on without end: %(url)s"
    ),
}
NOT_THERE = translatable(
    "The %(language)s article in %(section)s has a dead link (the site says %(status)s): %(url)s"
)
NOT_SHOWN = translatable(
    "The %(language)s article in %(section)s links to a page that is not shown to programs (the"
    " site says %(status)s): %(url)s"
)


def doubtful(issue: Issue, *, now: datetime) -> Iterator[Finding]:
    """Links that lead nowhere, or nowhere that readers could go."""
    links = {article.id: links_in(article) for article in issue.articles}
    known = verdicts({url for urls in links.values() for url in urls}, now=now)
    for article in issue.articles:
        yield from _relative(article)
        yield from _to_the_desk(article)
        for url in links[article.id]:
            fault = fault_of(url)
            if fault is None and url in known:
                fault = known[url].fault
            if fault not in {None, FINE, WAITING}:
                yield _dead(article, url, str(fault))


def fault_of(url: str) -> str | None:
    """What is wrong with an address without trying it; None if nothing shows."""
    try:
        address = read_address(url)
    except Unopenable as error:
        return error.fault
    return Fault.PRIVATE if address.is_private else None


def _relative(article: Article) -> Iterator[Finding]:
    """What was meant as a link, but has no full address: it stays the text that was typed."""
    text = "".join(
        "\n" if token.type == "softbreak" else token.content
        for token in inline_tokens(article)
        if token.type in {"text", "softbreak"}
    )
    for match in RELATIVE.finditer(text):
        target = match[1] or match[2] or ""
        yield Finding(
            "relative-link",
            translatable(
                "The %(language)s article in %(section)s has a link without a full address, which"
                " stays text: %(url)s"
            ),
            translatable("Write the whole address, with https:// in front."),
            article_place(article),
            article_facts(article, url=target or "()"),
        )


def _to_the_desk(article: Article) -> Iterator[Finding]:
    desk = f"{settings().public_url}/desk"
    for token in inline_tokens(article):
        url = str(token.attrs.get("href", ""))
        if token.type == "link_open" and is_ours(url) and url.startswith(desk):
            yield Finding(
                "desk-link",
                translatable(
                    "The %(language)s article in %(section)s links to the desk, where readers"
                    " cannot go: %(url)s"
                ),
                translatable("Link to the page on the website instead."),
                article_place(article),
                article_facts(article, url=url),
            )


def _dead(article: Article, url: str, fault: str) -> Finding:
    if fault.isdecimal():
        words = NOT_SHOWN if fault in GUARDED else NOT_THERE
    else:
        words = WORDS[Fault(fault)]
    return Finding(
        "link",
        words,
        OPEN_IT,
        article_place(article),
        article_facts(article, url=url, status=fault),
    )
