"""The settings at the desk: each with its meaning, and none that is secret."""

from newsletter.desk.models import Role
from newsletter.desk.settings_list import MEANINGS, list_settings, warnings
from newsletter.settings import Settings, load_settings
from tests.desk import at_the_desk

SECRETS = {
    "secret_key": "k" * 40,
    "database_url": "postgresql://writer:hidden1@db.example.org/letters?password=hidden2",
    "redis_url": "redis://:hidden3@cache.example.org/0",
    "smtp_url": "smtps://sender:hidden4@relay.example.org:465",
}


def test_every_setting_has_a_meaning():
    assert set(MEANINGS) == set(Settings.model_fields)


def test_nothing_secret_is_listed(tmp_path):
    found = load_settings(_env_file=None, instance_path=tmp_path, **SECRETS)

    shown = " ".join(setting.value for setting in list_settings(found))

    assert "hidden" not in shown
    assert "kkkk" not in shown
    assert "relay.example.org:465" in shown
    assert "db.example.org/letters" in shown


def test_a_trial_and_an_example_address_are_warned_of(tmp_path):
    trial = load_settings(_env_file=None, instance_path=tmp_path)
    production = load_settings(
        _env_file=None,
        instance_path=tmp_path,
        public_url="https://news.example.org",
        mail_from="news@news.example.org",
        postal_address="The Weekly, 7 Harbour Road, Valletta",
        **SECRETS,
    )

    assert len(warnings(trial)) == 3
    assert warnings(production) == []


def test_the_page_shows_them(app):
    page = at_the_desk(app, Role.ADMIN).get("/desk/settings").text

    assert "NEWSLETTER_TIME_ZONE" in page
    assert app.config["SECRET_KEY"] not in page
