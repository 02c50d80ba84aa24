"""A browser in which somebody has come in before is counted apart from strangers who guess.

So nobody keeps the owner of an account out by guessing at it from many networks (OWASP, "device
cookies"). The cookie outlives the session and opens nothing. It holds a keyed hash of the address:
we need not keep anything, and every web process knows it.
"""

import hmac

from flask import Response, after_this_request, current_app, request

COOKIE = "desk_browser"
LASTS = 400 * 24 * 60 * 60  # seconds: the longest that browsers allow (RFC 6265bis 5.5)


def know_this_browser(account: str) -> None:
    """Let the browser that is being answered be known for this account."""
    config = current_app.config

    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie(
            COOKIE,
            _proof(account, config["SECRET_KEY"]),
            max_age=LASTS,
            path=config["SESSION_COOKIE_PATH"],
            secure=config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Lax",
        )
        return response


def is_known(account: str) -> bool:
    """Whether somebody has come in to this account by the browser that asks."""
    shown = request.cookies.get(COOKIE, "").encode()
    keys = [current_app.config["SECRET_KEY"], *current_app.config["SECRET_KEY_FALLBACKS"]]
    return any(hmac.compare_digest(_proof(account, key).encode(), shown) for key in keys)


def _proof(account: str, key: str) -> str:
    words = f"known browser of {account}"
    return hmac.digest(key.encode(), words.encode(), "sha256").hex()
