"""When a form was shown, signed, so that a program cannot make it up; no cookie is needed.

There are two kinds: the stamp of a form that is shown, and the stamp that goes with one press more,
which is good for the one address that it was given for. Both are good for two hours.
"""

from datetime import datetime, timedelta
from hashlib import sha256

from itsdangerous import BadSignature, Signer

from newsletter.pages import settings

READ_FOR = timedelta(seconds=2)
FRESH_FOR = timedelta(hours=2)


def stamp(now: datetime) -> str:
    """For a form that is shown."""
    return _sign("", now)


def second_stamp(address_key: str, now: datetime) -> str:
    """For a form that is shown again, or a request that is to be repeated, for this address."""
    return _sign(address_key, now)


def is_fresh(shown: str, now: datetime) -> bool:
    """Whether the form was shown by us lately; that of a cached page or a copied form is not."""
    age = _age("", shown, now)
    return age is not None and age < FRESH_FOR


def is_hasty(shown: str, now: datetime) -> bool:
    """Whether a fresh form comes back sooner than it can be read."""
    age = _age("", shown, now)
    return age is not None and age < READ_FOR


def is_second_press(shown: str, address_key: str, now: datetime) -> bool:
    """Whether this was asked before, for the same address."""
    age = _age(address_key, shown, now)
    return age is not None and age < FRESH_FOR


def _sign(whom: str, now: datetime) -> str:
    return _signer(whom).sign(f"{now.timestamp():.3f}").decode()


def _age(whom: str, shown: str, now: datetime) -> timedelta | None:
    try:
        shown_at = float(_signer(whom).unsign(shown))
    except BadSignature:
        return None
    return timedelta(seconds=now.timestamp() - shown_at)


def _signer(whom: str) -> Signer:
    keys = list(reversed(settings().secret_keys))
    return Signer(keys, salt=f"signup form {whom}", sep=":", digest_method=sha256)
