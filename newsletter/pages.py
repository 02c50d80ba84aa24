"""What all pages share: languages under a prefix, security headers, a page for every refusal."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, g, jsonify, render_template, request
from flask_babel import Babel
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from newsletter.errors import NewsletterError
from newsletter.links import Links
from newsletter.locales import LANGUAGES, direction
from newsletter.settings import Settings

View = Callable[..., Any]

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
    Babel(app, locale_selector=page_language)
    app.url_value_preprocessor(_take_language)
    app.url_defaults(_keep_language)
    app.context_processor(_page_context)
    app.after_request(_add_headers)
    app.register_error_handler(NewsletterError, _refuse)
    app.register_error_handler(HTTPException, _refuse_request)


def settings() -> Settings:
    """The settings of the running application."""
    return cast(Settings, current_app.extensions["settings"])


def links() -> Links:
    """What makes and reads the signed links of the running application."""
    return cast(Links, current_app.extensions["links"])


def page_language() -> str:
    """The language of the page being made: from its address, or set in `g.language` by a view."""
    return cast(str, g.get("language") or settings().default_language)


def absolute_url(endpoint: str, language: str | None = None, **values: str | int) -> str:
    """The public address of a page; also outside of a request, in a worker."""
    config = settings()
    if language not in {None, config.default_language}:
        values["language"] = cast(str, language)
    parts = urlsplit(config.public_url)
    adapter = current_app.url_map.bind(parts.netloc, url_scheme=parts.scheme)
    return adapter.build(endpoint, values, force_external=True)


def _take_language(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values and "language" in values:
        g.language = values.pop("language")


def _keep_language(endpoint: str, values: dict[str, Any]) -> None:
    """Links on an Arabic page lead to Arabic pages, where there is a choice."""
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
    }


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not settings().is_trial:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    return response


def _refuse(error: NewsletterError) -> AnyResponse:
    return _refusal(error.status, error.page, str(error), error)


def _refuse_request(error: HTTPException) -> AnyResponse:
    """A refusal by the framework (not found, too large …), on the same pages."""
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return cast(AnyResponse, error.get_response())
    known = {404: "not_found", 405: "not_found", 413: "too_large", 429: "too_many", 500: "broken"}
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
        html = render_template(f"refusals/{page}.html", error=error, sentence=sentence)
        response = Response(html)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
