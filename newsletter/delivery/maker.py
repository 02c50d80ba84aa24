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
        self._made: dict[Item, Message] = {}

    def make_ahead(self, items: Iterable[Item]) -> None:
        """These are probably the next; forget others that were made ahead before."""
        before, self._made = self._made, {}
        for item in items:
            with suppress(ValueError):  # `make` raises it when its turn comes
                self._made[item] = before.get(item) or self._splice(item)

    def make(self, item: Item) -> Message:
        """The finished message. Raises ValueError for an address that fits into no mail."""
        return self._made.get(item) or self._splice(item)

    def _splice(self, item: Item) -> Message:
        lease, delivery, _domain = item
        template = self.templates[lease.edition_id]
        return self._splicer.message(template, delivery, delivery.dated_at or lease.dated_at)
