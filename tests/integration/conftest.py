"""What most tests of the application begin with: a reader's browser, an operator's command line."""

import pytest
from flask.cli import ScriptInfo

from newsletter.cli import newsletter
from tests.integration.readers import Browser


@pytest.fixture
def browser(app):
    return Browser(app, app.response_class)


@pytest.fixture
def command(app):
    """Run a command in the application of the test."""
    runner = app.test_cli_runner()

    def run(*arguments, stdin=None):
        return runner.invoke(
            newsletter, arguments, input=stdin, obj=ScriptInfo(create_app=lambda: app)
        )

    return run
