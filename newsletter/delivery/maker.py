"""Make the messages of deliveries, some of them ahead of time."""

from collections.abc import Iterable
from contextlib import suppress

from newsletter.delivery.hand import Item
from newsletter.delivery.splice import Splicer
from newsletter.mail.message import Template
from newsletter.mail.smtp import Message


class Maker:
    """Makes messages for one sender, the next ones while it would have to wait.

    `templates` are those of the editions, by their ids; the sender brings each before it is used.
    """

    def __init__(self, splicer: Splicer) -> None:
        self.templates: dict[int, Template] = {}
        self._splicer = splicer

    def make_ahead(self, items: Iterable[Item]) -> None:
        """These are probably the next."""
        for item in items:
            if item.message is None:
                with suppress(ValueError):  # `make` raises it when its turn comes
                    item.message = self.make(item)

    def make(self, item: Item) -> Message:
        """The finished message. Raises ValueError for an address that fits into no mail."""
        if item.message:
            return item.message
        lease, delivery = item.lease, item.delivery
        template = self.templates[lease.edition_id]
        return self._splicer.message(template, delivery, delivery.dated_at or lease.dated_at)
