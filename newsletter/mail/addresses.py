"""Read and normalise an e-mail address (RFC 5321 section 4.1.2; domains by IDNA 2008, RFC 5891).

One mailbox has one key, however its owner typed it that day. Letters beyond ASCII may stand on
both sides of the @: in a domain they travel as A-label, before it as they are, which takes a relay
that knows SMTPUTF8 (RFC 6531).
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from email_validator import EmailNotValidError, validate_email

from newsletter.errors import NewsletterError
from newsletter.locales import translatable
from newsletter.mail.international import ATEXT, LONGEST_LOCAL_PART

LONGEST_ADDRESS = 254  # octets (RFC 5321 section 4.5.3.1.3), without the angle brackets
LONGEST_INPUT = 1000  # room for white space around an address; nobody types more

DOT_ATOM = re.compile(rf"[{ATEXT}]+(\.[{ATEXT}]+)*")
JOINERS = "\u200c\u200d"  # invisible, but Persian and Indic domains need them (RFC 5892, A.1)
IGNORED = (
    re.compile(  # letters and marks that nobody sees (UAX 44), and the empty pattern of Braille
        "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
        "\U000e0100-\U000e01ef]"
    )
)
GMAIL = {"gmail.com", "googlemail.com"}


class Flaw(StrEnum):
    """What is wrong with an address, in the words we say it in."""

    EMPTY = translatable("Please enter an e-mail address.")
    TOO_LONG = translatable(
        "This is too long for an e-mail address: at most 254 characters, 64 before the @."
        " Letters other than a to z count twice or more."
    )
    INVISIBLE = translatable(
        "There is an invisible character or a line break in this address."
        " Please type the address instead of pasting it."
    )
    SEVERAL = translatable("Please enter one address only.")
    NAMED = translatable("Please enter the address alone, without a name or angle brackets.")
    NO_AT = translatable("There is no @ in this address. It should look like name@example.org.")
    TWO_AT = translatable("There is more than one @ in this address.")
    NO_LOCAL_PART = translatable("There is nothing before the @ in this address.")
    NO_DOMAIN = translatable("There is nothing after the @ in this address.")
    QUOTED = translatable("We can't write to addresses with quotation marks.")
    SPACE = translatable("There is a space inside this address.")
    BAD_LOCAL_PART = translatable(
        "The part before the @ can't be right: it has a misplaced dot,"
        " or a character that addresses never have."
    )
    DOMAIN_LITERAL = translatable(
        "We can't write to a bare IP address. Please give an address with a domain."
    )
    NO_DOT = translatable("The part after the @ is incomplete. It should look like example.org.")
    BAD_DOMAIN = translatable("The part after the @ is not a domain that can receive mail.")


FLAWS_AT_SIGHT = (
    (re.compile(r"^$"), Flaw.EMPTY),
    (re.compile(r"@.*[,;\s].*@"), Flaw.SEVERAL),
    (re.compile(r"[<>]"), Flaw.NAMED),
    (re.compile(r'"'), Flaw.QUOTED),
    (re.compile(r"^[^@]*$"), Flaw.NO_AT),
    (re.compile(r"@.*@"), Flaw.TWO_AT),
    (re.compile(r"\s"), Flaw.SPACE),
)
"""What can be told without taking the address apart, the most telling first."""


class BadAddress(NewsletterError):
    """This is no address, or none that we can write to."""

    page = "bad_address"

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox, in the four forms that we need."""

    text: str
    """As its owner wrote it, the domain in lower case and in its own script: to show and keep."""
    key: str
    """The same for every way to write the mailbox, and for no other: unique."""
    smtp: str
    """What goes on the wire: printable, without a space, the domain as A-label."""
    domain: str
    """The domain as A-label, in lower case."""

    @property
    def folded(self) -> str:
        """The key without `+tag` and without Gmail's dots: for counting caps, never to write to."""
        local_part = self.key.removesuffix("@" + self.domain)
        domain = self.domain
        local_part = local_part.partition("+")[0] or local_part
        if domain in GMAIL:
            local_part, domain = local_part.replace(".", ""), "gmail.com"
        return f"{local_part}@{domain}"


def parse_address(text: str) -> Address:
    """Read the one address in `text`, with white space around it; raise `BadAddress` otherwise."""
    if len(text) > LONGEST_INPUT:
        raise BadAddress(Flaw.TOO_LONG)
    text = unicodedata.normalize("NFC", text.strip())  # RFC 6532 section 3.1
    _check_whole(text)
    local_part, _, domain = text.partition("@")
    _check_local_part(local_part)
    _check_domain(domain)
    try:
        # Reserved names are refused but for .test, which the trial and the tests live on.
        read = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise BadAddress(Flaw.BAD_DOMAIN) from error

    ascii_domain = read.ascii_domain.lower()
    smtp = f"{read.local_part}@{ascii_domain}"
    return Address(text=read.normalized, key=key_of(smtp), smtp=smtp, domain=ascii_domain)


def key_of(smtp: str) -> str:
    """The key of an address as it goes on the wire: its small letters (RFC 8264 section 5.2.3).

    Folding would go too far: straße@ and strasse@ are two mailboxes, and whoever proved one of
    them would be taken for the owner of the other.
    """
    return unicodedata.normalize("NFC", smtp.lower())


def _check_whole(text: str) -> None:
    if IGNORED.search(text) or any(_is_invisible(letter) for letter in text):
        raise BadAddress(Flaw.INVISIBLE)
    for sign, flaw in FLAWS_AT_SIGHT:
        if sign.search(text):
            raise BadAddress(flaw)
    if len(text.encode()) > LONGEST_ADDRESS:
        raise BadAddress(Flaw.TOO_LONG)


def _check_local_part(local_part: str) -> None:
    if not local_part:
        raise BadAddress(Flaw.NO_LOCAL_PART)
    if len(local_part.encode()) > LONGEST_LOCAL_PART:
        raise BadAddress(Flaw.TOO_LONG)
    if any(joiner in local_part for joiner in JOINERS):
        raise BadAddress(Flaw.INVISIBLE)
    if not local_part.isprintable() or not DOT_ATOM.fullmatch(local_part):
        raise BadAddress(Flaw.BAD_LOCAL_PART)
    if any(unicodedata.category(atom[0]).startswith("M") for atom in local_part.split(".")):
        raise BadAddress(Flaw.BAD_LOCAL_PART)  # it would hang on the dot, or on what stands before


def _check_domain(domain: str) -> None:
    if not domain:
        raise BadAddress(Flaw.NO_DOMAIN)
    if domain.startswith("["):
        raise BadAddress(Flaw.DOMAIN_LITERAL)
    # IDNA maps the ideographic and full-width full stops to dots (UTS 46).
    if not re.search("[.\u3002\uff0e\uff61]", domain):
        raise BadAddress(Flaw.NO_DOT)


def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and letter not in JOINERS
