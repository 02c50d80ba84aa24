"""What must not creep in."""

import inspect
import re
from importlib.metadata import distributions
from pathlib import Path

import mjml

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")


def test_the_mjml_module_is_the_rust_engine():
    """`mjml` and `mjml-python` install a module of the same name; only one has `fonts`."""
    names = {distribution.metadata["Name"].lower() for distribution in distributions()}

    assert "mjml-python" in names
    assert "mjml" not in names
    assert "fonts" in inspect.signature(mjml.mjml2html).parameters


def test_lock_files_pin_everything_with_hashes_and_name_no_index_and_no_host():
    for name in LOCKS:
        text = (ROOT / name).read_text()
        pinned = re.findall(r"^[a-z0-9-]+(?:\[\w+\])?==", text, re.MULTILINE | re.IGNORECASE)

        assert len(pinned) > 50, name
        assert "://" not in text, name
        assert not re.search(r"^-", text, re.MULTILINE), name
        assert text.count("--hash=sha256:") >= len(pinned), name


def test_each_dependency_has_its_line_in_the_decisions():
    decision = (ROOT / "docs/decisions/0002-dependencies.md").read_text().lower()
    for name in ("requirements.in", "requirements-dev.in"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                assert line.partition("[")[0].lower() in decision, line
