"""What we store about readers: a sentence for each column of each table, and how long it stays.

The page about us shows this. A test holds it against the models, so that nothing can be stored
that readers are not told of.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext, ngettext

from newsletter.delivery.notices import KEPT
from newsletter.subscribers.signup import VALID_DAYS

NOT_ABOUT_READERS = frozenset(
    {
        "answer_tally",
        "article",
        "article_revision",
        "assignment",
        "batch",
        "edition",
        "editor",
        "editor_session",
        "image",
        "image_size",
        "invitation",
        "issue",
        "link_check",
        "password_reset",
        "progress_sample",
        "recovery_code",
        "relay_state",
        "report_line",
        "search_entry",
        "section",
        "section_title",
        "sender_slot",
        "signup_attack",
        "subject",
        "tally",
        "trouble",
    }
)
"""Tables that hold our own words and counts, or what concerns editors, and nothing of a reader."""


@dataclass(frozen=True)
class Holding:
    """What one table holds, in the language of the page.

    `columns` has a sentence by the name of each column; one sentence may stand for several.
    """

    table: str
    title: str
    kept: str
    columns: Mapping[str, str]

    @property
    def sentences(self) -> list[str]:
        """What is stored, each thing once."""
        return list(dict.fromkeys(self.columns.values()))


def holdings() -> list[Holding]:
    """Everything that is stored about readers, what matters most to them first."""
    return [
        _subscriber(),
        _subscription(),
        _consent_event(),
        _signup(),
        _address_change(),
        _links_request(),
        _delivery(),
        _bounce(),
        _notice(),
        _suppression(),
        _audit_entry(),
    ]


def _subscriber() -> Holding:
    address = gettext("Your address, and the same in the one spelling by which we find it.")
    return Holding(
        table="subscriber",
        title=gettext("You as a reader"),
        kept=ngettext(
            "Until you erase it, also after you have left, so that old links still work. Without a"
            " confirmation: %(num)d day.",
            "Until you erase it, also after you have left, so that old links still work. Without a"
            " confirmation: %(num)d days.",
            VALID_DAYS,
        ),
        columns={
            "address": address,
            "address_key": address,
            "state": gettext("Whether you have asked, confirmed, left, or were erased."),
            "created_at": gettext("When we first heard of you."),
            "confirmed_at": gettext("When you last confirmed."),
            "unsubscribed_at": gettext("When you left."),
            "suppressed_at": gettext("Since when nothing may go to your address."),
            "paused_until": gettext("Until when you pause."),
            "id": _number(),
        },
    )


def _subscription() -> Holding:
    return Holding(
        table="subscription",
        title=gettext("What you chose"),
        kept=gettext("Until you erase it."),
        columns={
            "choice": gettext("Your sections."),
            "language": gettext("Your language."),
            "format": gettext("Whether you get HTML or plain text alone."),
            "subscriber_id": _whose(),
        },
    )


def _consent_event() -> Holding:
    asked = gettext("The language and the sections that you asked for.")
    return Holding(
        table="consent_event",
        title=gettext("The proof that you agreed"),
        kept=ngettext(
            "For good. An erasure takes out of it what could tell whose it was. Without a"
            " confirmation: %(num)d day.",
            "For good. An erasure takes out of it what could tell whose it was. Without a"
            " confirmation: %(num)d days.",
            VALID_DAYS,
        ),
        columns={
            "kind": gettext(
                "What happened: you asked, confirmed, changed, paused, moved, left, or were erased."
            ),
            "at": gettext("When it happened."),
            "source": gettext("Where: the form, a program, a mail of ours, or a list."),
            "wording": gettext("The words that you agreed to."),
            "language": asked,
            "choice": asked,
            "signup_id": gettext("The request that it belongs to."),
            "issue_id": gettext("The issue whose mail you left from."),
            "reason": gettext("Your reason, if you gave one when you left, or ours."),
            "subscriber_id": _whose(),
            "id": _number(),
        },
    )


def _signup() -> Holding:
    address = gettext("The address that was typed in.")
    asked = gettext("When the form was sent, answered by mail, and confirmed.")
    wanted = gettext("The sections, the language, the form, and the words above its button.")
    return Holding(
        table="signup",
        title=gettext("A form that was sent"),
        kept=ngettext(
            "Confirmed: until you erase it, as proof. Unconfirmed: %(num)d day. If no mail was due,"
            " the domain of the address alone is kept, for an hour.",
            "Confirmed: until you erase it, as proof. Unconfirmed: %(num)d days. If no mail was"
            " due, the domain of the address alone is kept, for an hour.",
            VALID_DAYS,
        ),
        columns={
            "nonce": _link(),
            "address": address,
            "address_key": address,
            "choice": wanted,
            "language": wanted,
            "source": wanted,
            "wording": wanted,
            "asked_at": asked,
            "answered_at": asked,
            "confirmed_at": asked,
            "subscriber_id": _whose(),
            "id": _number(),
        },
    )


def _address_change() -> Holding:
    address = gettext("The new address.")
    asked = gettext("When you asked, when we wrote to it, and when you confirmed.")
    return Holding(
        table="address_change",
        title=gettext("A change of address"),
        kept=ngettext(
            "%(num)d day after the mail to the new address.",
            "%(num)d days after the mail to the new address.",
            VALID_DAYS,
        ),
        columns={
            "nonce": _link(),
            "address": address,
            "address_key": address,
            "language": gettext("The language of our mail to it."),
            "asked_at": asked,
            "answered_at": asked,
            "confirmed_at": asked,
            "subscriber_id": _whose(),
            "id": _number(),
        },
    )


def _links_request() -> Holding:
    address = gettext("The address that was typed in.")
    return Holding(
        table="links_request",
        title=gettext("A request for your links"),
        kept=gettext("Until it is answered: seconds, as a rule."),
        columns={
            "address": address,
            "address_key": address,
            "language": gettext("The language of the page."),
            "asked_at": gettext("When it was sent."),
            "id": _number(),
        },
    )


def _delivery() -> Holding:
    attempt = gettext("How often and when we tried, and when we will try again.")
    edition = gettext("Which issue, and with which sections, in which language.")
    return Holding(
        table="delivery",
        title=gettext("An issue that went to you"),
        kept=gettext(
            "For good, so that the counts of past issues stay true. An erasure takes out the words"
            " of your mail server."
        ),
        columns={
            "issue_id": edition,
            "edition_id": edition,
            "batch_id": gettext("The pile of mails that it was sent in."),
            "state": gettext("Whether your mail server has taken it. Not whether you read it."),
            "attempts": attempt,
            "dated_at": attempt,
            "marked_at": attempt,
            "due_at": attempt,
            "settled_at": attempt,
            "answer": gettext("What your mail server said when it did not take it."),
            "subscriber_id": _whose(),
            "id": _number(),
        },
    )


def _bounce() -> Holding:
    words = gettext("What your mail server said when it did not take it.")
    return Holding(
        table="bounce",
        title=gettext("A mail that did not arrive"),
        kept=gettext("Until you erase it: then the words go, and the rest tells nobody."),
        columns={
            "delivery_id": gettext("Which mail it was."),
            "kind": gettext("Whether the mailbox is gone, or was only full or busy."),
            "status": words,
            "text": words,
            "at": gettext("When it happened."),
            "subscriber_id": _whose(),
            "id": _number(),
        },
    )


def _notice() -> Holding:
    course = gettext("Whether, when and by which worker it was sent.")
    mail = gettext("Your address and the whole mail, as long as it waits.")
    return Holding(
        table="notice",
        title=gettext("A single mail to you, such as a confirmation"),
        kept=ngettext(
            "Address and text: until it is sent. The rest: %(num)d day more.",
            "Address and text: until it is sent. The rest: %(num)d days more.",
            KEPT.days,
        ),
        columns={
            "kind": gettext("What it is about."),
            "state": course,
            "recipient": mail,
            "message": mail,
            "counting_key": gettext(
                "A keyed hash of your address, so that nobody can fill your mailbox by our form."
            ),
            "created_at": course,
            "due_at": course,
            "attempts": course,
            "lease_until": course,
            "fence": course,
            "marked_at": course,
            "settled_at": course,
            "answer": gettext("What your mail server said when it did not take it."),
            "id": _number(),
        },
    )


def _suppression() -> Holding:
    return Holding(
        table="suppression",
        title=gettext("An address that we do not write to"),
        kept=gettext(
            "For good: it is how we keep our word. After a bounce or an erasure, until you come"
            " back."
        ),
        columns={
            "address_hash": gettext("A keyed hash, and no address: it cannot be read backwards."),
            "reason": gettext(
                "Why: it bounced, was reported as spam, erased, or you or we said no."
            ),
            "suppressed_at": gettext("Since when."),
            "id": _number(),
        },
    )


def _audit_entry() -> Holding:
    act = gettext("When it was done, by which editor, and what.")
    matter = gettext("The issue, or the number of the one mail, that it was about.")
    return Holding(
        table="audit_entry",
        title=gettext("What editors did"),
        kept=gettext("For good. It names no reader."),
        columns={
            "at": act,
            "who": act,
            "what": act,
            "issue_id": matter,
            "delivery_id": matter,
            "id": _number(),
        },
    )


def _number() -> str:
    number: str = gettext("A number of its own.")
    return number


def _whose() -> str:
    whose: str = gettext("Your number as a reader.")
    return whose


def _link() -> str:
    link: str = gettext("A number drawn by lot, so that only the link in our mail confirms it.")
    return link
