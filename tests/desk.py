"""A browser at the desk: it keeps cookies, logs in, and sends forms with their tokens."""

import re
from datetime import UTC, datetime

from flask.testing import FlaskClient

from newsletter.database import transaction
from newsletter.desk.login import add_editor
from newsletter.desk.models import Role

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)
ADDRESS = "anna@example.org"
PASSWORD = "correct horse battery"
TOKEN = r'name="csrf_token" value="([^"]+)"'


def piece(pattern, text):
    """What the group of a pattern finds; it must be there."""
    match = re.search(pattern, text, re.MULTILINE)
    assert match, pattern
    return match[1]


class Browser(FlaskClient):
    """Each request comes to an application that knows nothing of the one before."""

    def open(self, *args, **kwargs):
        with self.application.app_context():
            return super().open(*args, **kwargs)

    def token(self, path="/desk/login"):
        """The token in the form of a page."""
        return piece(TOKEN, self.get(path).text)

    def send_form(self, path, data=None, *, page="/desk/upload", **options):
        """Post what was filled in on a page."""
        filled = {"csrf_token": self.token(page)} | (data or {})
        return self.post(path, data=filled, **options)

    def log_in(self, address=ADDRESS, password=PASSWORD, **more):
        """Fill in the login form."""
        form = {"address": address, "password": password} | more
        return self.send_form("/desk/login", form, page="/desk/login")


def browser(app):
    """A browser without cookies yet."""
    app.test_client_class = Browser
    return app.test_client()


def make_editor(role=Role.EDITOR, address=ADDRESS, password=PASSWORD):
    """Somebody who works at the desk."""
    with transaction():
        return add_editor(address, role, password, now=NOW)


def at_the_desk(app, role=Role.EDITOR, address=ADDRESS):
    """A browser in which an editor has logged in."""
    make_editor(role, address)
    found = browser(app)
    assert found.log_in(address).status_code == 303
    return found
