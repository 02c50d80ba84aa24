"""The preference centre, from a link in any mail."""

from datetime import UTC, datetime

from flask import g, render_template, request

from newsletter.database import transaction
from newsletter.links import Purpose
from newsletter.pages import links
from newsletter.subscribers.forms import PreferencesForm, section_boxes
from newsletter.subscribers.models import Subscription
from newsletter.subscribers.pages import language_of, pages
from newsletter.subscribers.preferences import change_preferences, preferences_of, read_format
from newsletter.subscribers.wishes import read_wish


@pages.get("/preferences/<token>")
def preferences(token: str) -> str:
    """What is chosen now; no address is shown."""
    subscriber_id, issue_id = links().read(Purpose.PREFERENCES, token)
    g.language = language_of(subscriber_id)
    return _preferences(preferences_of(subscriber_id), issue_id, is_saved=False)


@pages.post("/preferences/<token>")
def choose(token: str) -> str:
    """Choose anew."""
    subscriber_id, issue_id = links().read(Purpose.PREFERENCES, token)
    g.language = language_of(subscriber_id)
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
