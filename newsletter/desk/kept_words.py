"""What was typed is never lost on the way: a form that could not be saved is shown again.

The session may be over, its token too old, the database full. Whoever has JavaScript stays on
the page that they write on; everybody else gets their words back here, to be saved once more.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Response, g, jsonify, render_template, request
from flask_babel import format_decimal, gettext
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from newsletter.desk.door import pages
from newsletter.issues.writing import TooLong

WRITING = {"desk.save", "desk.save_subject"}
LARGEST_FORM = 8 * 1024 * 1024  # bytes; what is too long to be saved is still given back


def keeps_words(view: Callable[..., Any]) -> Callable[..., Any]:
    """Say of a view that the words are stored when it answers, or stand in what it answers.

    Whatever is answered in its place, by the door or because something broke, holds none.
    """

    @wraps(view)
    def keeping(*args: object, **kwargs: object) -> Any:
        answer = view(*args, **kwargs)
        g.words_are_kept = True
        return answer

    return keeping


def wants_json() -> bool:
    """Whether a script asks, which stays on its page whatever the answer."""
    return request.accept_mimetypes.best == "application/json"


def why_too_long(error: TooLong) -> str:
    """By how much a text is too long, in the language of the page."""
    facts = {name: format_decimal(number) for name, number in error.facts.items()}
    sentence: str = gettext(error.words, **facts)
    return sentence


def told(sentence: str, *, status: int = HTTPStatus.CONFLICT, two: bool = False) -> Response:
    """Tell the script why nothing was saved, and whether there are `two` texts now."""
    return _answer(jsonify(said=sentence, two=two), status)


@pages.url_value_preprocessor
def allow_long_texts(endpoint: str | None, _values: dict[str, object] | None) -> None:
    """Let a form hold the longest article; before anything reads it."""
    if endpoint in WRITING:
        request.max_content_length = request.max_form_memory_size = LARGEST_FORM


@pages.after_request
def give_words_back(response: Response) -> Response:
    """Answer a form that was not saved with a page that holds it."""
    if request.endpoint not in WRITING or request.method != "POST" or g.get("words_are_kept"):
        return response
    way_in = response.location  # the door leads there
    status = HTTPStatus.UNAUTHORIZED if way_in else response.status_code
    if wants_json():
        return _tell_script(status)
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return response  # somebody else's words
    fields = _typed()
    if fields is None:
        return response
    html = render_template("desk/words_kept.html", fields=fields, status=int(status), way_in=way_in)
    return _answer(Response(html), status)


def _tell_script(status: int) -> Response:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return told(gettext("This text is longer than we can take. Shorten it."), status=status)
    return _answer(jsonify({}), status)


def _typed() -> MultiDict[str, str] | None:
    """The form that was sent, if it is short enough to be read."""
    try:
        return request.form
    except RequestEntityTooLarge:
        return None


def _answer(response: Response, status: int) -> Response:
    response.status_code = status
    return response
