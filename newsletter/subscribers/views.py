"""The pages where readers subscribe, confirm, choose and leave.

GET shows and POST acts, because link scanners open every link in every mail. The token in the
path is all the authority that is needed: no cookie, no session, nothing to log in to.
"""

from datetime import UTC, datetime

from flask import Response, g, render_template, request
from flask_babel import gettext
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from newsletter.background import hint
from newsletter.database import db, transaction
from newsletter.errors import NewsletterError
from newsletter.limits import TooMany
from newsletter.links import Purpose
from newsletter.locales import offered_or, translatable
from newsletter.mail.addresses import BadAddress
from newsletter.pages import ReaderPages, links, settings
from newsletter.subscribers.entrance import take_signup
from newsletter.subscribers.forms import (
    PreferencesForm,
    Typed,
    consent_wording,
    is_fresh,
    section_boxes,
    signup_form,
)
from newsletter.subscribers.models import Subscriber, SubscriberState, Subscription
from newsletter.subscribers.preferences import change_preferences, preferences_of, read_format
from newsletter.subscribers.signup import confirm_signup, find_signup
from newsletter.subscribers.unsubscribe import LONGEST_REASON, unsubscribe
from newsletter.subscribers.wishes import UnknownLanguage, UnknownSection, read_wish

REASONS = ("too_much", "not_relevant", "unsafe", "other")
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
ONE_CLICK = "One-Click"  # RFC 8058 section 3.1

pages = ReaderPages("subscribers", __name__)
pages.app_template_global()(signup_form)


@pages.after_request
def keep_private(response: Response) -> Response:
    """A page with somebody's token in its address is kept by nobody."""
    if "token" in (request.view_args or {}):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Robots-Tag"] = "noindex"
    return response


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


@pages.get("/unsubscribe/<token>", endpoint="unsubscribe")
def unsubscribe_page(token: str) -> str:
    """The button to leave, and room for a reason that nobody has to give."""
    subscriber_id, _issue_id = links().read(Purpose.UNSUBSCRIBE, token)
    g.language = _language_of(subscriber_id)
    subscriber = db.session.get(Subscriber, subscriber_id)
    has_left = subscriber is None or subscriber.state is SubscriberState.UNSUBSCRIBED
    page = "goodbye" if has_left else "unsubscribe"
    return render_template(f"subscribers/{page}.html", longest_reason=LONGEST_REASON)


@pages.post("/unsubscribe/<token>")
def leave(token: str) -> str:
    """Unsubscribe, from our button or a mail program's own (RFC 8058)."""
    subscriber_id, issue_id = links().read(Purpose.UNSUBSCRIBE, token)
    g.language = _language_of(subscriber_id)
    sent = _form_or_nothing()
    with transaction():
        unsubscribe(
            subscriber_id,
            issue_id or None,
            source="one-click" if sent.get("List-Unsubscribe") == ONE_CLICK else "page",
            reason=_reason(sent),
            now=datetime.now(UTC),
        )
    hint("delivery.send_notices")
    return render_template("subscribers/goodbye.html")


@pages.get("/preferences/<token>")
def preferences(token: str) -> str:
    """What is chosen now; no address is shown."""
    subscriber_id, issue_id = links().read(Purpose.PREFERENCES, token)
    g.language = _language_of(subscriber_id)
    return _preferences(preferences_of(subscriber_id), issue_id, is_saved=False)


@pages.post("/preferences/<token>")
def choose(token: str) -> str:
    """Choose anew."""
    subscriber_id, issue_id = links().read(Purpose.PREFERENCES, token)
    g.language = _language_of(subscriber_id)
    wish = read_wish(request.form.getlist("sections"), request.form.get("language", ""))
    wanted = read_format(request.form.get("format", ""))
    with transaction():
        chosen = change_preferences(
            subscriber_id, wish, wanted, source="page:/preferences", now=datetime.now(UTC)
        )
    g.language = wish.language
    return _preferences(chosen, issue_id, is_saved=True)


def _preferences(chosen: Subscription, issue_id: int, *, is_saved: bool) -> str:
    return render_template(
        "subscribers/preferences.html",
        form=PreferencesForm(section_boxes(chosen.choice), chosen.language, chosen.format),
        is_saved=is_saved,
        unsubscribe_token=links().token(Purpose.UNSUBSCRIBE, chosen.subscriber_id, issue_id),
    )


def _language_of(subscriber_id: int) -> str:
    chosen = db.session.get(Subscription, subscriber_id)
    default = settings().default_language
    return offered_or(chosen.language if chosen else None, default)


def _form_or_nothing() -> MultiDict[str, str]:
    """What was sent; whatever else the body is, it keeps nobody from leaving."""
    try:
        return request.form
    except RequestEntityTooLarge:
        return MultiDict()


def _reason(sent: MultiDict[str, str]) -> str:
    """What was ticked and what was written, as far as given."""
    ticked = sent.get("reason", "")
    written = sent.get("reason_text", "").strip()
    return ": ".join(part for part in (ticked if ticked in REASONS else "", written) if part)
