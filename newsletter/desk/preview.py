"""Look at the real mail: any edition of an issue, as a phone or a desktop would show it.

The mail has inline styles, which our pages may not, and editors' words: it is served from an
address of its own, in a sandbox without scripts, forms, or anything from elsewhere. The page
around it may look inside, to keep the place that was scrolled to.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import Response, render_template
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from newsletter.desk.overview import offered_languages
from newsletter.errors import NewsletterError
from newsletter.issues import choice as choices
from newsletter.issues.editions import NothingChosen, RenderedEdition, render_edition
from newsletter.issues.models import Format, Issue
from newsletter.issues.proofs import with_nobodys_links
from newsletter.issues.sections import sections_of
from newsletter.locales import direction

SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-same-origin; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'self'"
)
DARK_ONLY = "(prefers-color-scheme: dark)"


class Width(StrEnum):
    """How wide the mail is shown."""

    DESKTOP = "desktop"
    PHONE = "phone"


class Light(StrEnum):
    """Whether it is shown as a mail program in light or in dark would."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class View:
    """Which edition of an issue is looked at, and how."""

    language: str
    sections: tuple[str, ...]
    choice: int
    format: Format
    width: Width
    light: Light

    @property
    def arguments(self) -> dict[str, Any]:
        """What stands for it in an address or in a form."""
        return {
            "edition": self.language,
            "sections": self.sections,
            "format": self.format.value,
            "width": self.width.value,
            "light": self.light.value,
        }


def read_view(issue: Issue, asked: MultiDict[str, str]) -> View:
    """What was asked for; whatever is missing or unknown is the first there is, or all."""
    wanted = set(asked.getlist("sections"))
    sections = [section for section in sections_of(issue) if section.slug in wanted]
    return View(
        language=_one_of(offered_languages(), asked.get("edition")),
        sections=tuple(section.slug for section in sections),
        choice=choices.of(section.id for section in sections),
        format=Format(_one_of([one.value for one in Format], asked.get("format"))),
        width=Width(_one_of([one.value for one in Width], asked.get("width"))),
        light=Light(_one_of([one.value for one in Light], asked.get("light"))),
    )


def edition_of(issue: Issue, view: View) -> RenderedEdition:
    """Render what is looked at; raises what `editions.render_edition` raises."""
    return render_edition(issue, view.language, view.choice, view.format)


def as_page(edition: RenderedEdition, view: View) -> Response:
    """The mail itself, in its sandbox; links open in another tab, readers' own are nobody's."""
    if edition.html is None:
        html = render_template(
            "desk/text_mail.html",
            text=with_nobodys_links(edition.text),
            language=view.language,
            direction=direction(view.language),
            light=view.light,
        )
    else:
        html = _in_light(with_nobodys_links(edition.html), view.light)
    return Response(html, headers={"Content-Security-Policy": SANDBOX})


def instead(error: NewsletterError, view: View) -> Response:
    """What is shown in the place of a mail that can't be made as it is; no fault of the request."""
    if isinstance(error, NothingChosen):
        heading, sentence = gettext("There is no text to show yet."), ""
    else:
        heading, sentence = gettext("A mail can't be made of this text as it is."), str(error)
    html = render_template(
        "desk/no_mail.html", heading=heading, sentence=sentence, light=view.light
    )
    return Response(html, headers={"Content-Security-Policy": SANDBOX})


def _in_light(html: str, light: Light) -> str:
    """Let the style sheets in the head hold for the light wanted, not for that of the browser."""
    head, end, body = html.partition("</head>")
    head = head.replace(DARK_ONLY, "all" if light is Light.DARK else "not all")
    return f'{head}<base target="_blank">{end}{body}'


def _one_of(known: list[str], wanted: str | None) -> str:
    return wanted if wanted in known else known[0]
