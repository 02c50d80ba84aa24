"""The settings at the desk: what the operator has set, to be read. For admins."""

from flask import render_template

from newsletter.desk.door import for_admins, pages
from newsletter.desk.settings_list import list_settings, warnings
from newsletter.pages import settings as settings_of_the_app


@pages.get("/settings")
@for_admins
def settings() -> str:
    """Every setting with its meaning; the secret ones without their values."""
    found = settings_of_the_app()
    return render_template(
        "desk/settings.html", rows=list_settings(found), warnings=warnings(found)
    )
