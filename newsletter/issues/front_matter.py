"""Read an issue's front matter: a flat list of `key: value` lines, in YAML's notation.

Of YAML only plain and quoted scalars are taken, and only as text: what is nested, tagged or
aliased is refused before anything is built of it, so no front matter can blow up or recurse.
"""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol, TypeVar

import yaml

from newsletter.issues.markdown import NOT_TEXT

LONGEST_FRONT_MATTER = 4096  # characters
LONGEST_TITLE = 200  # characters of a subject, a preheader or a headline

FIRST_LINE = 2  # below the "---" that begins the file
EXAMPLES = {
    "number": "87",
    "date": "2017-08-15",
    "language": "en",
    "subject": "Derna under siege",
    "preheader": "The blockade tightens",
}
REQUIRED = ("number", "date", "subject")
HIGHEST_NUMBER = 999_999
NUMBER = re.compile(r"0*[1-9][0-9]{0,5}")
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""What turns the direction of writing (UAX 9): in a line of its own it would turn what stands
around it in an inbox or a list, and can make a subject read as another."""
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FRAME = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent, yaml.MappingEndEvent)

Complain = Callable[[int, str], None]
"""Takes the line of a problem, and a sentence that says what to do about it."""

T = TypeVar("T")


class Mark(Protocol):
    """Where YAML is, its lines counted from 0."""

    @property
    def line(self) -> int: ...  # noqa: D102 - the class says it


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What the head of an issue file says."""

    number: int
    date: datetime.date
    language: str
    subject: str
    preheader: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as it was written, and the line of its key."""

    line: int
    value: str


class Unfit(ValueError):
    """A value is none of its kind; says what it must be, to go on after the key."""


class Unreadable(ValueError):
    """This is no flat list of keys and values, from a line on."""

    def __init__(self, mark: Mark | None) -> None:
        super().__init__(
            'This can\'t be read. Write every line as "key: value", and put a value that holds a'
            ' colon or begins with a sign in quotation marks, like subject: "Derna: a siege".'
        )
        self.line = _line(mark)


def read_front_matter(text: str, languages: Sequence[str], complain: Complain) -> FrontMatter:
    """Read what stands between the two fences; after a complaint the values mean nothing.

    `languages` are the tags of those offered; a file that names none is in the first one.
    """
    entries = _read_entries(text, complain)

    def read(key: str, reader: Callable[[str], T], otherwise: T) -> T:
        if key not in entries:
            return otherwise
        try:
            return reader(entries[key].value)
        except Unfit as reason:
            complain(entries[key].line, f"The {key} {reason}.")
            return otherwise

    return FrontMatter(
        number=read("number", _read_number, 0),
        date=read("date", _read_date, datetime.date.min),
        language=read("language", _reader_of_tags(languages), languages[0]),
        subject=read("subject", _read_title, ""),
        preheader=read("preheader", _read_title, ""),
    )


def _read_entries(text: str, complain: Complain) -> Mapping[str, Entry]:
    """Collect the entries that hold something, each key once; complain of any other."""
    if len(text) > LONGEST_FRONT_MATTER:
        complain(1, f"The front matter is longer than {LONGEST_FRONT_MATTER:,} characters.")
        return {}
    try:
        pairs = list(_pairs(text))
    except Unreadable as error:
        complain(error.line, str(error))
        return {}

    entries: dict[str, Entry] = {}
    for key, entry in pairs:
        if key not in EXAMPLES:
            complain(entry.line, f'"{key}" means nothing here.{_hint(key)}')
        elif key in entries:
            complain(entry.line, f"The {key} stands in line {entries[key].line} already.")
        else:
            entries[key] = entry
    for key in REQUIRED:
        if key not in entries or not entries[key].value:
            line = entries[key].line if key in entries else 1
            complain(line, f'The {key} is missing. Write it like "{key}: {EXAMPLES[key]}".')
    return {key: entry for key, entry in entries.items() if entry.value}


def _hint(key: str) -> str:
    close = get_close_matches(key, EXAMPLES, n=1)
    return f' Did you mean "{close[0]}"?' if close else f" Known are {', '.join(EXAMPLES)}."


def _pairs(text: str) -> Iterator[tuple[str, Entry]]:
    scalars = _flat_scalars(text)
    for key, value in zip(scalars[::2], scalars[1::2], strict=True):
        yield key.value.strip().lower(), Entry(_line(key.start_mark), value.value.strip())


def _line(mark: Mark | None) -> int:
    return FIRST_LINE + (mark.line if mark else 0)


def _flat_scalars(text: str) -> list[yaml.ScalarEvent]:
    """Collect keys and values by turns."""
    scalars: list[yaml.ScalarEvent] = []
    is_inside = False
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            match event:
                case yaml.ScalarEvent(anchor=None, tag=None) if is_inside:
                    scalars.append(event)
                case yaml.MappingStartEvent(anchor=None, tag=None) if not is_inside:
                    is_inside = True
                case yaml.DocumentStartEvent(explicit=False):
                    pass
                case _ if not isinstance(event, FRAME):
                    raise Unreadable(event.start_mark)
    except yaml.MarkedYAMLError as error:
        # What was never closed is best looked for where it begins.
        is_open = "scanning" in (error.context or "") and error.context_mark
        raise Unreadable(error.context_mark if is_open else error.problem_mark) from error
    return scalars


def _read_number(value: str) -> int:
    if not NUMBER.fullmatch(value):
        raise Unfit(f"must be a whole number from 1 to {HIGHEST_NUMBER}, like 87")
    return int(value)


def read_day(value: str) -> datetime.date | None:
    """The day that is written year-month-day; None if written otherwise, or if there is none."""
    if not DATE.fullmatch(value):
        return None
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        return None


def _read_date(value: str) -> datetime.date:
    day = read_day(value)
    if day is None:
        raise Unfit("must be a day, written year-month-day like 2017-08-15")
    return day


def _read_title(value: str) -> str:
    if len(value.splitlines()) > 1 or NOT_TEXT.search(value):
        raise Unfit("must be one line of ordinary text")
    if turn := TURNS.search(value):
        raise Unfit(turned_by(turn[0]))
    if len(value) > LONGEST_TITLE:
        raise Unfit(f"has {len(value)} characters; at most {LONGEST_TITLE} are possible")
    return value.replace("\t", " ")


def turned_by(control: str) -> str:
    """What is wrong with a line that holds this character, to go on after the name of the line."""
    return f"holds an invisible control character, U+{ord(control):04X}. Delete it"


def _reader_of_tags(languages: Sequence[str]) -> Callable[[str], str]:
    by_name = {tag.casefold(): tag for tag in languages}

    def read_tag(value: str) -> str:
        if value.casefold() not in by_name:
            raise Unfit(f"must be one of those offered: {', '.join(languages)}")
        return by_name[value.casefold()]

    return read_tag
