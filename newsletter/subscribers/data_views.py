"""The pages where readers see what we hold about them, and have it erased."""

import json
from datetime import UTC, datetime

from flask import Response, g, render_template

from newsletter.database import transaction
from newsletter.links import Purpose
from newsletter.pages import download, links
from newsletter.subscribers.erasure import erase as erase_subscriber
from newsletter.subscribers.moves import demand_current
from newsletter.subscribers.my_data import data_of
from newsletter.subscribers.pages import language_of, pages
from newsletter.subscribers.readers import known

FILE_NAME = "my-data.json"  # without an address: others may see what lies in a download folder


@pages.get("/preferences/<token>/data")
def look_at_data(token: str) -> str:
    """A button: nothing is shown to who merely opens a link."""
    known(_read(token))
    return render_template("subscribers/my_data.html")


@pages.post("/preferences/<token>/data")
def my_data(token: str) -> Response:
    """All that we hold about the reader, as a file."""
    held = data_of(_read(token), now=datetime.now(UTC))
    text = json.dumps(held, ensure_ascii=False, indent=2) + "\n"
    return download(text, "application/json", FILE_NAME)


@pages.get("/preferences/<token>/erase")
def erase(token: str) -> str:
    """What goes and what stays, and one button."""
    known(_read(token))
    return render_template("subscribers/erase.html")


@pages.post("/preferences/<token>/erase")
def act_on_erase(token: str) -> str:
    """Erase at once; a second press hears the same."""
    subscriber_id = _read(token)
    with transaction():
        erase_subscriber(subscriber_id, source="page:/preferences", now=datetime.now(UTC))
    return render_template("refusals/erased.html")


def _read(token: str) -> int:
    """The subscriber of a link; the page speaks their language."""
    subscriber_id, context = links().read(Purpose.PREFERENCES, token)
    g.language = language_of(subscriber_id)
    demand_current(subscriber_id, context)
    return subscriber_id
