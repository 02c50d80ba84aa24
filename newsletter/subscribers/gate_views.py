"""The forms that ask for an address: to subscribe, and to get one's links.

Every one of them stands at the same gate and answers the same way for every address.
"""

from collections.abc import Callable

from flask import Response, make_response, render_template
from flask_babel import gettext

from newsletter.errors import NewsletterError
from newsletter.limits import TooMany
from newsletter.locales import translatable
from newsletter.mail.addresses import BadAddress
from newsletter.pages import page_language
from newsletter.subscribers.blocking import BlockedAddress
from newsletter.subscribers.entrance import OnceMore, take_links_request, take_signup
from newsletter.subscribers.forms import (
    AddressForm,
    Answer,
    Typed,
    address_form,
    consent_wording,
    signup_form,
)
from newsletter.subscribers.pages import pages
from newsletter.subscribers.wishes import UnknownLanguage, UnknownSection

Form = Callable[[Typed, Answer], AddressForm]

KEPT_TYPED: dict[type[NewsletterError], str] = {  # refused with the form as it was filled in
    TooMany: translatable(
        "So many are signing up at the moment that we had to pause. Nothing was sent: please press"
        " again in a while."
    ),
    BlockedAddress: translatable(
        "We don't take this kind of address. Please use another one that you read yourself."
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
def ask() -> Response:
    """Take a signup; the answer is the same for every address."""
    return answer_signup_form(
        "subscribers/subscribe.html", "subscribers/asked.html", source="form:/subscribe"
    )


@pages.page("/manage")
def manage() -> str:
    """For readers without an old mail at hand: the form that asks for one with their links."""
    return render_template("subscribers/manage.html", form=address_form())


@pages.page("/manage", methods=["POST"])
def ask_for_links() -> Response:
    """Take the request; the answer is the same for every address."""
    typed = Typed.from_request()

    def take() -> None:
        take_links_request(typed.address, page_language(), stamp=typed.stamp)

    return _answer(
        typed, take, address_form, "subscribers/manage.html", "subscribers/links_asked.html"
    )


def answer_signup_form(page: str, thanks: str, *, source: str) -> Response:
    """Take the signup that was posted, or show the form on its page again with what was typed."""
    typed = Typed.from_request()

    def take() -> None:
        take_signup(typed, source=source, wording=consent_wording(), is_form=True)

    return _answer(typed, take, signup_form, page, thanks)


def _answer(typed: Typed, take: Callable[[], None], form: Form, page: str, thanks: str) -> Response:
    """Do as asked; who filled in the field that nobody sees gets the answer of all others."""
    if typed.is_trapped:
        return make_response(render_template(thanks))
    try:
        take()
    except OnceMore as error:
        again = Answer(stamp=error.stamp)
        return make_response(render_template(page, form=form(typed, again)))
    except BadAddress as error:
        again = Answer(error=gettext(error.flaw.value))
        return make_response(render_template(page, form=form(typed, again)), error.status)
    except tuple(KEPT_TYPED) as error:
        again = Answer(refusal=gettext(KEPT_TYPED[type(error)]))
        html = render_template(page, form=form(typed, again))
        return make_response(html, error.status, dict(error.headers))
    return make_response(render_template(thanks))
