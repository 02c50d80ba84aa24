"""What stands at the door of the desk: mails with links, second factors, acts in the log."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pyotp
from sqlalchemy import select

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.desk.models import Editor
from newsletter.notices.models import Notice, NoticeKind
from tests.desk import PASSWORD, browser, piece

NEW = "basim@example.org"
OTHER_PASSWORD = "a quiet morning at sea"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def mails(kind: NoticeKind) -> list[str]:
    """The plain text of what is owed, the oldest first."""
    with transaction():
        query = select(Notice).where(Notice.kind == kind).order_by(Notice.id)
        rows = db.session.scalars(query.execution_options(populate_existing=True)).all()
    read = [message_from_bytes(row.message or b"", policy=policy.default) for row in rows]
    return [str(body.get_content()) for mail in read if (body := mail.get_body(("plain",)))]


def path_in(mail: str) -> str:
    """The path of the link in a mail."""
    return str(piece(r"(/desk/(?:invitation|reset)/\S+)", mail))


def invited(admin, role="author") -> str:
    """The path of the link that somebody was sent."""
    form = {"address": NEW, "name": "Basim", "role": role}
    assert admin.send_form("/desk/people/invite", form, page="/desk/people").status_code == 303
    return path_in(mails(NoticeKind.INVITATION)[-1])


def take(guest, path, password=OTHER_PASSWORD, again=None):
    """Take a place at the desk by a link."""
    form = {"name": "Basim", "password": password, "again": again or password}
    return guest.send_form(path, form, page=path)


def acts() -> list[str]:
    """What the log says, the first act first."""
    with transaction():
        return list(db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id)))


def person(address: str) -> int:
    """The number of somebody at the desk."""
    with transaction():
        return db.session.scalars(select(Editor.id).where(Editor.address == address)).one()


def set_up(anna) -> tuple[pyotp.TOTP, list[str]]:
    """The second factor of somebody, and their recovery codes."""
    page = anna.get("/desk/second-factor/set-up").text
    secret = "".join(piece(r'class="secret"[^>]*>([^<]+)<', page).split())
    assert anna.get("/desk/second-factor/picture.svg").mimetype == "image/svg+xml"
    totp = pyotp.TOTP(secret)
    path = "/desk/second-factor/set-up"
    done = anna.send_form(path, {"code": totp.now()}, page=path)
    assert done.status_code == 200
    return totp, re.findall(r"<li><code>([a-z0-9-]+)</code>", done.text)


def next_code(totp: pyotp.TOTP) -> str:
    """A code of the step after the one that was used."""
    return totp.at(datetime.now(UTC) + timedelta(seconds=30))


def half_in(app, password=PASSWORD):
    """A browser in which the password was shown, and no code."""
    anna = browser(app)
    assert anna.log_in(password=password).headers["Location"] == "/desk/second-factor"
    return anna


def show(anna, code):
    """Show a code, after the password."""
    return anna.send_form("/desk/second-factor", {"code": code}, page="/desk/second-factor")
