"""The page where readers confirm."""

from datetime import UTC, datetime

from flask import g, render_template

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.subscribers.pages import pages
from newsletter.subscribers.signup import confirm_signup, find_signup


@pages.get("/confirm/<token>")
def confirm(token: str) -> str:
    """One big button."""
    g.language = find_signup(token, now=datetime.now(UTC)).language
    return render_template("subscribers/confirm.html")


@pages.post("/confirm/<token>")
def act_on_confirm(token: str) -> str:
    """Confirm; a second press says kindly that it is done."""
    now = datetime.now(UTC)
    g.language = find_signup(token, now=now).language
    with transaction():
        confirmation = confirm_signup(token, now=now)
    hint("delivery.send_notices")
    return render_template("subscribers/confirmed.html", is_news=confirmation.is_news)
