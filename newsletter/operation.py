"""What an operator asks: is the database up to date, does the service answer."""

from pathlib import Path

import flask_migrate
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, current_app, jsonify
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import db, transaction
from newsletter.issues.sections import create_standard_sections

MIGRATIONS = Path(__file__).parent / "migrations"

pages = Blueprint("operation", __name__)


def upgrade_database() -> None:
    """Bring the schema to the newest migration."""
    flask_migrate.upgrade(directory=str(MIGRATIONS))


def prepare_database() -> None:
    """Bring the schema to the newest migration and give a new publication its sections."""
    upgrade_database()
    with transaction():
        create_standard_sections()


def is_database_current() -> bool:
    """Whether every migration has run; raises `SQLAlchemyError` when the database is away."""
    wanted = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == wanted


def is_broker_there() -> bool:
    """Whether Redis answers."""
    try:
        with current_app.extensions["celery"].connection_for_read() as connection:
            connection.default_channel.client.ping()
    except (BrokerError, RedisError, OSError):
        return False
    return True


@pages.get("/healthz")
def healthz() -> AnyResponse:
    """200 once web and database serve, 503 otherwise."""
    try:
        with db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return _state(503, service="database away")
    return _state(200, service="ok")


@pages.get("/readyz")
def readyz() -> AnyResponse:
    """200 when visitors may be sent here: the database is there and its schema is today's.

    Redis is named but does not decide: signing up and leaving work without it.
    """
    redis = "answers" if is_broker_there() else "away"
    try:
        database = "current" if is_database_current() else "needs `newsletter db upgrade`"
    except SQLAlchemyError:
        database = "away"
    return _state(200 if database == "current" else 503, database=database, redis=redis)


def _state(status: int, **facts: str) -> Response:
    response = jsonify(facts)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
