"""Getting in at the desk, and being let in."""

from flask import Flask


def init_login(app: Flask) -> None:
    """Install who is who at the desk."""
