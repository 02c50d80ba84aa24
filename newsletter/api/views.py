"""JSON for programs: the same signup as the form, at the same entrance.

Refusals are problem documents (RFC 9457).
"""

from flask import Blueprint, Response, jsonify, request

from newsletter.api.schemas import BadDocument, read_subscription_request
from newsletter.pages import settings
from newsletter.subscribers.entrance import Asked, OnceMore, take_signup

JSON = "application/json"
WORDING = "(asked by a program, which has shown words of its own)"
ACCEPTED = {
    "status": "accepted",
    "detail": "If we may write to this address, a mail that asks for confirmation is on its way.",
}

pages = Blueprint("api", __name__, url_prefix="/api/v1")


@pages.post("/subscriptions")
def subscriptions() -> tuple[Response, int]:
    """Take a signup; the answer is the same for every address.

    Only JSON that says so is taken: a page of another site can't make its visitors' browsers send
    it without asking us first, and we do not answer such questions (no CORS).
    """
    if request.mimetype != JSON:
        raise BadDocument(f"Please send a JSON document with the Content-Type {JSON}.")
    wanted = read_subscription_request(request.get_data())
    take_signup(
        Asked(
            wanted.address,
            tuple(wanted.sections),
            wanted.language or settings().default_language,
            wanted.stamp,
        ),
        source="api",
        wording=WORDING,
        is_form=False,
    )
    return jsonify(ACCEPTED), 202


@pages.errorhandler(OnceMore)
def ask_once_more(error: OnceMore) -> Response:
    """During an attack: a problem document with the stamp that the repeated request needs."""
    response = jsonify(
        type=f"urn:newsletter:{error.page}",
        title="Please repeat this request",
        status=error.status,
        detail=str(error),
        stamp=error.stamp,
    )
    response.status_code = error.status
    response.content_type = "application/problem+json"
    response.headers.update({**error.headers, "Cache-Control": "no-store"})
    return response
