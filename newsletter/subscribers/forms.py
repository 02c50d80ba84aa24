"""The forms that ask for an address: what they offer, what was typed, how they come back."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import parse_qs

from flask import request
from flask_babel import gettext

from newsletter.issues import choice as choices
from newsletter.issues.models import Format, Section
from newsletter.issues.sections import standing_sections
from newsletter.mail.addresses import LONGEST_INPUT
from newsletter.pages import page_language, settings
from newsletter.subscribers.entrance import Asked
from newsletter.subscribers.stamps import stamp

TRAP = "website"  # a field that people do not see and programs fill in


@dataclass(frozen=True)
class Box:
    """One section to choose."""

    slug: str
    title: str
    invitation: str
    is_ticked: bool


@dataclass(frozen=True)
class Typed(Asked):
    """What came with a form; `is_trapped` says that a program filled it in."""

    is_trapped: bool

    @classmethod
    def from_request(cls) -> Self:
        """What is missing is empty, the language that of the page."""
        return cls(
            address=_typed_address()[: LONGEST_INPUT + 1],
            sections=tuple(request.form.getlist("sections")),
            language=request.form.get("language") or page_language(),
            stamp=request.form.get("stamp", ""),
            is_trapped=bool(request.form.get(TRAP)),
        )


@dataclass(frozen=True)
class Answer:
    """How a form comes back: `error` belongs to the address, `refusal` to the whole.

    With `stamp`, which is for this address alone, one press more will do.
    """

    error: str | None = None
    refusal: str | None = None
    stamp: str | None = None


@dataclass(frozen=True)
class AddressForm:
    """A form that asks for an address: empty, or as it was filled in."""

    address: str
    stamp: str
    error: str | None
    refusal: str | None
    asks_again: bool


@dataclass(frozen=True)
class SignupForm(AddressForm):
    """What `subscribers/signup_form.html` shows."""

    boxes: list[Box]
    language: str
    wording: str


@dataclass(frozen=True)
class PreferencesForm:
    """What `subscribers/preferences.html` shows."""

    boxes: list[Box]
    language: str
    format: Format


def signup_form(typed: Typed | None = None, answer: Answer | None = None) -> SignupForm:
    """An empty form in the language of the page, or one that keeps what was typed."""
    chosen = typed.sections if typed else ()
    return SignupForm(
        **vars(address_form(typed, answer)),
        boxes=[_box(section, section.slug in chosen) for section in standing_sections()],
        language=typed.language if typed else page_language(),
        wording=consent_wording(),
    )


def address_form(typed: Typed | None = None, answer: Answer | None = None) -> AddressForm:
    """The same, for an address alone."""
    answer = answer or Answer()
    return AddressForm(
        address=typed.address if typed else "",
        stamp=answer.stamp or stamp(datetime.now(UTC)),
        error=answer.error,
        refusal=answer.refusal,
        asks_again=answer.stamp is not None,
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


def _typed_address() -> str:
    """The address; a byte that is no UTF-8 becomes U+FFFD, which no address may hold.

    In a form of the usual kind, Werkzeug would make three characters of it, such as `%FF`, and
    these may well be part of an address. So we take the address from the body ourselves, before
    anybody asks for the form.
    """
    if request.mimetype != "application/x-www-form-urlencoded":
        return request.form.get("address", "")
    return parse_qs(request.get_data(as_text=True)).get("address", [""])[0]


def _box(section: Section, is_ticked: bool) -> Box:  # noqa: FBT001 - a box is ticked or it is not
    language = page_language()
    return Box(section.slug, section.title(language), section.invitation(language), is_ticked)
