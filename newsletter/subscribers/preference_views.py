"""The preference centre, from a link in any mail: sections, language, format, pause, address."""

from datetime import UTC, datetime
from typing import Any

from flask import g, render_template, request
from flask_babel import gettext

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.errors import NewsletterError
from newsletter.limits import TooMany
from newsletter.links import Purpose
from newsletter.locales import translatable
from newsletter.mail.addresses import BadAddress, parse_address
from newsletter.pages import links
from newsletter.subscribers import pausing
from newsletter.subscribers.address_change import confirm_change, find_change, request_change
from newsletter.subscribers.blocking import BlockedAddress
from newsletter.subscribers.entrance import let_in
from newsletter.subscribers.forms import PreferencesForm, Typed, section_boxes
from newsletter.subscribers.models import Subscriber
from newsletter.subscribers.moves import demand_current
from newsletter.subscribers.pages import language_of, pages
from newsletter.subscribers.preferences import change_preferences, read_format
from newsletter.subscribers.readers import chosen_by, reader
from newsletter.subscribers.wishes import read_wish

SAVED = translatable("Saved. It holds from the next issue on.")
PAUSED = translatable("Saved.")
RESUMED = translatable("The pause is over. The next issue will come to you.")
NO_ADDRESS: dict[type[NewsletterError], str] = {  # refused with the address as it was typed
    BadAddress: "",  # it says itself what is wrong
    BlockedAddress: translatable("We do not write to addresses of this kind. Please give another."),
    TooMany: translatable(
        "So many mails were asked for that we had to pause. Nothing was sent: please press again"
        " in a while."
    ),
}
SOURCE = "page:/preferences"


@pages.get("/preferences/<token>")
@pages.get("/preferences/<token>/pause", endpoint="look_at_pause")
@pages.get("/preferences/<token>/address", endpoint="look_at_address")
def preferences(token: str) -> str:
    """What is chosen now; no address is shown."""
    subscriber_id, _issue_id = _read(token)
    return _page(token, reader(subscriber_id))


@pages.post("/preferences/<token>")
def choose(token: str) -> str:
    """Choose sections, language and format anew."""
    subscriber_id, _issue_id = _read(token)
    wish = read_wish(request.form.getlist("sections"), request.form.get("language", ""))
    wanted = read_format(request.form.get("format", ""))
    with transaction():
        subscriber = change_preferences(subscriber_id, wish, wanted, source=SOURCE, now=_now())
    g.language = wish.language
    return _page(token, subscriber, said=SAVED)


@pages.post("/preferences/<token>/pause")
def pause(token: str) -> str | tuple[str, int]:
    """Pause until a day, or end the pause with nothing given."""
    subscriber_id, _issue_id = _read(token)
    weeks, until = request.form.get("weeks", ""), request.form.get("until")
    now = _now()
    if not weeks and until is None:
        with transaction():
            return _page(
                token, pausing.end_pause(subscriber_id, source=SOURCE, now=now), said=RESUMED
            )
    try:
        day = pausing.read_pause(weeks, until or "", today=pausing.local_day(now))
    except pausing.BadPause as error:
        refused = {"pause_error": gettext(error.flaw.value), "typed_day": until}
        return _page(token, reader(subscriber_id), **refused), error.status
    with transaction():
        subscriber = pausing.pause(subscriber_id, day, source=SOURCE, now=now)
    return _page(token, subscriber, said=PAUSED)


@pages.post("/preferences/<token>/address")
def change_address(token: str) -> str | tuple[str, int, dict[str, str]]:
    """Ask the new mailbox; the answer is the same for every address."""
    subscriber_id, _issue_id = _read(token)
    subscriber = reader(subscriber_id)
    typed = Typed.from_request().address
    try:
        address = parse_address(typed)
        let_in(address)
    except tuple(NO_ADDRESS) as error:
        words = error.flaw.value if isinstance(error, BadAddress) else NO_ADDRESS[type(error)]
        refused = {"address_error": gettext(words), "typed_address": typed}
        return _page(token, subscriber, **refused), error.status, dict(error.headers)
    with transaction():
        request_change(subscriber_id, address, now=_now())
    hint("subscribers.answer_address_changes")
    return render_template("subscribers/new_address_asked.html", token=token)


@pages.get("/new-address/<token>")
def new_address(token: str) -> str:
    """One big button, for the owner of the new mailbox."""
    g.language = find_change(token, now=_now()).language
    return render_template("subscribers/new_address.html")


@pages.post("/new-address/<token>")
def act_on_new_address(token: str) -> str:
    """Write here from now on; a second press says kindly that it is done."""
    now = _now()
    g.language = find_change(token, now=now).language
    with transaction():
        confirm_change(token, now=now)
    hint("delivery.send_notices")
    return render_template("subscribers/address_changed.html")


def _read(token: str) -> tuple[int, int]:
    """The subscriber and the issue of a link; the page speaks the subscriber's language."""
    subscriber_id, context = links().read(Purpose.PREFERENCES, token)
    g.language = language_of(subscriber_id)
    demand_current(subscriber_id, context)
    return subscriber_id, context


def _page(token: str, subscriber: Subscriber, *, said: str = "", **refused: Any) -> str:
    chosen = chosen_by(subscriber)
    now = _now()
    _subscriber_id, issue_id = links().read(Purpose.PREFERENCES, token)
    return render_template(
        "subscribers/preferences.html",
        token=token,
        form=PreferencesForm(section_boxes(chosen.choice), chosen.language, chosen.format),
        said=said and gettext(said),
        pauses_until=pausing.pauses_until(subscriber, now=now),
        today=pausing.local_day(now),
        weeks=pausing.WEEKS,
        longest_pause=pausing.LONGEST,
        unsubscribe_token=links().token(Purpose.UNSUBSCRIBE, subscriber.id, issue_id),
        is_suppressed=subscriber.suppressed_at is not None,
        **refused,
    )


def _now() -> datetime:
    return datetime.now(UTC)
