"""The page that the desk opens on: this week."""

from flask import render_template

from newsletter.desk.door import pages


@pages.get("/")
def week() -> str:
    """The issue in work, and what became of the last one."""
    return render_template("desk/week.html")
