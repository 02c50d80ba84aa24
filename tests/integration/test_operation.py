"""What an operator asks: is it healthy, may visitors come, is the schema today's."""

import json

import pytest
from sqlalchemy import text

from newsletter import create_app
from newsletter.database import db
from newsletter.operation import is_database_current, prepare_database
from newsletter.settings import load_settings
from tests.conftest import SECRET_KEY

NOWHERE = "unix:///nowhere/valkey.sock"
PASSWORD = "hush-hush"


@pytest.fixture
def away(tmp_path):
    """Neither database nor Redis answers."""
    settings = load_settings(
        _env_file=None,
        instance_path=tmp_path,
        secret_key=SECRET_KEY,
        database_url=f"postgresql://newsletter:{PASSWORD}@127.0.0.1:1/newsletter",
        redis_url=NOWHERE,
    )
    return create_app(settings).test_client()


def test_a_service_with_its_database_is_healthy(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"service": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_service_with_all_its_parts_is_ready(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"database": "current", "redis": "answers"})


def test_without_a_database_it_is_neither_and_says_no_secret(away):
    for page in ("/healthz", "/readyz"):
        answer = away.get(page)
        assert answer.status_code == 503
        assert "away" in json.dumps(answer.json)
        assert PASSWORD not in answer.text


def test_without_redis_visitors_may_still_come(settings, app):
    alone = create_app(settings.model_copy(update={"redis_url": "redis+socket:///nowhere.sock"}))
    answer = alone.test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"database": "current", "redis": "away"})


def test_an_empty_database_is_not_ready_until_it_is_upgraded(tmp_path, valkey_socket):
    settings = load_settings(
        _env_file=None,
        instance_path=tmp_path,
        secret_key=SECRET_KEY,
        redis_url=f"unix://{valkey_socket}",
    )
    app = create_app(settings)
    with app.app_context():
        assert not is_database_current()
        answer = app.test_client().get("/readyz")
        assert answer.status_code == 503
        assert "newsletter db upgrade" in answer.text

        prepare_database()
        prepare_database()  # a second time changes nothing

        assert is_database_current()
        assert db.session.scalar(text("SELECT count(*) FROM section")) == 4
        db.session.remove()
        db.engine.dispose()
