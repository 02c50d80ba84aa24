"""The mails about coming in at the desk: invitations, new passwords, and what changed."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import exists, select

from newsletter.database import db
from newsletter.desk.models import Editor, Invitation, PasswordReset
from newsletter.links import Purpose
from newsletter.mail.addresses import parse_address
from newsletter.mail.publication import publication
from newsletter.mail.rendering import RenderedMail, render_mail
from newsletter.notices.models import Notice, NoticeKind
from newsletter.notices.owing import owe
from newsletter.pages import absolute_url, links, settings

TRIES_TOLD_EVERY = timedelta(hours=12)  # who guesses at passwords shall not fill a mailbox


class News(StrEnum):
    """What the owner of an account is told of; whoever else did it, they learn of it."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a word for an event
    SECOND_FACTOR_SET_UP = "second_factor_set_up"
    SECOND_FACTOR_OFF = "second_factor_off"
    CODES_MADE = "codes_made"
    CODE_USED = "code_used"
    TOO_MANY_TRIES = "too_many_tries"


def invitation_mail(invitation: Invitation, *, valid_days: int) -> RenderedMail:
    """Offer a place at the desk."""
    token = links().token(Purpose.INVITATION, invitation.id, invitation.nonce)
    return render_mail(
        "invitation",
        settings().default_language,
        publication=publication(settings().default_language),
        invited_by=invitation.invited_by,
        role=invitation.role.value,
        accept_url=absolute_url("desk.accept", token=token),
        valid_days=valid_days,
    )


def password_reset_mail(reset: PasswordReset) -> RenderedMail:
    """Give leave to choose a new password."""
    token = links().token(Purpose.PASSWORD_RESET, reset.id, reset.nonce)
    return render_mail(
        "password_reset",
        settings().default_language,
        publication=publication(settings().default_language),
        reset_url=absolute_url("desk.reset", token=token),
    )


def tell(editor: Editor, news: News, *, now: datetime) -> None:
    """Owe somebody at the desk a mail about their own account."""
    owe_to(NoticeKind.ACCOUNT, editor.address, account_mail(news), now=now)


def tell_of_tries(editor: Editor, *, now: datetime) -> None:
    """Tell the owner once in a while that somebody tries one password after the other."""
    key = f"desk tries {editor.id}"
    told = exists().where(Notice.counting_key == key, Notice.created_at > now - TRIES_TOLD_EVERY)
    if not db.session.scalar(select(told)):
        mail = account_mail(News.TOO_MANY_TRIES)
        owe_to(NoticeKind.ACCOUNT, editor.address, mail, now=now, counting_key=key)


def account_mail(news: News) -> RenderedMail:
    """Say what happened, and what to do if it was somebody else."""
    return render_mail(
        "account",
        settings().default_language,
        publication=publication(settings().default_language),
        news=news.value,
        forgot_url=absolute_url("desk.forgot"),
    )


def owe_to(
    kind: NoticeKind,
    address: str,
    mail: RenderedMail,
    *,
    now: datetime,
    counting_key: str | None = None,
) -> None:
    """Owe a mail to somebody at the desk, in the language of the publication."""
    owe(
        kind,
        parse_address(address).smtp,
        mail,
        language=settings().default_language,
        now=now,
        counting_key=counting_key,
    )
