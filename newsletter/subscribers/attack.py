"""Notice an attack on the signup form, live with it, and let it pass.

It begins when half of a ceiling is used up in an hour, or a twentieth in a minute. From then on
everybody is asked for one press more, which programs that only post do not make, and a quarter of
each ceiling is let in an hour: so all that is let in stays under the ceiling, and who comes
during an attack finds room. It is a row in the database, so all web processes see it at once. An
hour after its last sign it is over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import request
from flask_babel import force_locale, gettext
from sqlalchemy import func, select, update

from newsletter.database import db, is_sqlite, transaction
from newsletter.limits import TooMany, an_hour, network_limits
from newsletter.locales import translatable
from newsletter.pages import settings
from newsletter.subscribers.models import SignupAttack
from newsletter.subscribers.recent import ALL, HELD_UP, HOUR, recent

LASTS = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FEWEST = 10  # so many begin an attack, however low a ceiling is
NETWORK_SHARE = 10  # a network's limit is divided by this during an attack
LOCK = 7_316_220_544_871  # what PostgreSQL names the lock by

WORDS = {
    (False, HOUR): translatable(
        "Requests to subscribe within an hour: %(count)s. The alarm is at %(alarm)s."
    ),
    (False, MINUTE): translatable(
        "Requests to subscribe within a minute: %(count)s. The alarm is at %(alarm)s."
    ),
    (True, HOUR): translatable(
        "Requests to subscribe mailboxes at %(domain)s within an hour: %(count)s. The alarm is at"
        " %(alarm)s."
    ),
    (True, MINUTE): translatable(
        "Requests to subscribe mailboxes at %(domain)s within a minute: %(count)s. The alarm is at"
        " %(alarm)s."
    ),
}


@dataclass(frozen=True)
class Ceiling:
    """How many are let in an hour, and how many of them are too many to be readers."""

    usual: int

    @property
    def in_an_attack(self) -> int:
        """What is let in an hour while it lasts."""
        return max(1, self.usual // 4)

    def alarm(self, span: timedelta) -> int:
        """How many within an hour, or a minute, begin an attack."""
        return max(FEWEST, self.usual // (2 if span == HOUR else 20))


def watch(domain: str, *, now: datetime) -> SignupAttack | None:
    """The attack that goes on, if one does or if so many have just asked that one begins."""
    recent().catch_up(now)
    ongoing = _ongoing(now)
    if ongoing is None:
        because = _alarm(domain, now)
        return _begin(because, now) if because else None
    held_up = recent().since(now - MINUTE, HELD_UP)
    if held_up >= _ceilings(domain)[domain].alarm(MINUTE):
        _prolong(ongoing, now)
    return ongoing


def admit(domain: str, attack: SignupAttack | None, *, now: datetime) -> None:
    """Let one request in, under all ceilings and from the visitor's network; raises `TooMany`."""
    start = now - HOUR if attack is None else max(attack.began_at, now - HOUR)
    for name, ceiling in _ceilings(domain).items():
        most = ceiling.usual if attack is None else ceiling.in_an_attack
        if recent().since(start, name) >= most:
            if attack is not None:
                _prolong(attack, now)
            raise TooMany(recent().seconds_until_less(start, name, now))
    most = settings().signups_per_network_per_hour
    if attack is not None:
        most = max(1, most // NETWORK_SHARE)
    network_limits().let_in(request.remote_addr, an_hour(most))


def _ceilings(domain: str) -> dict[str, Ceiling]:
    config = settings()
    return {
        domain: Ceiling(config.signups_per_domain_per_hour),
        ALL: Ceiling(config.signups_per_hour),
    }


def _alarm(domain: str, now: datetime) -> str | None:
    """Why this is an attack, in the language of the publication; None if it is none."""
    for name, ceiling in _ceilings(domain).items():
        for span in (HOUR, MINUTE):
            count, alarm = recent().since(now - span, name), ceiling.alarm(span)
            if count >= alarm:
                with force_locale(settings().default_language):
                    words = WORDS[name != ALL, span]
                    said: str = gettext(words, count=count, alarm=alarm, domain=name)
                    return said
    return None


def _ongoing(now: datetime) -> SignupAttack | None:
    return db.session.scalars(
        select(SignupAttack)
        .where(SignupAttack.until > now)
        .order_by(SignupAttack.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()


def _begin(because: str, now: datetime) -> SignupAttack:
    """Write the attack down, unless another process was first."""
    with transaction():
        if not is_sqlite():
            db.session.execute(select(func.pg_advisory_xact_lock(LOCK)))
        ongoing = _ongoing(now)
        if ongoing is None:
            ongoing = SignupAttack(began_at=now, until=now + LASTS, because=because)
            db.session.add(ongoing)
    return ongoing


def _prolong(attack: SignupAttack, now: datetime) -> None:
    """It has shown itself again; written down once a minute at most."""
    if attack.until - now > LASTS - MINUTE:
        return
    with transaction():
        later = update(SignupAttack).where(SignupAttack.id == attack.id)
        db.session.execute(later.values(until=now + LASTS))
