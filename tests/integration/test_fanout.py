"""From an issue to its deliveries."""

from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from newsletter.database import db, transaction
from newsletter.delivery import fanout
from newsletter.delivery.fanout import Blocked, audience
from newsletter.delivery.models import Batch, Delivery, DeliveryState, SenderSlot
from newsletter.delivery.progress import progress
from newsletter.delivery.start import send_now
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Edition, Format, Issue
from newsletter.subscribers.models import Subscriber, SubscriberState
from tests.factories import NOON, choice_of, make_issue, make_subscriber, make_subscribers
from tests.posting import run_together


def readers_of(issue):
    """Who gets the issue, with language, choice and format."""
    rows = db.session.execute(
        select(Subscriber.address, Edition.language, Edition.choice, Edition.format)
        .join(Delivery, Delivery.subscriber_id == Subscriber.id)
        .join(Edition, Edition.id == Delivery.edition_id)
        .where(Delivery.issue_id == issue.id)
    )
    return {address: tuple(edition) for address, *edition in rows}


def test_everybody_gets_the_edition_they_chose(app):
    with transaction():
        both = choice_of("isis-in-action", "western-response")
        issue = make_issue(languages=("en", "ar"))
        make_subscriber("all@example.org")
        make_subscriber("arabic@example.org", language="ar")
        make_subscriber("plain@example.org", format=Format.TEXT)
        make_subscriber("one@example.org", sections=["western-response", "other-jihadi-actors"])
        make_subscriber("none@example.org", sections=["other-jihadi-actors"])

    send_now(issue.id, now=NOON)

    assert readers_of(issue) == {
        "all@example.org": ("en", both, Format.HTML),
        "arabic@example.org": ("ar", both, Format.HTML),
        "plain@example.org": ("en", both, Format.TEXT),
        "one@example.org": ("en", choice_of("western-response"), Format.HTML),
    }


def test_without_redis_the_sending_starts_and_that_is_said_once(app, tmp_path, caplog):
    app.extensions["celery"].conf.update(broker_url=f"redis+socket://{tmp_path}/nobody.sock")
    with transaction():
        issue = make_issue()
        make_subscriber()

    assert send_now(issue.id, now=NOON).state is IssueState.SENDING

    assert len([r for r in caplog.records if "no hint" in r.getMessage()]) == 1


def test_readers_of_a_language_that_the_issue_lacks_get_an_edition_of_their_own(app):
    with transaction():
        issue = make_issue(languages=("en",))
        make_subscriber("arabic@example.org", language="ar")
        make_subscriber("english@example.org", language="en")

    send_now(issue.id, now=NOON)

    languages = {address: edition[0] for address, edition in readers_of(issue).items()}
    assert languages == {"arabic@example.org": "ar", "english@example.org": "en"}


def test_readers_of_a_language_that_is_offered_no_longer_get_the_default_one(app):
    with transaction():
        issue = make_issue(languages=("en",))
        make_subscriber(language="fr")

    send_now(issue.id, now=NOON)

    assert [edition[0] for edition in readers_of(issue).values()] == ["en"]


def test_nobody_gets_it_who_has_not_confirmed_or_has_left_or_is_suppressed(app):
    with transaction():
        issue = make_issue()
        make_subscriber("pending@example.org", state=SubscriberState.PENDING)
        make_subscriber("left@example.org", state=SubscriberState.UNSUBSCRIBED)
        make_subscriber("suppressed@example.org", suppressed_at=NOON)
        make_subscriber("reader@example.org")

    send_now(issue.id, now=NOON)

    assert list(readers_of(issue)) == ["reader@example.org"]


def test_the_audience_counts_what_fan_out_writes(app):
    with transaction():
        issue = make_issue(languages=("en", "ar"))
        for _ in range(3):
            make_subscriber()
        make_subscriber(language="ar")
        make_subscriber(sections=["western-response"], format=Format.TEXT)
        make_subscriber(sections=["other-jihadi-actors"])
        make_subscriber(paused_until=NOON + timedelta(days=7))

    counted = audience(issue, now=NOON)

    both = choice_of("isis-in-action", "western-response")
    assert counted.total == 5
    assert counted.by_language == {"en": 4, "ar": 1}
    assert counted.by_format == {Format.HTML: 4, Format.TEXT: 1}
    assert counted.by_choice == {both: 4, choice_of("western-response"): 1}
    send_now(issue.id, now=NOON)
    assert progress(issue.id).total == 5


def test_a_large_audience_is_cut_into_full_batches(app):
    with transaction():
        issue = make_issue()
        make_subscribers(2 * fanout.BATCH_SIZE + 1)
        make_subscriber(format=Format.TEXT)

    send_now(issue.id, now=NOON)

    sizes = select(func.count()).select_from(Delivery).group_by(Delivery.batch_id)
    assert sorted(db.session.scalars(sizes)) == [1, 1, 500, 500]
    mixed = (
        select(func.count())
        .select_from(Delivery)
        .join(Batch, Batch.id == Delivery.batch_id)
        .where(Batch.edition_id != Delivery.edition_id)
    )
    assert db.session.scalar(mixed) == 0


def test_a_delivery_in_a_batch_of_another_edition_is_impossible(app):
    with transaction():
        issue = make_issue()
        make_subscriber(language="en", format=Format.HTML)
        make_subscriber(language="en", format=Format.TEXT)
    send_now(issue.id, now=NOON)
    first, other = db.session.scalars(select(Batch.id).order_by(Batch.id))

    with pytest.raises(IntegrityError), transaction():
        db.session.execute(
            update(Delivery).where(Delivery.batch_id == first).values(batch_id=other)
        )


def test_sending_starts_with_everything_queued_and_leave_for_so_many_senders(app, settings):
    with transaction():
        issue = make_issue()
        make_subscriber()

    send_now(issue.id, now=NOON)

    begun = progress(issue.id)
    assert begun.state is IssueState.SENDING
    assert begun.counts[DeliveryState.QUEUED] == begun.total == 1
    slots = select(func.count()).select_from(SenderSlot)
    assert db.session.scalar(slots) == settings.senders_per_issue
    assert db.session.get_one(Issue, issue.id).sending_started_at == NOON


def test_an_issue_that_nobody_takes_is_sent_at_once(app):
    with transaction():
        issue = make_issue()

    send_now(issue.id, now=NOON)

    assert progress(issue.id).state is IssueState.SENT
    assert db.session.get_one(Issue, issue.id).completed_at == NOON


def test_an_issue_is_not_sent_twice(app):
    with transaction():
        issue = make_issue()
        make_subscriber()
    send_now(issue.id, now=NOON)

    with pytest.raises(WrongStep, match="Issue 87 is being sent already"):
        send_now(issue.id, now=NOON)

    assert progress(issue.id).total == 1


def test_an_issue_without_an_article_is_blocked_and_stays_a_draft(app):
    with transaction():
        issue = make_issue(sections=())
        make_subscriber()

    with pytest.raises(Blocked) as refusal:
        send_now(issue.id, now=NOON)

    assert refusal.value.sentences
    assert refusal.value.sentences[0] in str(refusal.value)
    assert progress(issue.id).state is IssueState.DRAFT
    assert not db.session.scalars(select(Delivery)).all()


def test_of_two_who_press_send_at_once_one_is_told_so(app):
    with transaction():
        issue = make_issue()
        for _ in range(50):
            make_subscriber()
    together = Barrier(4)
    outcomes = []

    def press_send():
        with app.app_context():
            together.wait()
            try:
                send_now(issue.id, now=NOON)
                outcomes.append("sent")
            except WrongStep as refusal:
                outcomes.append(str(refusal))

    run_together(*[press_send] * 4)

    assert sorted(outcomes) == ["Issue 87 is being sent already."] * 3 + ["sent"]
    db.session.rollback()
    assert progress(issue.id).total == 50


def test_readers_who_leave_during_fan_out_do_not_stop_it(app):
    with transaction():
        issue = make_issue()
        readers = [make_subscriber().id for _ in range(200)]
    together = Barrier(2)

    def leave():
        with app.app_context():
            together.wait()
            for reader in readers:
                with transaction():
                    db.session.execute(
                        update(Subscriber)
                        .where(Subscriber.id == reader)
                        .values(state=SubscriberState.UNSUBSCRIBED, unsubscribed_at=NOON)
                    )

    def press_send():
        with app.app_context():
            together.wait()
            send_now(issue.id, now=NOON)

    run_together(leave, press_send)

    assert progress(issue.id).state in {IssueState.SENDING, IssueState.SENT}
