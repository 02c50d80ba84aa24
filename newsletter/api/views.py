"""JSON for programs: the same signup as the form, at the same entrance.

Refusals are problem documents (RFC 9457).
"""

from flask import Blueprint, Response, jsonify, request

from newsletter.api.schemas import read_subscription_request
from newsletter.pages import settings
from newsletter.subscribers.entrance import take_signup

WORDING = "(asked by a program, which has shown words of its own)"
ACCEPTED = {
    "status": "accepted",
    "detail": "If we may write to this address, a mail that asks for confirmation is on its way.",
}

pages = Blueprint("api", __name__, url_prefix="/api/v1")


@pages.post("/subscriptions")
def subscriptions() -> tuple[Response, int]:
    """Take a signup; the answer is the same for every address."""
    wanted = read_subscription_request(request.get_data())
    take_signup(
        wanted.address,
        wanted.sections,
        wanted.language or settings().default_language,
        source="api",
        wording=WORDING,
    )
    return jsonify(ACCEPTED), 202
