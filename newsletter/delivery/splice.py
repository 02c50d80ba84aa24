"""Put a reader's own values between the finished bytes of an edition."""

import hmac
from datetime import datetime
from email.utils import parseaddr

from newsletter.delivery.ledger import Waiting
from newsletter.links import Links, Purpose
from newsletter.mail.identifiers import MessageIds, VerpSenders
from newsletter.mail.message import Hole, Template, date_header
from newsletter.mail.smtp import Message
from newsletter.settings import Settings


class Splicer:
    """Makes the message of each reader of one issue."""

    def __init__(self, issue_id: int, message_key: bytes, config: Settings, links: Links) -> None:
        domain = parseaddr(config.mail_from)[1].rpartition("@")[2]
        self._unsubscribe = links.tokens(Purpose.UNSUBSCRIBE, issue_id)
        self._preferences = links.tokens(Purpose.PREFERENCES, issue_id)
        self._message_ids = MessageIds(message_key, domain)
        self._senders = VerpSenders(delivery_keys(config)[0], config.bounce_domain)

    def message(self, template: Template, delivery: Waiting, dated_at: datetime) -> Message:
        """The finished message in its envelope; the same bytes on every attempt.

        Raises ValueError for an address that fits into no mail.
        """
        id_, reader, address, *_ = delivery
        values = {
            Hole.RECIPIENT: address.encode(),
            Hole.DATE: date_header(dated_at),
            Hole.MESSAGE_ID: self._message_ids.of(id_),
            Hole.UNSUBSCRIBE: self._unsubscribe(reader),
            Hole.PREFERENCES: self._preferences(reader),
        }
        return Message(id_, self._senders.of(id_), address, template.fill(values))


def delivery_keys(config: Settings) -> list[bytes]:
    """What signs the envelope senders of deliveries: the first signs, all verify."""
    return _keys(config, b"envelope:delivery")


def notice_keys(config: Settings) -> list[bytes]:
    """The same for notices, which are numbered apart."""
    return _keys(config, b"envelope:notice")


def _keys(config: Settings, purpose: bytes) -> list[bytes]:
    return [hmac.digest(key.encode(), purpose, "sha256") for key in config.secret_keys]
