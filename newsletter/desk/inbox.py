"""How an issue is announced in a list of mails: the little that programs show of it there."""

from dataclasses import dataclass

from newsletter.issues.models import Subject

ELLIPSIS = "…"


@dataclass(frozen=True)
class Room:
    """How many characters a mail program shows of a subject, and of both together."""

    subject: int
    both: int


DESKTOP = Room(subject=70, both=110)  # Gmail in a browser, one line
PHONE = Room(subject=35, both=115)  # Apple Mail on a phone, one line and two


@dataclass(frozen=True)
class Line:
    """Subject and preheader as they are cut."""

    subject: str
    preheader: str


def line(words: Subject, room: Room) -> Line:
    """What is shown of an issue; without a preheader the mail says its subject again."""
    subject = cut(words.subject, room.subject)
    return Line(subject, cut(words.preheader or words.subject, room.both - len(subject)))


def cut(text: str, most: int) -> str:
    """The text, or as many of its characters as there is room for."""
    return text if len(text) <= most else text[: most - len(ELLIPSIS)].rstrip() + ELLIPSIS
