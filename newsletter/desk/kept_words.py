"""What was typed is never lost on the way: a form that could not be saved is shown again.

The session may be over, its token too old, the database full. Whoever has JavaScript stays on
the page that they write on; everybody else gets their words back here, to be saved once more.
"""

from http import HTTPStatus

from flask import Response, g, jsonify, render_template, request

from newsletter.desk.door import pages

WRITING = {"desk.save", "desk.save_subject"}
LARGEST_FORM = 2 * 1024 * 1024  # bytes; two hundred thousand Arabic letters need it
HANDLED = {HTTPStatus.CONFLICT}  # with pages of their own that keep the words


def wants_json() -> bool:
    """Whether a script asks, which stays on its page whatever the answer."""
    return request.accept_mimetypes.best == "application/json"


def told(sentence: str, *, status: int = HTTPStatus.CONFLICT, two: bool = False) -> Response:
    """Tell the script why nothing was saved, and whether there are `two` texts now."""
    return _answer(jsonify(said=sentence, two=two), status)


@pages.url_value_preprocessor
def allow_long_texts(endpoint: str | None, _values: dict[str, object] | None) -> None:
    """Let a form hold the longest article; before anything reads it."""
    if endpoint in WRITING:
        request.max_form_memory_size = LARGEST_FORM


@pages.after_request
def give_words_back(response: Response) -> Response:
    """Answer a form that was not saved with a page that holds it."""
    if request.endpoint not in WRITING or request.method != "POST" or not _is_refused(response):
        return response
    status = response.status_code if g.get("editor_session") else HTTPStatus.UNAUTHORIZED
    if wants_json():
        return response if response.is_json else _answer(jsonify({}), status)
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return response  # somebody else's words
    return _answer(
        Response(render_template("desk/words_kept.html", fields=request.form, status=int(status))),
        status,
    )


def _is_refused(response: Response) -> bool:
    if g.get("editor_session") is None:
        return True
    return response.status_code >= HTTPStatus.BAD_REQUEST and response.status_code not in HANDLED


def _answer(response: Response, status: int) -> Response:
    response.status_code = status
    return response
