"""Tell the editors by mail when an issue needs them, and of attacks: once for each time.

An issue needs them when it paused by itself, when it could not go out at its time, and when its
time passed so long ago that somebody has to say whether it still goes.
"""

import logging
from datetime import datetime

from sqlalchemy import and_, or_, select, update

from newsletter.database import db, execute
from newsletter.delivery.schedule import late_before
from newsletter.desk.door_mails import owe_to
from newsletter.desk.models import Editor, Role
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.mail.publication import publication
from newsletter.mail.rendering import RenderedMail, render_mail
from newsletter.notices.models import NoticeKind
from newsletter.pages import absolute_url, settings
from newsletter.subscribers.models import SignupAttack

log = logging.getLogger(__name__)


def tell_editors(*, now: datetime) -> int:
    """Owe every editor who may send a notice about what is new; says how many notices."""
    return _tell_of_issues(now) + _tell_of_attacks(now)


def _tell_of_issues(now: datetime) -> int:
    needs_them = or_(
        and_(
            Issue.state.in_((IssueState.PAUSED, IssueState.DRAFT)),
            Issue.paused_because.is_not(None),
        ),
        and_(Issue.state == IssueState.SCHEDULED, Issue.scheduled_at < late_before(now)),
    )
    ids = execute(
        update(Issue)
        .where(Issue.told_at.is_(None), needs_them)
        .values(told_at=now)
        .returning(Issue.id)
    ).scalars()
    return sum(_tell(db.session.get_one(Issue, id_, populate_existing=True), now) for id_ in ids)


def _tell(issue: Issue, now: datetime) -> int:
    told = _owe_all(alarm_mail(issue, settings().default_language), now)
    log.warning("issue %d needs an editor: %d told", issue.number, told)
    return told


def _tell_of_attacks(now: datetime) -> int:
    """One mail, also if two web processes noticed the same attack."""
    ids = execute(
        update(SignupAttack)
        .where(SignupAttack.told_at.is_(None))
        .values(told_at=now)
        .returning(SignupAttack.id)
    ).scalars()
    newest = max(ids, default=None)
    if newest is None:
        return 0
    attack = db.session.get_one(SignupAttack, newest, populate_existing=True)
    told = _owe_all(attack_mail(attack, settings().default_language), now)
    log.warning("signups are under attack: %d editors told", told)
    return told


def _owe_all(mail: RenderedMail, now: datetime) -> int:
    """The same mail to every editor who may send, in the language of the publication."""
    may_send = select(Editor).where(Editor.role != Role.AUTHOR, Editor.ended_at.is_(None))
    editors = list(db.session.scalars(may_send))
    for editor in editors:
        owe_to(NoticeKind.ALARM, editor.address, mail, now=now)
    return len(editors)


def attack_mail(attack: SignupAttack, language: str) -> RenderedMail:
    """Say that signups are under attack, what was counted, and how long it lasts at least."""
    return render_mail(
        "attack",
        language,
        publication=publication(language),
        because=attack.because,
        until=attack.until,
    )


def alarm_mail(issue: Issue, language: str) -> RenderedMail:
    """Say what is wrong with an issue, and where to set it right."""
    return render_mail(
        "alarm",
        language,
        publication=publication(language),
        number=issue.number,
        state=issue.state.value,
        because=issue.paused_because,
        scheduled_at=issue.scheduled_at,
        desk_url=absolute_url("desk.issue", number=issue.number),
    )
