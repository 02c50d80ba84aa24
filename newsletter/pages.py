"""What all pages share: languages under a prefix, security headers, a page for every refusal."""

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from email.utils import parseaddr
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    g,
    jsonify,
    render_template,
    request,
    url_for,
)
from flask_babel import Babel, format_date, format_datetime, get_locale, gettext, to_user_timezone
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response as AnyResponse

from newsletter.errors import NewsletterError
from newsletter.links import Links
from newsletter.locales import LANGUAGES, direction
from newsletter.settings import Settings

View = Callable[..., Any]

DAY = "d MMMM y"
CLOCK = "HH:mm zzz"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=63072000; includeSubDomains"
DESK = "desk."  # its pages have no prefix: a language in their addresses is that of a text
FOR_EVER = "public, max-age=31536000, immutable"  # an address that names its content


class Application(Flask):
    """Flask, but for what it writes down when something breaks."""

    def log_exception(self, exc_info: Any) -> None:
        """Name the view and not the address asked for, which may hold a reader's token."""
        self.logger.error("%s broke", request.endpoint, exc_info=exc_info)


class ReaderPages(Blueprint):
    """A blueprint whose pages stand under a prefix (`/ar/issues/87`) in every other language.

    In the default language they have none. The page being made knows its `page_language()`.
    """

    def page(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Register a view under its address and under `/<language>` before it."""

        def register(view: View) -> View:
            tags = ",".join(LANGUAGES)
            prefixed = f"/<any({tags}):language>{rule}"
            self.add_url_rule(rule, view_func=view, **options)
            self.add_url_rule(prefixed, view_func=view, **options)
            return view

        return register


def init_pages(app: Flask) -> None:
    """Install what all pages share."""
    Babel(app, locale_selector=page_language, timezone_selector=page_zone)
    app.before_request(_refuse_nul)
    app.url_value_preprocessor(_take_language)
    app.url_defaults(_keep_language)
    app.context_processor(_page_context)
    app.add_template_filter(day)
    app.add_template_filter(language_name)
    app.after_request(_add_headers)
    app.register_error_handler(NewsletterError, _refuse)
    app.register_error_handler(HTTPException, _refuse_request)


def _refuse_nul() -> None:
    """PostgreSQL takes no NUL in a text, so nothing is called by one."""
    if "\0" in request.path:
        abort(404)


def settings() -> Settings:
    """The settings of the running application."""
    return cast(Settings, current_app.extensions["settings"])


def links() -> Links:
    """What makes and reads the signed links of the running application."""
    return cast(Links, current_app.extensions["links"])


def page_language() -> str:
    """The language of the page being made: from its address, or set in `g.language`."""
    return cast(str, g.get("language") or settings().default_language)


def page_zone() -> str:
    """The zone of the times on the page being made: set in `g.time_zone`, or the publication's."""
    return cast(str, g.get("time_zone") or settings().time_zone)


def absolute_url(endpoint: str, language: str | None = None, **values: str | int) -> str:
    """The public address of a page; also outside of a request, in a worker."""
    config = settings()
    if language not in {None, config.default_language}:
        values["language"] = language
    parts = urlsplit(config.public_url)
    adapter = current_app.url_map.bind(parts.netloc, url_scheme=parts.scheme)
    return adapter.build(endpoint, values, force_external=True)


def asset_url(filename: str) -> str:
    """The address of a static file, which names its content: browsers may keep it for ever."""
    folder = cast(str, current_app.static_folder)
    return url_for("static", filename=filename, v=_fingerprint(Path(folder) / filename))


def this_page_in(language: str) -> str:
    """The address of the page being made in another language, or else of the front page.

    What was asked for stays: the words searched for, the sections chosen.
    """
    endpoint = request.endpoint
    if endpoint is None or not current_app.url_map.is_endpoint_expecting(endpoint, "language"):
        return url_for("archive.front", language=language)
    page = url_for(endpoint, language=language, **(request.view_args or {}))
    query = urlencode(list(request.args.items(multi=True)))
    return f"{page}?{query}" if query else page


@lru_cache
def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def download(text: str, mimetype: str, filename: str) -> Response:
    """A text to be kept as a file; its name is made by us, of letters that need no escape."""
    response = Response(text, mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def day(given: date) -> str:
    """A date in words, in the language of the page or mail being made; no time zone moves it."""
    return str(format_date(date(given.year, given.month, given.day), DAY))


def moment(time: datetime, zone: str | None = None) -> str:
    """Date and time in words, by the clock of the page or of another zone."""
    local = time.astimezone(ZoneInfo(zone)) if zone else to_user_timezone(time)
    day, clock = (format_datetime(local, form, rebase=False) for form in (DAY, CLOCK))
    return str(gettext("%(date)s, %(time)s", date=day, time=clock))


def language_name(tag: str) -> str:
    """What a language is called in the language of the page or mail being made."""
    return Locale.parse(tag).get_display_name(get_locale()) or tag


def _take_language(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """The language of an address; where there is no such page, it is missing in that language."""
    if endpoint and endpoint.startswith(DESK):
        g.language = None
        return
    first = request.path.split("/")[1] if values is None else values.pop("language", None)
    g.language = first if first in LANGUAGES else None


def _keep_language(endpoint: str, values: dict[str, Any]) -> None:
    """Links on an Arabic page lead to Arabic pages, where there is a choice."""
    if endpoint.startswith(DESK):
        return
    language = values.pop("language", None) or page_language()
    if language != settings().default_language and current_app.url_map.is_endpoint_expecting(
        endpoint, "language"
    ):
        values["language"] = language


def _page_context() -> dict[str, Any]:
    language = page_language()
    return {
        "settings": settings(),
        "language": language,
        "direction": direction(language),
        "languages": LANGUAGES,
        "absolute_url": absolute_url,
        "asset_url": asset_url,
        "this_page_in": this_page_in,
        "contact": parseaddr(settings().contact)[1],
    }


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    names_its_content = request.endpoint == "static" and "v" in request.args
    if names_its_content and response.status_code < HTTPStatus.BAD_REQUEST:
        response.headers["Cache-Control"] = FOR_EVER
    if not settings().is_trial:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    return response


def _refuse(error: NewsletterError) -> AnyResponse:
    response = _refusal(error.status, error.page, str(error), error)
    response.headers.update(error.headers)
    return response


def _refuse_request(error: HTTPException) -> AnyResponse:
    """A refusal by the framework (not found, too large …), on the same pages."""
    if isinstance(error, SecurityError):  # not our host: there are no addresses to make a page of
        return Response("This is not the host that you asked for.\n", 400, mimetype="text/plain")
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error.get_response()
    known = {404: "not_found", 405: "bad_request", 413: "too_large", 429: "too_many", 500: "broken"}
    response = _refusal(error.code, known.get(error.code, "bad_request"), error.description or "")
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _refusal(status: int, page: str, sentence: str, error: object = None) -> AnyResponse:
    if request.path.startswith("/api/"):
        body = {
            "type": "about:blank" if error is None else f"urn:newsletter:{page}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": sentence,
        }
        response = jsonify(body)
        response.content_type = "application/problem+json"
    else:
        if request.endpoint is None or "token" in (request.view_args or {}):
            _guess_language()
        html = render_template(f"refusals/{page}.html", error=error, sentence=sentence)
        response = Response(html)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _guess_language() -> None:
    """Where no address and no record says which language a reader has, their browser may."""
    if g.get("language") is None:
        g.language = request.accept_languages.best_match(list(LANGUAGES))
