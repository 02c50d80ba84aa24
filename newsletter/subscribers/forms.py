"""The signup form: what it offers, what was typed, and when it was shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Self
from urllib.parse import parse_qs

from flask import request
from flask_babel import gettext
from itsdangerous import BadSignature, Signer

from newsletter.issues import choice as choices
from newsletter.issues.models import Format, Section
from newsletter.issues.sections import standing_sections
from newsletter.mail.addresses import LONGEST_INPUT
from newsletter.pages import page_language, settings

FRESH_FOR = timedelta(hours=2)


@dataclass(frozen=True)
class Box:
    """One section to choose."""

    slug: str
    title: str
    invitation: str
    is_ticked: bool


@dataclass(frozen=True)
class Typed:
    """What came with a form, unread."""

    address: str
    sections: tuple[str, ...]
    language: str
    stamp: str

    @classmethod
    def from_request(cls) -> Self:
        """What is missing is empty, the language that of the page."""
        return cls(
            address=_typed_address()[: LONGEST_INPUT + 1],
            sections=tuple(request.form.getlist("sections")),
            language=request.form.get("language") or page_language(),
            stamp=request.form.get("stamp", ""),
        )


@dataclass(frozen=True)
class SignupForm:
    """What `subscribers/signup_form.html` shows."""

    address: str
    boxes: list[Box]
    language: str
    stamp: str
    wording: str
    error: str | None
    refusal: str | None
    asks_again: bool


@dataclass(frozen=True)
class PreferencesForm:
    """What `subscribers/preferences.html` shows."""

    boxes: list[Box]
    language: str
    format: Format


def signup_form(
    typed: Typed | None = None,
    error: str | None = None,
    *,
    refusal: str | None = None,
    asks_again: bool = False,
) -> SignupForm:
    """An empty form in the language of the page, or one that keeps what was typed.

    `error` belongs to the address, `refusal` to the whole; `asks_again` says that one more press
    is needed.
    """
    chosen = typed.sections if typed else ()
    return SignupForm(
        address=typed.address if typed else "",
        boxes=[_box(section, section.slug in chosen) for section in standing_sections()],
        language=typed.language if typed else page_language(),
        stamp=stamp(datetime.now(UTC)),
        wording=consent_wording(),
        error=error,
        refusal=refusal,
        asks_again=asks_again,
    )


def section_boxes(choice: int) -> list[Box]:
    """Today's sections, those of a choice ticked; none where all were chosen, also later ones."""
    return [
        _box(section, choice != choices.ALL and choices.takes(choice, section.id))
        for section in standing_sections()
    ]


def consent_wording() -> str:
    """What somebody agrees to by sending the form, in the language of the page; kept as shown."""
    wording: str = gettext(
        "By pressing the button I ask to receive %(publication)s by mail once a week, in the"
        " sections and the language chosen here. I can change this or leave at any time by a"
        " link in every mail.",
        publication=settings().publication_name,
    )
    return wording


def stamp(now: datetime) -> str:
    """When a form was shown, signed, so that a program cannot make one up."""
    return _signer().sign(str(int(now.timestamp()))).decode()


def is_fresh(shown: str, now: datetime) -> bool:
    """Whether a stamp is ours and young; one from a cached page or a copied form is not."""
    try:
        shown_at = int(_signer().unsign(shown))
    except BadSignature:
        return False
    return now.timestamp() - shown_at < FRESH_FOR.total_seconds()


def _typed_address() -> str:
    """The address; a byte that is no UTF-8 becomes U+FFFD, which no address may hold.

    In a form of the usual kind, Werkzeug would make three characters of it, such as `%FF`, and
    these may well be part of an address. So we take the address from the body ourselves, before
    anybody asks for the form.
    """
    if request.mimetype != "application/x-www-form-urlencoded":
        return request.form.get("address", "")
    return parse_qs(request.get_data(as_text=True)).get("address", [""])[0]


def _signer() -> Signer:
    keys: Sequence[str] = settings().secret_keys
    return Signer(list(reversed(keys)), salt="signup form", digest_method=sha256)


def _box(section: Section, is_ticked: bool) -> Box:  # noqa: FBT001 - a box is ticked or it is not
    language = page_language()
    return Box(section.slug, section.title(language), section.invitation(language), is_ticked)
