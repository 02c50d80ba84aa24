"""The menu of the desk: what somebody of each role finds at the top of every page."""

from dataclasses import dataclass

from flask_babel import gettext

from newsletter.desk.models import Editor, Role
from newsletter.locales import translatable

EVERYBODY = frozenset(Role)
ADMINS = frozenset({Role.ADMIN})


@dataclass(frozen=True)
class Item:
    """One way to go."""

    endpoint: str
    words: str
    roles: frozenset[Role] = EVERYBODY


ITEMS = (
    Item("desk.week", translatable("This week")),
    Item("desk.issues", translatable("Issues")),
    Item("desk.reports", translatable("Reports")),
    Item("desk.people", translatable("People"), ADMINS),
    Item("desk.sections", translatable("Sections"), ADMINS),
    Item("desk.subscribers", translatable("Subscribers"), ADMINS),
    Item("desk.settings", translatable("Settings"), ADMINS),
    Item("desk.log", translatable("Log"), ADMINS),
    Item("archive.front", translatable("Website")),
)


def menu(editor: Editor) -> list[tuple[str, str]]:
    """Endpoints and words of what an editor may open."""
    return [(item.endpoint, gettext(item.words)) for item in ITEMS if editor.role in item.roles]
