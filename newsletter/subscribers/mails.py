"""The mails that a reader is owed on the way in and on the way out."""

from zoneinfo import ZoneInfo

from sqlalchemy import select

from newsletter.database import db
from newsletter.issues import choice as choices
from newsletter.issues.models import Issue
from newsletter.issues.sections import standing_sections
from newsletter.links import Purpose
from newsletter.locales import LANGUAGES
from newsletter.mail.contents import IssueHead
from newsletter.mail.publication import publication
from newsletter.mail.rendering import RenderedMail, render_mail
from newsletter.pages import absolute_url, links, settings
from newsletter.subscribers.models import Signup, Subscriber, Subscription


def confirmation_mail(signup: Signup, *, valid_days: int) -> RenderedMail:
    """Ask the owner of the mailbox whether they meant it; holds nobody's free text."""
    token = links().token(Purpose.CONFIRM, signup.id, signup.nonce)
    return render_mail(
        "confirmation",
        signup.language,
        publication=publication(signup.language),
        section_titles=_titles(signup.choice, signup.language),
        language_name=LANGUAGES[signup.language].name,
        confirm_url=absolute_url("subscribers.confirm", token=token),
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
        preferences_url=_readers_url(Purpose.PREFERENCES, subscriber),
        unsubscribe_url=_readers_url(Purpose.UNSUBSCRIBE, subscriber),
        latest_issue=_latest_issue(language),
    )


def goodbye_mail(subscriber: Subscriber, language: str) -> RenderedMail:
    """Say that it is done, and the way back; `unsubscribed_at` must be set."""
    if subscriber.unsubscribed_at is None:
        raise ValueError("nobody says goodbye who has not left")
    day = subscriber.unsubscribed_at.astimezone(ZoneInfo(settings().time_zone)).date()
    return render_mail("goodbye", language, publication=publication(language), left_on=day)


def _readers_url(purpose: Purpose, subscriber: Subscriber) -> str:
    token = links().token(purpose, subscriber.id)
    return absolute_url(f"subscribers.{purpose}", token=token)


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
    if issue is None:
        return None
    words = issue.subject(language, settings().default_language)
    return IssueHead(
        number=issue.number,
        date=issue.date,
        subject=words.subject,
        preheader=words.preheader,
        url=absolute_url("archive.issue", language, number=issue.number),
    )
