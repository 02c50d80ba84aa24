"""The page where a partner chooses sections of an issue and copies them."""

from flask import abort, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive import public
from newsletter.archive.choosing import slugs_in
from newsletter.archive.extracts import choose, compose
from newsletter.archive.feeds import last_change
from newsletter.archive.keeping import kept
from newsletter.archive.views import NUMBER, pages
from newsletter.issues.editions import articles_in
from newsletter.issues.sections import title_in
from newsletter.pages import page_language


@pages.page(f"/issues/<{NUMBER}:number>/extract")
def extract(number: int) -> AnyResponse:
    """Boxes to tick, and below them what was chosen, to copy: `?sections=a,b`, or repeated."""
    found = public.public_issue(number) or abort(404)
    articles = articles_in(found.issue, page_language())
    chosen = choose(found.issue, articles, slugs_in(request.args.getlist("sections")))
    html = render_template(
        "archive/extract.html",
        issue=found.issue,
        articles=articles,
        chosen=chosen,
        extract=compose(found.issue, chosen) if chosen else None,
        choice=",".join(article.section.slug for article in chosen),
        title_in=title_in,
    )
    return kept(make_response(html), last_change(found.issue))
