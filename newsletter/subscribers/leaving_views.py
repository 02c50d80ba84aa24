"""The pages where readers leave."""

from datetime import UTC, datetime

from flask import g, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from newsletter.background import hint
from newsletter.database import db, transaction
from newsletter.links import Purpose
from newsletter.pages import links
from newsletter.subscribers.models import Subscriber, SubscriberState
from newsletter.subscribers.pages import language_of, pages
from newsletter.subscribers.unsubscribe import LONGEST_REASON, unsubscribe

REASONS = ("too_much", "not_relevant", "unsafe", "other")
HAVE_LEFT = (SubscriberState.UNSUBSCRIBED, SubscriberState.ERASED)
ONE_CLICK = "One-Click"  # RFC 8058 section 3.1


@pages.get("/unsubscribe/<token>", endpoint="unsubscribe")
def unsubscribe_page(token: str) -> str:
    """The button to leave, and room for a reason that nobody has to give."""
    subscriber_id, issue_id = links().read(Purpose.UNSUBSCRIBE, token)
    g.language = language_of(subscriber_id)
    subscriber = db.session.get(Subscriber, subscriber_id)
    if subscriber is None or subscriber.state in HAVE_LEFT:
        return _goodbye(subscriber_id, issue_id)
    return render_template(
        "subscribers/unsubscribe.html",
        longest_reason=LONGEST_REASON,
        reads=subscriber.state is SubscriberState.CONFIRMED,
        preferences_token=links().token(Purpose.PREFERENCES, subscriber_id, issue_id),
    )


@pages.post("/unsubscribe/<token>")
def leave(token: str) -> str:
    """Unsubscribe, from our button or a mail program's own (RFC 8058)."""
    subscriber_id, issue_id = links().read(Purpose.UNSUBSCRIBE, token)
    g.language = language_of(subscriber_id)
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
    return _goodbye(subscriber_id, issue_id)


def _goodbye(subscriber_id: int, issue_id: int) -> str:
    """It is done, also for somebody whom we know nothing about any more."""
    subscriber = db.session.get(Subscriber, subscriber_id)
    if subscriber is not None and subscriber.state is SubscriberState.ERASED:
        return render_template("refusals/erased.html")
    return render_template(
        "subscribers/goodbye.html",
        longest_reason=LONGEST_REASON,
        is_known=subscriber is not None,
        preferences_token=links().token(Purpose.PREFERENCES, subscriber_id, issue_id),
    )


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
