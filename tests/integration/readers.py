"""What readers do, through a real client, and what workers do for them."""

import re
from contextvars import Context
from html.parser import HTMLParser
from http import HTTPStatus

from flask.testing import FlaskClient
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.notices.models import Notice, NoticeKind
from newsletter.subscribers import signup
from newsletter.subscribers.models import ConsentEvent, Subscriber
from tests.mail_server import parse


class Browser(FlaskClient):
    """A client whose requests run in a context of their own, as on a real server."""

    def open(self, *args, **kwargs):
        return Context().run(super().open, *args, **kwargs)


class _HiddenFields(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = {}

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "input" and values.get("type") == "hidden":
            self.found[values["name"]] = values.get("value", "")


def hidden_fields(page):
    """What a browser sends along without being asked."""
    fields = _HiddenFields()
    fields.feed(page.text)
    return fields.found


def ask(browser, address, *, sections=(), language="en", path="/subscribe", **options):
    """Open the form, fill it in, press the button; and once more, for whom we were too fast."""
    fields = hidden_fields(browser.get(path))
    fields |= {"address": address, "sections": list(sections), "language": language}
    page = browser.post(path, data=fields, **options)
    if page.status_code != HTTPStatus.OK or "stamp" not in hidden_fields(page):
        return page
    return browser.post(path, data=fields | hidden_fields(page), **options)


def answer_signups(now):
    """What the worker does with all who wait."""
    for signup_id in signup.unanswered_signups():
        with transaction():
            signup.answer_signup(signup_id, now=now)


def notices(kind=None):
    """The mails owed so far, oldest first, as the database has them now."""
    look_again()
    query = select(Notice).order_by(Notice.id)
    return list(db.session.scalars(query if kind is None else query.where(Notice.kind == kind)))


def mails(kind):
    """The mails owed so far, parsed."""
    return [parse(notice.message) for notice in notices(kind)]


def confirm_paths(address=None):
    """The links of all confirmations, oldest first."""
    found = notices(NoticeKind.CONFIRMATION)
    return [
        path_in(parse(notice.message), "confirm")
        for notice in found
        if address in {None, notice.recipient}
    ]


def path_in(mail, kind):
    """The path of a reader's link, which stands alone on a line of the text part."""
    text = mail.get_body(("plain",)).get_content()
    (path,) = re.findall(rf"^https?://[^/]+(/{kind}/\S+)\r?$", text, re.MULTILINE)
    return path


def the_subscriber(address="amal@reader.example"):
    """As the database has them now."""
    look_again()
    return db.session.scalars(
        select(Subscriber).where(Subscriber.address_key == address.lower())
    ).one_or_none()


def events(address="amal@reader.example"):
    """The consent record of one address, oldest first."""
    subscriber = the_subscriber(address)
    query = select(ConsentEvent).where(ConsentEvent.subscriber_id == subscriber.id)
    return list(db.session.scalars(query.order_by(ConsentEvent.id)))


def look_again():
    """Forget what was read, so that the database is asked."""
    db.session.commit()  # a rollback would expire what a test still holds
    db.session.expunge_all()
