"""The pages where readers subscribe and confirm."""

from datetime import UTC, datetime

from flask import g, render_template
from flask_babel import gettext

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.errors import NewsletterError
from newsletter.limits import TooMany
from newsletter.locales import translatable
from newsletter.mail.addresses import BadAddress
from newsletter.subscribers.entrance import take_signup
from newsletter.subscribers.forms import (
    Typed,
    consent_wording,
    is_fresh,
    signup_form,
)
from newsletter.subscribers.pages import pages
from newsletter.subscribers.signup import confirm_signup, find_signup
from newsletter.subscribers.wishes import UnknownLanguage, UnknownSection

KEPT_TYPED: dict[type[NewsletterError], str] = {  # refused with the form as it was filled in
    TooMany: translatable(
        "So many are signing up at the moment that we had to pause. Nothing was sent: please press"
        " again in a while."
    ),
    UnknownSection: translatable(
        "One of the sections is not offered any more. Please look over your choice and press again."
    ),
    UnknownLanguage: translatable(
        "We do not write in this language. Please choose another one and press again."
    ),
}
pages.app_template_global()(signup_form)


@pages.page("/subscribe")
def subscribe() -> str:
    """The form, on a page of its own."""
    return render_template("subscribers/subscribe.html", form=signup_form())


@pages.page("/subscribe", methods=["POST"])
def ask() -> tuple[str, int] | tuple[str, int, dict[str, str]]:
    """Take a signup; the answer is the same for every address."""
    typed = Typed.from_request()
    try:
        if not is_fresh(typed.stamp, datetime.now(UTC)):
            form = signup_form(typed, asks_again=True)
            return render_template("subscribers/subscribe.html", form=form), 200
        take_signup(
            typed.address,
            typed.sections,
            typed.language,
            source="form:/subscribe",
            wording=consent_wording(),
        )
    except BadAddress as error:
        form = signup_form(typed, gettext(error.flaw.value))
        return render_template("subscribers/subscribe.html", form=form), error.status
    except tuple(KEPT_TYPED) as error:
        form = signup_form(typed, refusal=gettext(KEPT_TYPED[type(error)]))
        page = render_template("subscribers/subscribe.html", form=form)
        return page, error.status, dict(error.headers)
    return render_template("subscribers/asked.html"), 200


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
