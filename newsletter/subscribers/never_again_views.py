"""The page behind "never write to me again"; GET shows, POST acts."""

from datetime import UTC, datetime

from flask import g, render_template
from flask_babel import gettext

from newsletter.database import transaction
from newsletter.locales import offered_or
from newsletter.mail.addresses import BadAddress, parse_address
from newsletter.pages import page_language
from newsletter.subscribers.forms import Answer, Typed, address_form
from newsletter.subscribers.never_again import (
    OtherAddress,
    find_request,
    is_kept_away,
    keep_away,
)
from newsletter.subscribers.pages import pages


@pages.page("/never-again/<token>")
def never_again(token: str) -> str:
    """One big button, and a field for the address if we have forgotten it."""
    if is_kept_away(token):
        return render_template("subscribers/kept_away.html")
    form = address_form() if _is_forgotten(token) else None
    return render_template("subscribers/never_again.html", form=form)


@pages.page("/never-again/<token>", methods=["POST"])
def act_on_never_again(token: str) -> str | tuple[str, int]:
    """Suppress; a second press says that it is done."""
    if is_kept_away(token):
        return render_template("subscribers/kept_away.html")
    typed = Typed.from_request()
    try:
        address = parse_address(typed.address) if _is_forgotten(token) else None
        with transaction():
            keep_away(token, address, now=datetime.now(UTC))
    except BadAddress as error:
        return _again(typed, gettext(error.flaw.value))
    except OtherAddress:
        return _again(typed, gettext("This is not the address that our mail came to."))
    return render_template("subscribers/kept_away.html")


def _is_forgotten(token: str) -> bool:
    """Whether the address must be typed; the page speaks the language of the request."""
    signup = find_request(token)
    if signup is not None:
        g.language = offered_or(signup.language, page_language())
    return signup is None


def _again(typed: Typed, error: str) -> tuple[str, int]:
    form = address_form(typed, Answer(error=error))
    return render_template("subscribers/never_again.html", form=form), 400
