"""Make a mail from its folder in `emails/`: Jinja fills the words in, MJML lays them out.

In this order and never the other way round: finished HTML holds editors' words, so nothing
may interpret it again. Editors' words are escaped on the way in; what is laid out is checked on
the way out, because the engine silently accepts tags it does not know, and a mail that loads
anything from elsewhere would tell a stranger who reads it.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from flask_babel import force_locale, gettext, ngettext
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from mjml import mjml2html

from newsletter import locales
from newsletter.mail.inlining import inline_styles
from newsletter.pages import day, language_name, moment

EMAILS = Path(__file__).parents[2] / "emails"
HEAD_TAGS = {"mj-head", "mj-title", "mj-preview", "mj-attributes", "mj-all", "mj-class", "mj-style"}
BODY_TAGS = {"mj-body", "mj-section", "mj-column", "mj-text", "mj-button", "mj-divider", "mj-raw"}
MJML_TAG = re.compile(r"</?(mj-[\w-]*)", re.IGNORECASE)
LOADING_TAGS = {"link", "script", "iframe", "frame", "object", "embed", "video", "audio", "source"}
LOADING_STYLE = re.compile(r"@import|@font-face|url\(", re.IGNORECASE)
NOT_TEXT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
BLANK_LINES = re.compile(r"\n{3,}")


class RenderingError(Exception):
    """A mail cannot be made from these words; says which mail and why."""


@dataclass(frozen=True)
class RenderedMail:
    """One mail ready to be wrapped in MIME: a subject of one line, and the same words twice."""

    subject: str
    text: str
    html: str


def render_mail(name: str, language: str, **context: object) -> RenderedMail:
    """Render `emails/<name>` in a language; the templates say what context they take.

    Needs an application context for the translations. Reader's links pass through untouched.
    Raises `RenderingError` for markup that cannot be laid out or would load something, and
    `jinja2.UndefinedError` for missing context.
    """
    context |= {"language": language, "direction": locales.direction(language)}
    try:
        with force_locale(language):
            subject, text, mjml = (
                NOT_TEXT.sub("", _environment.get_template(f"{name}/{part}").render(context))
                for part in ("subject.txt", "body.txt", "body.mjml")
            )
        html = _lay_out(mjml)
    except ValueError as error:
        raise RenderingError(f"The mail '{name}' cannot be laid out: {error}") from error
    return RenderedMail(subject=" ".join(subject.split()), text=_tidy(text), html=html)


def _lay_out(mjml: str) -> str:
    unknown = set(MJML_TAG.findall(mjml)) - HEAD_TAGS - BODY_TAGS
    if unknown:
        raise ValueError(f"unknown tags {', '.join(sorted(unknown))}")
    html: str = mjml2html(mjml, fonts={})  # by default some would come from a third party
    _Check().feed(html)
    return html


class _Check(HTMLParser):
    """Refuses HTML that loads style, script or font, or that the engine did not understand."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in LOADING_TAGS or tag.startswith("mj-"):
            raise ValueError(f"<{tag}> may not be in a mail")
        self._check_style(dict(attrs).get("style"))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self._check_style(data)

    @staticmethod
    def _check_style(style: str | None) -> None:
        if style and LOADING_STYLE.search(style):
            raise ValueError(f"a style may not load anything: {style}")


def _tidy(text: str) -> str:
    """One kind of line end, no blanks before it, at most one empty line, one end."""
    lines = (line.rstrip() for line in text.splitlines())
    return BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n") + "\n"


def _count(singular: str, plural: str, number: int) -> str:
    """The plural form for a number; one that is missing is named, whatever the language."""
    return str(ngettext(singular, plural, int(number)))


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(EMAILS),
        autoescape=select_autoescape(["mjml"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # the engine chokes on "</mj-style>  </mj-head>"
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(gettext, _count, newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    environment.filters["styled"] = inline_styles
    environment.filters["day"] = day
    environment.filters["moment"] = moment
    environment.filters["language_name"] = language_name
    return environment


_environment = _make_environment()
