"""Compose a mail once, cut it where a reader's own values go, and fill it for each reader.

Nothing is parsed, encoded or copied per reader: a `Template` holds finished, 7-bit bytes with
holes between them, and `fill` puts short values into the holes; of these only a recipient may hold
more than ASCII (RFC 6532). What it gives is what travels: no body line begins with a dot, no bare
CR or LF exists, so SMTP has nothing left to escape.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import chain
from operator import itemgetter
from typing import NamedTuple, Self

from newsletter.links import TOKEN_LENGTH
from newsletter.mail.encoding import base64, quoted_printable
from newsletter.mail.headers import BadLetter, Mailbox, fold_text, fold_uris, header, phrase, plain
from newsletter.mail.holes import (
    MARKS,
    TOKENS,
    Hole,
    Piece,
    Slot,
    Stretch,
    cut_header,
    cut_html,
    cut_text,
    find_mark,
    unmarked,
)
from newsletter.mail.international import may_travel

__all__ = [
    "MARKS",
    "BadLetter",
    "Hole",
    "Letter",
    "Mailbox",
    "Mailing",
    "Template",
    "compose",
    "date_header",
    "find_mark",
]

_FITS = {
    Hole.RECIPIENT: rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}",
    Hole.MESSAGE_ID: rb"<[A-Za-z0-9._-]{1,128}@[A-Za-z0-9.-]{1,255}>",
    Hole.DATE: rb"[A-Za-z0-9,:+ -]{20,40}",
} | dict.fromkeys(TOKENS, rb"[A-Za-z0-9_-]{%d}" % TOKEN_LENGTH)


@dataclass(frozen=True)
class Mailing:
    """The headers that only an issue carries, never a notice.

    `list_id` is the stable identifier of RFC 2919 without its angle brackets. `unsubscribe`
    holds the URIs of List-Unsubscribe in order, https first, each with a mark (RFC 2369, 8058).
    """

    name: str
    list_id: str
    unsubscribe: tuple[str, ...]
    archive: str
    owner: str
    feedback_id: str


@dataclass(frozen=True)
class Letter:
    """One mail as its author means it, before anything is encoded.

    `public_url` is where the links with marks lead. Without `html` the mail is plain text;
    without `mailing` it is a notice.
    """

    subject: str
    sender: Mailbox
    text: str
    public_url: str
    html: str | None = None
    reply_to: Mailbox | None = None
    mailing: Mailing | None = None


class _Plan(NamedTuple):
    """How a template is filled: all that is the same for every reader.

    `holes` are to be given; `fit` tests what was given, a value a line; `encoded` numbers those
    that are needed in base64, too; `in_order` picks from segments, values and encoded values.
    """

    holes: list[Hole]
    fit: Callable[[bytes], re.Match[bytes] | None]
    encoded: list[int]
    in_order: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]


@dataclass(frozen=True)
class Template:
    """A finished mail with holes: one slot stands between every two segments."""

    segments: tuple[bytes, ...]
    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> Self:
        """Join neighbouring bytes, so that as few segments as possible remain."""
        segments: list[bytes] = [b""]
        slots: list[Slot] = []
        for piece in pieces:
            if isinstance(piece, Slot):
                slots.append(piece)
                segments.append(b"")
            else:
                segments[-1] += piece
        return cls(tuple(segments), tuple(slots))

    def fill(self, values: Mapping[Hole, bytes]) -> tuple[bytes, ...]:
        """The mail for one reader, as buffers to be sent one after the other.

        The segments are handed out as they are. Raises `BadLetter` when a value is missing
        or is not what its hole may hold.
        """
        plan = self._plan
        given = [values.get(hole, b"") for hole in plan.holes]
        if not plan.fit(b"\n".join(given)):
            _check(plan.holes, given)
        encoded = [b64encode(given[number]) for number in plan.encoded]
        return plan.in_order((*self.segments, *given, *encoded))

    @cached_property
    def _plan(self) -> _Plan:
        holes = list(dict.fromkeys(slot.hole for slot in self.slots))
        encoded = list(dict.fromkeys(slot.hole for slot in self.slots if slot.is_base64))
        slots = [Slot(hole) for hole in holes] + [Slot(hole, is_base64=True) for hole in encoded]
        places = [len(self.segments) + slots.index(slot) for slot in self.slots]
        segments = range(1, len(self.segments))
        return _Plan(
            holes=holes,
            fit=re.compile(rb"\n".join(_FITS[hole] for hole in holes)).fullmatch,
            encoded=[holes.index(hole) for hole in encoded],
            in_order=itemgetter(0, *chain.from_iterable(zip(places, segments, strict=True))),
        )

    @property
    def size(self) -> int:
        """Octets of a filled mail, without recipient, date and Message-ID."""
        tokens = sum(1 for slot in self.slots if slot.hole in TOKENS)
        return sum(map(len, self.segments)) + TOKEN_LENGTH * tokens

    def dump(self) -> bytes:
        """As bytes to be kept; `load` brings it back."""
        segments = [segment.decode("ascii") for segment in self.segments]
        return json.dumps({"segments": segments, "slots": self.slots}).encode()

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Bring back what `dump` made."""
        kept = json.loads(data)
        return cls(
            tuple(segment.encode("ascii") for segment in kept["segments"]),
            tuple(Slot(Hole(hole), is_base64) for hole, is_base64 in kept["slots"]),
        )


def compose(letter: Letter) -> Template:
    """Encode a letter, once for all its readers.

    Raises `BadLetter` for a control character in a header, for an address that is not ASCII,
    and for a mark anywhere but at the end of one of our own links.
    """
    return Template.of([*_headers(letter), *_body(letter)])


@lru_cache(maxsize=64)  # all mails of a batch have the same
def date_header(moment: datetime) -> bytes:
    """The value of Date (RFC 5322 3.3) for an aware time."""
    if moment.tzinfo is None:
        raise ValueError("A Date header needs an aware time.")
    return format_datetime(moment).encode("ascii")


def _check(holes: Iterable[Hole], given: Iterable[bytes]) -> None:
    """Look at each value by itself; raises `BadLetter` for one that its hole may not hold."""
    for hole, value in zip(holes, given, strict=True):
        if not (re.fullmatch(_FITS[hole], value) or _is_international(hole, value)):
            raise BadLetter(f"This is no value for the {hole} of a mail.")


def _is_international(hole: Hole, value: bytes) -> bool:
    """Whether this is a recipient that stands in its header as UTF-8 (RFC 6532 section 3.2)."""
    return hole is Hole.RECIPIENT and may_travel(value.decode("utf-8", "surrogateescape"))


def _headers(letter: Letter) -> Iterator[Piece]:
    yield header("From", letter.sender.header_value("From"))
    yield b"To: "
    yield Slot(Hole.RECIPIENT)
    yield b"\r\n"
    if letter.reply_to:
        yield header("Reply-To", letter.reply_to.header_value("Reply-To"))
    yield header("Subject", fold_text("Subject", unmarked(letter.subject)))
    yield b"Date: "
    yield Slot(Hole.DATE)
    yield b"\r\nMessage-ID: "
    yield Slot(Hole.MESSAGE_ID)
    yield b"\r\n"
    if letter.mailing:
        yield from _mailing_headers(letter.mailing)
    else:
        yield header("Auto-Submitted", "auto-generated")
    yield header("MIME-Version", "1.0")


def _mailing_headers(mailing: Mailing) -> Iterator[Piece]:
    name = phrase("List-Id", mailing.name)
    yield header("List-Id", f"{name} <{plain(mailing.list_id)}>")
    yield from cut_header(header("List-Unsubscribe", fold_uris(mailing.unsubscribe)))
    yield header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    yield header("List-Archive", fold_uris([mailing.archive]))
    yield header("List-Owner", fold_uris([f"mailto:{mailing.owner}"]))
    yield header("Feedback-ID", plain(mailing.feedback_id))
    yield header("Precedence", "bulk")
    yield header("X-Auto-Response-Suppress", "OOF, AutoReply")


def _body(letter: Letter) -> Iterator[Piece]:
    text = _part("plain", cut_text(letter.text, letter.public_url))
    if letter.html is None:
        yield from text
        return
    # "=_" can stand in no quoted-printable and no base64 text (RFC 2045 6.7)
    boundary = b"=_" + sha256(letter.html.encode("utf-8", "replace")).hexdigest()[:32].encode()
    yield b'Content-Type: multipart/alternative;\r\n boundary="%s"\r\n' % boundary
    yield b"\r\n--%s\r\n" % boundary
    yield from text
    yield b"\r\n--%s\r\n" % boundary
    yield from _part("html", cut_html(letter.html, letter.public_url))
    yield b"\r\n--%s--\r\n" % boundary


def _part(subtype: str, stretches: list[Stretch]) -> Iterator[Piece]:
    """One MIME part in whichever of the two encodings is shorter."""
    quoted = list(quoted_printable(stretches))
    in_base64 = list(base64(stretches))
    is_base64 = _length(in_base64) < _length(quoted)
    yield b"Content-Type: text/%s; charset=utf-8\r\n" % subtype.encode()
    yield b"Content-Transfer-Encoding: %s\r\n\r\n" % (
        b"base64" if is_base64 else b"quoted-printable"
    )
    yield from in_base64 if is_base64 else quoted


def _length(pieces: list[Piece]) -> int:
    return sum(TOKEN_LENGTH if isinstance(piece, Slot) else len(piece) for piece in pieces)
