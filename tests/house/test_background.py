"""Hints are given by name: every name must mean something."""

import ast
from pathlib import Path

import pytest

from newsletter import create_app
from newsletter.background import CLOCK, ISSUES, NOTICES, QUEUES, UPKEEP
from newsletter.settings import load_settings

SOURCE = Path(__file__).parents[2] / "newsletter"


@pytest.fixture
def celery(tmp_path):
    settings = load_settings(_env_file=None, instance_path=tmp_path)
    return create_app(settings).extensions["celery"]


def hinted_names():
    """The first argument of each call of `hint` in the source."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) == "hint":
                assert isinstance(node.args[0], ast.Constant), f"{path}: a hint by variable"
                yield path, node.args[0].value


def _name(function):
    return getattr(function, "id", None) or getattr(function, "attr", None)


def test_every_task_has_a_queue_and_every_queue_a_worker(celery):
    ours = {name for name in celery.tasks if not name.startswith("celery.")}

    assert ours == set(QUEUES)
    assert set(QUEUES.values()) <= {ISSUES, NOTICES, UPKEEP}


def test_every_hint_names_a_task():
    hinted = {name for _path, name in hinted_names()}

    assert hinted <= set(QUEUES)
    assert hinted, "nobody hints any more?"


def test_the_clock_starts_only_tasks_that_exist():
    assert set(CLOCK) <= set(QUEUES)
