"""The mails that a reader is owed: on the way in, on the way out, and in between."""

from zoneinfo import ZoneInfo

from sqlalchemy import select

from newsletter.database import db
from newsletter.issues import choice as choices
from newsletter.issues.editions import issue_head
from newsletter.issues.models import Issue
from newsletter.issues.sections import standing_sections
from newsletter.links import Purpose
from newsletter.locales import LANGUAGES
from newsletter.mail.contents import IssueHead
from newsletter.mail.publication import publication
from newsletter.mail.rendering import RenderedMail, render_mail
from newsletter.pages import absolute_url, links, settings
from newsletter.subscribers.models import (
    AddressChange,
    Signup,
    Subscriber,
    SubscriberState,
    Subscription,
)
from newsletter.subscribers.moves import context_of


def confirmation_mail(signup: Signup, subscriber: Subscriber, *, valid_days: int) -> RenderedMail:
    """Ask the owner of the mailbox whether they meant it; holds nobody's free text.

    Who reads us already learns that nothing has changed yet, and finds their own links.
    """
    reads_already = subscriber.state is SubscriberState.CONFIRMED
    return render_mail(
        "confirmation",
        signup.language,
        publication=publication(signup.language),
        section_titles=_titles(signup.choice, signup.language),
        language_name=LANGUAGES[signup.language].name,
        confirm_url=_url(Purpose.CONFIRM, signup.id, signup.nonce),
        own_links=_own_links(subscriber) if reads_already else {},
        never_again_url=absolute_url(
            "subscribers.never_again",
            signup.language,  # works also when the signup and its language are forgotten
            token=links().token(Purpose.NEVER_AGAIN, signup.id, signup.nonce),
        ),
        valid_days=valid_days,
    )


def welcome_mail(subscriber: Subscriber, subscription: Subscription) -> RenderedMail:
    """Say what was chosen, and give the links to change it and to leave."""
    language = subscription.language
    return render_mail(
        "welcome",
        language,
        publication=publication(language),
        section_titles=_titles(subscription.choice, language),
        language_name=LANGUAGES[language].name,
        **_own_links(subscriber),
        latest_issue=_latest_issue(language),
    )


def goodbye_mail(subscriber: Subscriber, language: str) -> RenderedMail:
    """Say that it is done, the way back, and how to be forgotten; `unsubscribed_at` must be set."""
    if subscriber.unsubscribed_at is None:
        raise ValueError("nobody says goodbye who has not left")
    day = subscriber.unsubscribed_at.astimezone(ZoneInfo(settings().time_zone)).date()
    token = links().token(Purpose.PREFERENCES, subscriber.id, context_of(subscriber.id))
    return render_mail(
        "goodbye",
        language,
        publication=publication(language),
        left_on=day,
        erase_url=absolute_url("subscribers.erase", token=token),
    )


def links_mail(subscriber: Subscriber, subscription: Subscription) -> RenderedMail:
    """Give a reader without an old mail at hand the links to change and to leave."""
    language = subscription.language
    return render_mail(
        "links",
        language,
        publication=publication(language),
        **_own_links(subscriber),
    )


def new_address_mail(change: AddressChange, *, valid_days: int) -> RenderedMail:
    """Ask the owner of the new mailbox whether they meant it; names no other address."""
    return render_mail(
        "new_address",
        change.language,
        publication=publication(change.language),
        new_address_url=_url(Purpose.NEW_ADDRESS, change.id, change.nonce),
        valid_days=valid_days,
    )


def address_changed_mail(language: str) -> RenderedMail:
    """Tell the old mailbox that it is one no longer, and whom to ask; names no other address."""
    return render_mail("address_changed", language, publication=publication(language))


def _own_links(subscriber: Subscriber) -> dict[str, str]:
    """Where a reader chooses anew, and where they leave."""
    context = context_of(subscriber.id)
    return {
        "preferences_url": _url(Purpose.PREFERENCES, subscriber.id, context),
        "unsubscribe_url": _url(Purpose.UNSUBSCRIBE, subscriber.id, context),
    }


def _url(purpose: Purpose, first: int, second: int = 0) -> str:
    """The page of a link of the reader's own; it speaks the reader's language by itself."""
    token = links().token(purpose, first, second)
    return absolute_url(f"subscribers.{purpose.replace('-', '_')}", token=token)


def _titles(choice: int, language: str) -> list[str]:
    """The sections chosen by name; none where all were, also later ones."""
    if choice == choices.ALL:
        return []
    return [s.title(language) for s in standing_sections() if choices.takes(choice, s.id)]


def _latest_issue(language: str) -> IssueHead | None:
    issue = db.session.scalars(
        select(Issue)
        .where(Issue.sending_started_at.is_not(None))
        .order_by(Issue.number.desc())
        .limit(1)
    ).one_or_none()
    return None if issue is None else issue_head(issue, language)
