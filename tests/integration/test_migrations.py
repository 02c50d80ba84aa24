"""An upgrade keeps every reader, and so does the way back."""

import flask_migrate
import pytest
import sqlalchemy as sa
from flask import Flask

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.issues.search import SearchEntry
from newsletter.issues.sections import create_standard_sections
from newsletter.settings import load_settings
from newsletter.subscribers.models import Subscriber
from tests.conftest import SECRET_KEY
from tests.factories import make_subscriber
from tests.issue_files import SAMPLES
from tests.publishing import draft, publish_sample, publish_week

BEFORE_READERS_COULD_DO_THINGS = "0004"
BEFORE_SEARCH = "0005"


@pytest.fixture
def own_database(tmp_path, valkey_socket, request) -> Flask:
    """An application whose database nobody else uses, of either kind."""
    url = f"sqlite:///{tmp_path / 'own.db'}"
    if request.param == "postgresql":
        server = sa.create_engine(
            load_settings(
                _env_file=None,
                instance_path=tmp_path,
                database_url=request.getfixturevalue("postgres_url"),
            ).database_url,
            isolation_level="AUTOCOMMIT",
        )
        with server.connect() as connection:
            connection.execute(sa.text("DROP DATABASE IF EXISTS migrated"))
            connection.execute(sa.text("CREATE DATABASE migrated"))
        url = server.url.set(database="migrated").render_as_string(hide_password=False)
        server.dispose()
    settings = load_settings(
        _env_file=None, instance_path=tmp_path, secret_key=SECRET_KEY, database_url=url
    )
    return create_app(settings)


@pytest.mark.parametrize("own_database", ["sqlite", "postgresql"], indirect=True)
def test_an_upgrade_and_the_way_back_keep_every_reader(own_database):
    with own_database.app_context():
        flask_migrate.upgrade()
        with transaction():
            make_subscriber("amal@reader.example")
        flask_migrate.downgrade(revision=BEFORE_READERS_COULD_DO_THINGS)
        kept = "SELECT address FROM subscriber JOIN subscription ON subscriber_id = subscriber.id"
        assert db.session.scalars(sa.text(kept)).all() == ["amal@reader.example"]
        db.session.rollback()

        flask_migrate.upgrade()

        reader = db.session.scalars(sa.select(Subscriber)).one()
        assert reader.subscription is not None
        assert (reader.address, reader.paused_until) == ("amal@reader.example", None)
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("own_database", ["sqlite", "postgresql"], indirect=True)
def test_an_upgrade_lets_the_issues_be_found_that_were_public_before(own_database):
    columns = [column for column in SearchEntry.__table__.columns if column.name != "id"]
    entries = sa.select(*columns).order_by(*columns)
    with own_database.app_context():
        flask_migrate.upgrade()
        with transaction():
            create_standard_sections()
        publish_sample()
        publish_week(86)
        draft((SAMPLES / "issue-88.en.md").read_bytes())
        written = db.session.execute(entries).all()
        db.session.rollback()
        flask_migrate.downgrade(revision=BEFORE_SEARCH)

        flask_migrate.upgrade()

        assert written
        assert db.session.execute(entries).all() == written
        page = own_database.test_client().get("/search?q=logbook").text
        assert "<mark>logbook</mark>" in page
        assert 'href="/issues/88' not in page
        db.session.remove()
        db.engine.dispose()
