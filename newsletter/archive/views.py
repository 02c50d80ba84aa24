"""Past issues, for everyone, from the moment their sending starts."""

from collections.abc import Iterable
from typing import Any

from flask import abort, g, make_response, render_template, request
from flask_babel import force_locale, gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive import public
from newsletter.archive import sections as shelves
from newsletter.archive.articles import on_page, opening
from newsletter.archive.feeds import last_change
from newsletter.archive.keeping import from_shelf, kept
from newsletter.issues.editions import articles_in
from newsletter.issues.front_matter import HIGHEST_NUMBER
from newsletter.issues.models import Issue
from newsletter.issues.sections import title_in
from newsletter.locales import LANGUAGES
from newsletter.pages import ReaderPages, absolute_url, language_name, page_language, settings

EARLIER = 3  # issues on the front page, besides the latest
NEWEST = HIGHEST_NUMBER + 1  # before this one there is every issue
NUMBER = f"int(max={HIGHEST_NUMBER})"

pages = ReaderPages("archive", __name__)


@pages.before_request
def know_the_sections() -> AnyResponse | None:
    """Every page of the archive has them in its head, and what it loads after needs them.

    A page that was made before needs nothing else.
    """
    g.sections, g.archive_stamp = shelves.all_sections()
    return from_shelf()


@pages.page("/")
def front() -> str:
    """What this is, whom it is for, the latest issue, and the form."""
    newest = public.newest_headlines(1 + EARLIER)
    shown = _what_it_says(newest[0]) if newest else {}
    return render_template(
        "archive/front.html",
        **shown,
        earlier=newest[1:],
        hints=_hints(),
        description=gettext(
            "%(name)s is a weekly report in sections. Read it here, or have it sent to you.",
            name=settings().publication_name,
        ),
        addresses=_addresses("archive.front", LANGUAGES),
    )


@pages.page("/issues/")
def issues() -> AnyResponse:
    """Every public issue, newest first, by year."""
    newest = public.all_issues()
    years: dict[int, list[Issue]] = {}
    for issue in newest:
        years.setdefault(issue.date.year, []).append(issue)
    html = render_template(
        "archive/issues.html",
        years=years,
        description=gettext("Every issue of %(name)s.", name=settings().publication_name),
        addresses=_addresses("archive.issues", LANGUAGES),
    )
    return kept(make_response(html), max(map(last_change, newest), default=None))


@pages.page(f"/issues/<{NUMBER}:number>")
def issue(number: int) -> AnyResponse:
    """The full report of one week."""
    found = public.public_issue(number) or abort(404)
    shown = _what_it_says(found.issue)
    html = render_template(
        "archive/issue.html",
        **shown,
        earlier=found.earlier,
        later=found.later,
        on_page=on_page,
        description=shown["subject"].preheader or shown["subject"].subject,
        addresses=_addresses("archive.issue", found.issue.languages, number=number),
    )
    return kept(make_response(html), last_change(found.issue))


@pages.page(f"/issues/<{NUMBER}:number>/<slug>")
def section(number: int, slug: str) -> AnyResponse:
    """What an issue says in one section, with the standing links to the others."""
    found = public.public_issue(number) or abort(404)
    shown = _what_it_says(found.issue)
    article = next((a for a in shown["articles"] if a.section.slug == slug), None) or abort(404)
    spoken = [a.language for a in found.issue.articles if a.section_id == article.section_id]
    html = render_template(
        "archive/section.html",
        **shown,
        article=article,
        on_page=on_page,
        description=f"{article.section_title}: {article.headline}",
        addresses=_addresses("archive.section", spoken, number=number, slug=slug),
    )
    return kept(make_response(html), last_change(found.issue))


@pages.page("/sections/<slug>")
def section_articles(slug: str) -> AnyResponse:
    """What every public issue said in a section, newest first; also in one that was retired."""
    section = next((one for one in g.sections if one.slug == slug), None) or abort(404)
    before = min(max(request.args.get("before", NEWEST, type=int), 0), NEWEST)
    place = {} if before == NEWEST else {"before": before}
    page = shelves.articles_of(section, (page_language(), settings().default_language), before)
    title = section.title(page_language())
    html = render_template(
        "archive/section_articles.html",
        section=section,
        page=page,
        is_newest=not place,
        opening=opening,
        description=gettext(
            "%(section)s in %(name)s: every article, newest first.",
            section=title,
            name=settings().publication_name,
        ),
        addresses=_addresses("archive.section_articles", LANGUAGES, slug=slug, **place),
    )
    return kept(
        make_response(html), max((last_change(e.issue) for e in page.entries), default=None)
    )


def _hints() -> dict[str, str]:
    """For each other language a line that says in it that this page is there, too."""
    hints = {}
    for tag in LANGUAGES:
        if tag != page_language():
            with force_locale(tag):
                hints[tag] = gettext("This page in %(language)s", language=language_name(tag))
    return hints


def _what_it_says(issue: Issue) -> dict[str, Any]:
    """What the pages show of a public issue, in the language of the page."""
    return {
        "issue": issue,
        "subject": issue.subject(page_language(), settings().default_language),
        "articles": articles_in(issue, page_language()),
        "title_in": title_in,
    }


def _addresses(endpoint: str, languages: Iterable[str], **values: str | int) -> dict[str, str]:
    """The public address of a page in each language that it really is written in."""
    return {tag: absolute_url(endpoint, tag, **values) for tag in LANGUAGES if tag in languages}
