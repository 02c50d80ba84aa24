"""Who we are, and what becomes of what readers tell us: made from what is really stored."""

from flask import g, make_response, render_template
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.archive.keeping import kept
from newsletter.archive.stored import holdings
from newsletter.archive.views import pages
from newsletter.locales import LANGUAGES
from newsletter.pages import absolute_url, settings


@pages.page("/about")
def about() -> AnyResponse:
    """What this publication is, how it keeps its readers safe, and everything that it stores."""
    html = render_template(
        "archive/about.html",
        sections=[section for section in g.sections if not section.retired_at],
        holdings=holdings(),
        description=gettext(
            "What %(name)s is, who makes it, and what it stores about its readers.",
            name=settings().publication_name,
        ),
        addresses={tag: absolute_url("archive.about", tag) for tag in LANGUAGES},
    )
    return kept(make_response(html), changed_at=None)
