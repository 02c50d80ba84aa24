"""What an operator reads about settings is what the settings are."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic_core import PydanticUndefined

from newsletter.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
LINE = re.compile(rf"^#?{PREFIX}([A-Z_]+)=(.*)$", re.MULTILINE)
NO_DEFAULT = {  # shown with an example, or empty
    "public_url",
    "smtp_url",
    "instance_path",
    "messages_per_second",
    "domain_limits",
}

documented = {
    name.lower(): value for name, value in LINE.findall((ROOT / ".env.example").read_text())
}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_every_setting_is_documented_and_nothing_else_is():
    assert documented.keys() == Settings.model_fields.keys()


def test_a_documented_default_is_the_default():
    for name, field in Settings.model_fields.items():
        if field.default is not PydanticUndefined and name not in NO_DEFAULT:
            assert documented[name] == str(field.default), name


@pytest.mark.parametrize("name", ["docker-compose.yml", "Dockerfile"])
def test_containers_are_given_settings_that_exist(name):
    mentioned = re.findall(rf"{PREFIX}([A-Z_]+)", (ROOT / name).read_text())
    assert {setting.lower() for setting in mentioned} <= Settings.model_fields.keys()


def test_no_secret_has_a_default_in_containers():
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("POSTGRES_PASSWORD", f"{PREFIX}SECRET_KEY", f"{PREFIX}SMTP_URL"):
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", text)
        assert uses, name
        assert all(use.startswith(":?") for use in uses), name


def test_all_parts_wait_for_the_migrations_and_start_again(compose):
    parts = {name for name, part in compose["services"].items() if part["image"] == "newsletter"}
    assert parts == {"migrate", "web", "worker-issues", "worker-notices", "clock"}
    for name in parts - {"migrate"}:
        part = compose["services"][name]
        assert part["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert part["restart"] == "unless-stopped"


def test_redis_keeps_what_it_was_told(compose):
    command = " ".join(compose["services"]["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_every_queue_has_a_worker_in_containers(compose):
    from_commands = {
        queue
        for part in compose["services"].values()
        for argument in part.get("command", ())
        if argument.startswith("--queues=")
        for queue in argument.removeprefix("--queues=").split(",")
    }
    assert from_commands == {"issues", "notices", "upkeep"}
