"""Offer a place at the desk by mail, and take it."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from newsletter import audit
from newsletter.database import db, execute
from newsletter.desk.door_mails import invitation_mail, owe_to
from newsletter.desk.login import EditorExists, add_editor, editor_at
from newsletter.desk.models import Editor, Invitation, Role
from newsletter.errors import NewsletterError
from newsletter.links import BrokenLink, Purpose
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import NoticeKind
from newsletter.pages import links

VALID_DAYS = 7
KEPT = timedelta(days=30)  # after that, to tell who comes with an old link what it was
NONCE_BITS = 47


class ExpiredInvitation(NewsletterError):
    """The invitation was used, withdrawn, or is too old."""

    page = "expired_invitation"
    status = 410

    def __init__(self) -> None:
        super().__init__("This invitation was used already, withdrawn, or is too old.")


def invite(address: str, name: str, role: Role, *, by: Editor, now: datetime) -> Invitation:
    """Invite somebody by mail; what they were sent before is worth nothing any more.

    Raises `BadAddress` and `EditorExists`.
    """
    read = parse_address(address)
    if editor_at(read.text):
        raise EditorExists(read.text)
    _withdraw(Invitation.address_key == read.key, now)
    invitation = Invitation(
        nonce=secrets.randbits(NONCE_BITS),
        address=read.text,
        address_key=read.key,
        name=name,
        role=role,
        invited_by=by.called,
        invited_at=now,
    )
    db.session.add(invitation)
    db.session.flush()
    mail = invitation_mail(invitation, valid_days=VALID_DAYS)
    owe_to(NoticeKind.INVITATION, read.text, mail, now=now)
    audit.note(by.address, f"Invited {read.text} as {role.value}.", now=now)
    return invitation


def open_invitations(*, now: datetime) -> list[Invitation]:
    """The invitations that nobody has answered yet, the oldest first."""
    query = select(Invitation).where(
        Invitation.accepted_at.is_(None),
        Invitation.withdrawn_at.is_(None),
        Invitation.invited_at > now - timedelta(days=VALID_DAYS),
    )
    return list(db.session.scalars(query.order_by(Invitation.id)))


def withdraw(invitation_id: int, *, by: Editor, now: datetime) -> None:
    """Take an invitation back, if nobody has taken it yet."""
    for address in _withdraw(Invitation.id == invitation_id, now):
        audit.note(by.address, f"Withdrew the invitation of {address}.", now=now)


def withdraw_all(address_key: str, *, now: datetime) -> None:
    """Let no invitation bring somebody back who was let go."""
    _withdraw(Invitation.address_key == address_key, now)


def find_invitation(token: str, *, now: datetime) -> Invitation:
    """The invitation that a link belongs to; raises `BrokenLink` and `ExpiredInvitation`."""
    invitation_id, nonce = links().read(Purpose.INVITATION, token)
    found = db.session.scalars(
        select(Invitation)
        .where(Invitation.id == invitation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:  # we signed the link, so there was an invitation, and it is forgotten
        raise ExpiredInvitation
    if found.nonce != nonce:
        raise BrokenLink("This link belongs to another invitation.")
    is_too_old = found.invited_at <= now - timedelta(days=VALID_DAYS)
    if found.accepted_at or found.withdrawn_at or is_too_old:
        raise ExpiredInvitation
    return found


def accept(token: str, name: str, password: str, *, now: datetime) -> Editor:
    """Take the place that was offered; raises what `find_invitation` and `add_editor` raise."""
    invitation = find_invitation(token, now=now)
    editor = add_editor(invitation.address, invitation.role, password, name=name, now=now)
    invitation.accepted_at = now
    audit.note(editor.address, f"Came to the desk as {editor.role.value}.", now=now)
    return editor


def forget_invitations(*, now: datetime) -> None:
    """Delete what was offered long ago, whatever came of it; the log says that it was."""
    long_ago = now - timedelta(days=VALID_DAYS) - KEPT
    execute(delete(Invitation).where(Invitation.invited_at <= long_ago))


def _withdraw(which: ColumnElement[bool], now: datetime) -> list[str]:
    open_ = update(Invitation).where(
        which,
        Invitation.accepted_at.is_(None),
        Invitation.withdrawn_at.is_(None),
    )
    done = db.session.execute(open_.values(withdrawn_at=now).returning(Invitation.address))
    return list(done.scalars())
