"""Hints are given by name: every name must mean something."""

import ast
from pathlib import Path

import pytest

from newsletter import create_app
from newsletter.background import (
    CLOCK,
    ISSUES,
    NOTICES,
    QUEUES,
    TASK_MINUTES,
    UPKEEP,
    VISIBILITY_SECONDS,
)
from newsletter.delivery.sending import OVERTIME, SENDING_TIME
from newsletter.mail.smtp import Limits
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


def test_no_task_is_killed_while_its_last_message_may_still_be_answered_nor_handed_out_again():
    limits = Limits()
    body_and_answer = limits.before_dot + limits.after_dot
    envelope = 2 * limits.before_dot  # it may move to another connection once

    sending_time = (SENDING_TIME + OVERTIME).total_seconds()
    longest = sending_time + body_and_answer + envelope + body_and_answer

    assert longest + 60 < TASK_MINUTES * 60 < VISIBILITY_SECONDS
