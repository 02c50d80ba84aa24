"""Search in all public issues.

A page of results is `no-store`: its address says what a reader looked for, and neither a proxy
nor the next person at the same computer should find it in a cache. Nothing writes a query down.
"""

from flask import make_response, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive.views import pages
from newsletter.issues import search as searching
from newsletter.locales import LANGUAGES
from newsletter.pages import absolute_url, page_language, settings


@pages.page("/search")
def search() -> AnyResponse:
    """What is found in the language of the page, and how much there is in the others.

    Whatever is asked for, there is an answer: a query of signs alone finds nothing, one that is
    too long is cut, and a page that is not there is the last one that is.
    """
    query = request.args.get("q", "").strip()
    number = request.args.get("page", 1, type=int)
    terms = searching.read_query(query)
    answer = searching.search(terms, page_language(), number)
    others = {
        tag: answer.by_language[tag]
        for tag in LANGUAGES
        if tag in answer.by_language and tag != page_language()
    }
    response = make_response(
        render_template(
            "archive/search.html",
            query=query,
            is_query=bool(terms),
            is_cut=len(query) > searching.LONGEST_QUERY,
            longest=searching.LONGEST_QUERY,
            answer=answer,
            total=answer.by_language.get(page_language(), 0),
            others=others,
            description=gettext("Search all issues of %(name)s.", name=settings().publication_name),
            addresses={tag: absolute_url("archive.search", tag) for tag in LANGUAGES},
        )
    )
    response.cache_control.no_store = True
    return response
