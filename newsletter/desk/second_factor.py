"""The second factor: a code by time (RFC 6238), or one of ten recovery codes.

Each code counts once: the step of the last one used is kept, and a recovery code is crossed out.
"""

import hashlib
import hmac
import secrets
from datetime import datetime

import pyotp
from sqlalchemy import delete, update

from newsletter.database import db, execute
from newsletter.desk.models import Editor, EditorSession, RecoveryCode, Role
from newsletter.errors import NewsletterError
from newsletter.pages import settings

STEP = 30  # seconds
LEEWAY = (-1, 0, 1)  # steps that a phone's clock may be off
CODES = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
CODE_LENGTH = 16  # letters: 79 bits


class WrongCode(NewsletterError):
    """The code is wrong, or was used already."""

    page = "wrong_code"


def is_required(editor: Editor) -> bool:
    """Whether they may do nothing before they have a second factor: whoever sends, in earnest."""
    return editor.role is not Role.AUTHOR and not settings().is_trial


def new_secret() -> str:
    """What a phone and we are to share, in base32."""
    return pyotp.random_base32()


def address_of(editor: Editor, secret: str) -> str:
    """What a phone reads from the picture (Google's Key Uri Format)."""
    issuer = settings().publication_name
    return pyotp.TOTP(secret).provisioning_uri(name=editor.address, issuer_name=issuer)


def set_up(editor: Editor, secret: str, code: str, *, now: datetime) -> list[str]:
    """Take a secret as the second factor once a code shows that the phone has it.

    Gives new recovery codes. Raises `WrongCode`.
    """
    step = step_of(secret, code, after=0, now=now)
    if step is None:
        raise WrongCode("The code does not fit.")
    editor.totp_secret, editor.totp_step = secret, step
    db.session.flush()
    return make_recovery_codes(editor)


def prove(session: EditorSession, code: str, *, now: datetime) -> bool:
    """Let a session in by a code, and say whether it was a recovery code; raises `WrongCode`."""
    editor = session.editor
    is_spare = not _use_step(editor, code, now)
    if is_spare and not _use_recovery_code(editor, code, now):
        raise WrongCode("The code does not fit.")
    session.proved_at = now
    return is_spare


def turn_off(editor: Editor) -> None:
    """Do without a second factor."""
    editor.totp_secret = editor.totp_step = None
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.editor_id == editor.id))


def make_recovery_codes(editor: Editor) -> list[str]:
    """Ten new codes, shown once; those of before are worth nothing."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.editor_id == editor.id))
    codes = ["".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    db.session.add_all(
        RecoveryCode(editor_id=editor.id, code_hash=_hash_of(code)) for code in codes
    )
    db.session.flush()
    return ["-".join(code[at : at + 4] for at in range(0, CODE_LENGTH, 4)) for code in codes]


def step_of(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """The time step that a code belongs to, if it is near enough and later than `after`."""
    typed = "".join(code.split()).encode()
    at = int(now.timestamp()) // STEP
    totp = pyotp.TOTP(secret)
    fitting = [
        at + off
        for off in LEEWAY
        if hmac.compare_digest(totp.generate_otp(at + off).encode(), typed) and at + off > after
    ]
    return fitting[0] if fitting else None


def _use_step(editor: Editor, code: str, now: datetime) -> bool:
    """Use a code by time; of two who show the same one at once the second is refused."""
    if editor.totp_secret is None:
        return False
    before = editor.totp_step or 0
    step = step_of(editor.totp_secret, code, after=before, now=now)
    if step is None:
        return False
    used = execute(
        update(Editor)
        .where(Editor.id == editor.id, Editor.totp_step == before)
        .values(totp_step=step)
    )
    db.session.expire(editor, ["totp_step"])
    return used.rowcount == 1


def _use_recovery_code(editor: Editor, code: str, now: datetime) -> bool:
    typed = "".join(letter for letter in code.casefold() if letter in LETTERS)
    used = execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.editor_id == editor.id,
            RecoveryCode.code_hash == _hash_of(typed),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return used.rowcount == 1


def _hash_of(code: str) -> bytes:
    """What is kept of a code that is random enough to need no salt."""
    return hashlib.sha256(code.encode()).digest()
