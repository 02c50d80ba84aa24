"""Messages made ahead of time are those that would have been made in time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from newsletter.database import transaction
from newsletter.delivery import ledger
from newsletter.delivery.hand import Hand, Item
from newsletter.delivery.maker import Maker
from newsletter.delivery.splice import Splicer
from newsletter.issues.editions import template_of
from newsletter.pages import links, settings
from tests.posting import TestClock, start_issue, take_batch


@pytest.fixture
def hand(app):
    """Four deliveries of one issue, the second to an address that fits into no mail."""
    issue = start_issue(readers=4)
    clock = TestClock()
    with transaction():
        lease = take_batch(issue, clock)
        waiting = ledger.waiting(lease)
    waiting[1] = waiting[1]._replace(address="no address\r\nat all")
    hand = Hand()
    hand.add(lease, waiting)
    return hand


@pytest.fixture
def maker(hand):
    def make():
        (lease,) = hand.leases
        with transaction():
            template = template_of(lease.edition_id)
        splicer = Splicer(lease.slot.issue_id, b"key", settings(), links())
        maker = Maker(splicer)
        maker.templates[lease.edition_id] = template
        return maker

    return make


def test_made_ahead_a_message_is_the_same(hand, maker):
    items = hand.peek(4)
    ahead = maker()
    ahead.make_ahead(items)
    ahead.make_ahead(items[2:])  # looked at once more, later

    for item in (items[0], items[2], items[3]):
        anew = Item(item.lease, item.delivery, item.domain)
        assert ahead.make(item) == maker().make(anew)
    assert hand.take(4) == items  # looking took nothing away


def test_what_cannot_be_made_is_told_when_its_turn_comes(hand, maker):
    first, bad, *_ = hand.peek(4)
    ahead = maker()

    ahead.make_ahead([first, bad])

    assert ahead.make(first).key == first.delivery.id
    with pytest.raises(ValueError, match="recipient"):
        ahead.make(bad)


def test_under_another_lease_a_message_has_another_date(hand, maker):
    """The ledger keeps the date of the lease under which a message left first."""
    item = hand.peek(1)[0]
    later = replace(item.lease, dated_at=item.lease.dated_at + timedelta(hours=1))
    ahead = maker()
    ahead.make_ahead([item])

    again = ahead.make(Item(later, item.delivery, item.domain))

    assert again == maker().make(Item(later, item.delivery, item.domain))
    assert again != ahead.make(item)
