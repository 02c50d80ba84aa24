"""Debian's Chromium, kept quiet."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ViewportSize, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ("--no-sandbox", "--disable-quic", "--disable-background-networking")
PHONE: ViewportSize = {"width": 375, "height": 740}
DESKTOP: ViewportSize = {"width": 1200, "height": 900}


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """A browser; without one the test is skipped, but not where CI must bring it."""
    if CHROMIUM is None:
        assert os.environ.get("CI") != "true", "CI must bring Chromium"
        pytest.skip("Chromium is not installed")  # a browser is no package of Python's
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()
