"""Extracts: some sections of an issue, for a partner to republish with the standing footer.

What is copied is plain HTML that brings its own language and direction and absolute addresses,
and neither style nor script: it looks like the page it is put on, and nobody is counted by it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import render_template
from markupsafe import Markup

from newsletter.archive.articles import in_feed
from newsletter.errors import NewsletterError
from newsletter.issues.models import Article, Issue
from newsletter.issues.sections import section_links, sections_of
from newsletter.pages import absolute_url, page_language

ALIGNED = re.compile(r'<(t[hd]) align="\w+"')  # in text there is no "<"
LONGEST_QUOTE = 60  # characters of a wrong word that a refusal repeats


class NotInThisIssue(NewsletterError):
    """An extract was asked for with a section that the issue says nothing in."""

    page = "not_in_this_issue"
    status = 404

    def __init__(self, number: int, slug: str, known: Iterable[str]) -> None:
        self.number = number
        self.slug = slug[:LONGEST_QUOTE]
        super().__init__(
            f"Issue {number} has no section {self.slug!a}. Its sections are: {', '.join(known)}."
        )


@dataclass(frozen=True)
class Extract:
    """What a partner copies: `html` for the page, `canonical` for its head."""

    html: Markup
    canonical: Markup


def choose(issue: Issue, articles: Sequence[Article], slugs: Iterable[str]) -> list[Article]:
    """Those of an issue's articles that are wanted; raises `NotInThisIssue` for any other slug."""
    known = {article.section.slug: article for article in articles}
    wanted = set(slugs)
    for slug in sorted(wanted - known.keys()):
        raise NotInThisIssue(issue.number, slug, known)
    return [article for slug, article in known.items() if slug in wanted]


def compose(issue: Issue, chosen: Sequence[Article]) -> Extract:
    """These articles as HTML in the language of the page, with the standing footer."""
    language = page_language()
    report = absolute_url("archive.issue", language, number=issue.number)
    slugs = {article.section.slug for article in chosen}
    links = dict(
        zip((s.slug for s in sections_of(issue)), section_links(issue, language), strict=True)
    )
    html = render_template(
        "archive/extract_piece.html",
        issue=issue,
        articles=chosen,
        report=report,
        links=links,
        others=[link for slug, link in links.items() if slug not in slugs],
        body=_body,
    )
    canonical = links[slugs.pop()].url if len(slugs) == 1 else report
    return Extract(
        html=Markup(html),  # noqa: S704 - of our own template, which escapes
        canonical=Markup('<link rel="canonical" href="{}">').format(canonical),
    )


def _body(article: Article, url: str) -> Markup:
    """The body without its only attribute of style: how tables look is the partner's to say."""
    return Markup(ALIGNED.sub(r"<\1", str(in_feed(article, url))))  # noqa: S704 - it was safe before
