"""A no to an address is kept without the address, and is never weakened."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import select

from newsletter.database import db, is_sqlite, transaction
from newsletter.subscribers.models import ConsentKind, Suppression, SuppressionReason
from newsletter.subscribers.suppression import lift, reason_of, remember, suppress, suppressed_among
from tests.factories import make_subscriber
from tests.integration.readers import events, look_again, the_subscriber

AMAL = "amal@reader.example"
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
BOUNCE, COMPLAINT = SuppressionReason.HARD_BOUNCE, SuppressionReason.COMPLAINT


def suppressed(reason):
    with transaction():
        suppress(AMAL, reason, source="test", now=NOON)
    look_again()


def test_a_suppressed_address_is_known_by_its_hash_alone(app):
    suppressed(COMPLAINT)

    (row,) = db.session.scalars(select(Suppression))
    assert b"amal" not in row.address_hash
    assert reason_of(AMAL) is COMPLAINT
    assert reason_of("basim@reader.example") is None
    assert suppressed_among([AMAL, "basim@reader.example"]) == {AMAL}
    assert suppressed_among([]) == set()


def test_a_subscriber_is_stamped_and_the_record_says_why(app):
    with transaction():
        make_subscriber(AMAL)
    suppressed(COMPLAINT)

    assert the_subscriber().suppressed_at == NOON
    (event,) = events()
    assert (event.kind, event.reason, event.source) == (ConsentKind.SUPPRESSED, "complaint", "test")


def test_a_second_report_of_the_same_adds_nothing(app):
    with transaction():
        make_subscriber(AMAL)
    suppressed(BOUNCE)
    suppressed(BOUNCE)

    assert len(events()) == 1


def test_a_complaint_outweighs_a_bounce_in_either_order(app):
    suppressed(BOUNCE)
    suppressed(COMPLAINT)
    assert reason_of(AMAL) is COMPLAINT

    suppressed(BOUNCE)
    assert reason_of(AMAL) is COMPLAINT
    assert len(db.session.scalars(select(Suppression)).all()) == 1


def test_a_bounce_can_be_lifted_and_a_complaint_cannot(app):
    suppressed(BOUNCE)
    with transaction():
        lift(AMAL)
    assert reason_of(AMAL) is None

    suppressed(COMPLAINT)
    with transaction():
        lift(AMAL)
    assert reason_of(AMAL) is COMPLAINT


def test_an_erasure_can_be_lifted_and_weakens_no_promise(app):
    with transaction():
        remember(AMAL, SuppressionReason.ERASED, NOON)
    assert reason_of(AMAL) is SuppressionReason.ERASED
    with transaction():
        lift(AMAL)
    assert reason_of(AMAL) is None

    suppressed(COMPLAINT)
    with transaction():
        remember(AMAL, SuppressionReason.ERASED, NOON)
    assert reason_of(AMAL) is COMPLAINT


@pytest.mark.parametrize("known", [True, False])
def test_reports_that_come_together_make_one_no(app, known):
    if known:
        with transaction():
            make_subscriber(AMAL)
    together = Barrier(4)

    def report(reason):
        with app.app_context(), transaction():
            if not is_sqlite():  # there a writer is alone from its beginning
                reason_of(AMAL)
                together.wait()
            suppress(AMAL, reason, source="test", now=NOON)

    with ThreadPoolExecutor(4) as reporters:
        list(reporters.map(report, [COMPLAINT, BOUNCE, BOUNCE, BOUNCE]))

    look_again()
    assert reason_of(AMAL) is COMPLAINT
    assert len(db.session.scalars(select(Suppression)).all()) == 1
