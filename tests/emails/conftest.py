"""Mails need translations and nothing else of the application."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel

import newsletter

TRANSLATIONS = Path(newsletter.__file__).parent / "translations"


def make_app() -> Flask:
    """An application that can translate."""
    app = Flask("mails")
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    Babel(app)
    return app


@pytest.fixture(autouse=True)
def _application() -> Iterator[None]:
    with make_app().app_context():
        yield
