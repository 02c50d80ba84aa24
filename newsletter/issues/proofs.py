"""Proofs: an edition in a colleague's own mailbox, before any reader gets it.

A proof is a notice and goes the way of the other notices. Its links for leaving and choosing are
well-formed but nobody's: there is no subscriber 0, so whoever presses them changes nothing.
"""

from dataclasses import replace
from datetime import datetime

from newsletter.issues.editions import render_edition
from newsletter.issues.models import Format, Issue
from newsletter.links import Purpose
from newsletter.mail.addresses import parse_address
from newsletter.mail.message import MARKS, Hole
from newsletter.notices.models import Notice, NoticeKind
from newsletter.notices.owing import owe
from newsletter.pages import links

NOBODY = 0
PURPOSES = {Hole.UNSUBSCRIBE: Purpose.UNSUBSCRIBE, Hole.PREFERENCES: Purpose.PREFERENCES}


def owe_proof(  # noqa: PLR0913 - what to prove, where to, and when
    issue: Issue,
    address: str,
    *,
    language: str,
    choice: int,
    format: Format,  # noqa: A002 - the word of the field
    now: datetime,
) -> Notice:
    """Owe one edition to an address, marked as a test in its subject.

    Raises `BadAddress`, and what `editions.render_edition` raises.
    """
    recipient = parse_address(address)
    edition = render_edition(issue, language, choice, format)
    proof = replace(
        edition,
        subject=f"[Test] {edition.subject}",
        text=with_nobodys_links(edition.text),
        html=edition.html and with_nobodys_links(edition.html),
    )
    return owe(NoticeKind.ISSUE_TEST, recipient.smtp, proof, language=language, now=now)


def with_nobodys_links(content: str) -> str:
    """The text or HTML of an edition with well-formed links of nobody's in the place of marks."""
    for hole, token in nobodys_tokens().items():
        content = content.replace(MARKS[hole], token)
    return content


def nobodys_tokens() -> dict[Hole, str]:
    """What stands in the holes of a mail that goes to no reader."""
    return {hole: links().token(purpose, NOBODY) for hole, purpose in PURPOSES.items()}
