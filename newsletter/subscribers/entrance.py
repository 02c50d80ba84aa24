"""The one entrance for all who ask to subscribe: people by the form, programs by the API."""

from collections.abc import Sequence
from datetime import UTC, datetime

from flask import request

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.limits import signup_limits
from newsletter.mail.addresses import parse_address
from newsletter.subscribers.signup import request_signup
from newsletter.subscribers.wishes import read_wish


def take_signup(
    address: str, sections: Sequence[str], language: str, *, source: str, wording: str
) -> None:
    """Take what the request asks for, the same way for every address.

    Raises `BadAddress`, `UnknownSection`, `UnknownLanguage`, `TooMany`.
    """
    mailbox = parse_address(address)
    wish = read_wish(sections, language)
    signup_limits().let_in(request.remote_addr, mailbox.domain)
    with transaction():
        request_signup(mailbox, wish, source=source, wording=wording, now=datetime.now(UTC))
    hint("subscribers.answer_signups")
