"""What an operator asks: is the database up to date, does the service answer."""

from pathlib import Path

import flask_migrate
from flask import Blueprint

MIGRATIONS = Path(__file__).parent / "migrations"

pages = Blueprint("operation", __name__)


def upgrade_database() -> None:
    """Bring the schema to the newest migration."""
    flask_migrate.upgrade(directory=str(MIGRATIONS))
