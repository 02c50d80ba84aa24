"""Erase me: at once, all but a keyed hash, and old links still say something kind."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy import select, update

from newsletter.database import Base, db, transaction
from newsletter.delivery.models import Delivery, DeliveryState, Tally
from newsletter.links import Purpose
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import Notice, NoticeKind
from newsletter.notices.owing import owe
from newsletter.pages import links
from newsletter.subscribers import address_change, caps
from newsletter.subscribers.erasure import erase
from newsletter.subscribers.mails import goodbye_mail
from newsletter.subscribers.models import (
    Bounce,
    BounceKind,
    ConsentEvent,
    ConsentKind,
    LinksRequest,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
)
from newsletter.subscribers.signup import answer_signup, request_signup, unanswered_signups
from newsletter.subscribers.suppression import reason_of, suppress
from newsletter.subscribers.tasks import forget_late_words
from newsletter.subscribers.transfer import export_subscribers
from newsletter.subscribers.unsubscribe import unsubscribe
from newsletter.subscribers.wishes import Wish
from tests.factories import NOON, make_subscriber
from tests.integration.readers import (
    Browser,
    answer_signups,
    ask,
    confirm_paths,
    look_again,
    notices,
    the_subscriber,
)
from tests.posting import TestClock, send, start_issue, states
from tests.publishing import publish_sample

AMAL, BASIM = "amal@reader.example", "basim@reader.example"
REFUSAL = f"550 5.1.1 <{AMAL}>: no such user"


def now():
    return datetime.now(UTC)


@pytest.fixture
def amal(browser):
    """A reader with a history: signed up, confirmed, was sent an issue, moved in thought."""
    ask(browser, AMAL, sections=["western-response"])
    answer_signups(now())
    browser.post(confirm_paths(AMAL)[0])
    return the_subscriber(AMAL)


def link_of(subscriber, purpose=Purpose.PREFERENCES):
    return f"/{purpose}/{links().token(purpose, subscriber.id, 12)}"


def leave_traces(subscriber):
    """Whatever we may come to hold about one reader, in every place that can hold it."""
    issue = publish_sample()
    settled(REFUSAL)
    address = parse_address(AMAL)
    with transaction():
        db.session.add(
            Bounce(
                subscriber_id=subscriber.id,
                delivery_id=None,
                kind=BounceKind.SOFT,
                status="4.2.2",
                text=REFUSAL,
                at=now(),
            )
        )
        db.session.add(
            LinksRequest(
                address=address.smtp, address_key=address.key, language="en", asked_at=now()
            )
        )
        request_signup(address, Wish(0, "en"), source="api", wording="Yes.", now=now())
        address_change.request_change(subscriber.id, address, now=now())
        unsubscribe(
            subscriber.id, issue.id, source="page", reason="other: I am Amal, amal@x", now=now()
        )
        db.session.execute(
            update(Notice)
            .where(Notice.kind == NoticeKind.WELCOME)
            .values(
                state="sent",
                recipient=None,
                message=None,
                due_at=None,
                answer=REFUSAL,
                counting_key=caps.counting_keys(address)[0],
            )
        )
        db.session.execute(
            update(ConsentEvent)
            .where(ConsentEvent.kind == ConsentKind.CONFIRMED)
            .values(kind=ConsentKind.IMPORTED, source="friends of Amal.csv")
        )


def everything():
    """Every value in the database, as text."""
    look_again()
    return "\n".join(
        str(row).lower()
        for table in Base.metadata.sorted_tables
        for row in db.session.execute(select(table))
    )


def test_the_page_says_what_goes_and_what_stays_and_the_button_does_it(browser, amal):
    link = f"{link_of(amal)}/erase"
    shown = browser.get(link)
    assert shown.status_code == 200
    assert AMAL not in shown.text
    assert "secret key" in shown.text

    page = browser.post(link)
    assert page.status_code == 200
    assert "Everything about you is erased" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert the_subscriber(AMAL) is None
    assert reason_of(AMAL) is SuppressionReason.ERASED


def test_looking_changes_nothing(browser, amal):
    for page in (browser.get(f"{link_of(amal)}/erase"), browser.head(f"{link_of(amal)}/erase")):
        assert page.status_code == 200
    assert the_subscriber(AMAL).state is SubscriberState.CONFIRMED


def test_nothing_in_the_database_tells_any_more_who_it_was(app, amal):
    leave_traces(amal)
    assert everything().count("amal") > 10
    with transaction():
        erase(amal.id, source="test", now=now())

    assert "amal" not in everything()
    (kept,) = db.session.scalars(select(Suppression))
    assert kept.reason is SuppressionReason.ERASED
    assert not db.session.scalars(
        select(Notice.counting_key).where(Notice.counting_key != "")
    ).all()


def settled(answer):
    """Let every delivery of the issue have come to its end."""
    with transaction():
        values = {"queued": 0, "skipped": 0, "failed": Tally.queued + Tally.skipped}
        db.session.execute(update(Tally).values(values))
        db.session.execute(
            update(Delivery).values(
                state=DeliveryState.FAILED, answer=answer, settled_at=now(), due_at=None
            )
        )


def test_others_keep_all_of_theirs(app, amal):
    with transaction():
        basim = make_subscriber(BASIM)
        owe(NoticeKind.GOODBYE, BASIM, goodbye_mail_to(basim), language="en", now=now())
    leave_traces(amal)
    settled("250 2.0.0 Basim has it")
    before = everything().count("basim")
    with transaction():
        erase(amal.id, source="test", now=now())

    assert everything().count("basim") == before - 1  # what was said about Amal's delivery


def goodbye_mail_to(subscriber):
    subscriber.unsubscribed_at = now()
    return goodbye_mail(subscriber, "en")


def test_the_sums_of_past_issues_and_the_steps_of_the_consent_stay(app, amal):
    issue = publish_sample()
    settled(REFUSAL)
    before = states(issue)
    with transaction():
        erase(amal.id, source="test", now=now())

    assert states(issue) == before
    look_again()
    steps = db.session.scalars(select(ConsentEvent).order_by(ConsentEvent.id)).all()
    assert [step.kind for step in steps] == ["asked", "confirmed", "erased"]
    assert db.session.get_one(Subscriber, amal.id).state is SubscriberState.ERASED


def test_an_issue_on_its_way_passes_by_who_was_erased(app, mail_server):
    issue = start_issue(AMAL, BASIM)
    with transaction():
        erase(the_subscriber(AMAL).id, source="test", now=NOON)
    send(issue, mail_server.url, TestClock())

    assert [mail["To"] for mail in mail_server.messages] == [BASIM]
    assert states(issue) == {"sent": 1, "skipped": 1}


def test_words_that_come_back_after_the_erasure_are_forgotten_too(app, amal):
    issue = publish_sample()
    with transaction():
        erase(amal.id, source="test", now=now())
    settled(REFUSAL)
    with transaction():
        db.session.add(
            Bounce(
                subscriber_id=amal.id,
                kind=BounceKind.HARD,
                status="5.1.1",
                text=REFUSAL,
                at=now(),
            )
        )
    forget_late_words()

    assert "amal" not in everything()
    assert sum(states(issue).values()) == 1


def test_mails_to_editors_with_the_same_address_are_theirs(app, amal):
    with transaction():
        amal.unsubscribed_at = now()
        mail = goodbye_mail(amal, "en")
        owe(NoticeKind.ALARM, AMAL, mail, language="en", now=now())
        erase(amal.id, source="test", now=now())

    assert [notice.kind for notice in notices() if notice.recipient] == [NoticeKind.ALARM]


def test_nothing_is_mailed_about_it(browser, amal):
    browser.post(f"{link_of(amal)}/erase")

    assert [notice for notice in notices() if notice.recipient] == []


def test_a_mailbox_that_was_to_be_the_new_one_is_asked_no_more(app, amal):
    with transaction():
        change = address_change.request_change(
            amal.id, parse_address("new@elsewhere.example"), now=now()
        )
    with transaction():
        address_change.answer_change(change.id, now=now())
    assert "new@elsewhere.example" in everything()
    with transaction():
        erase(amal.id, source="test", now=now())

    assert "elsewhere" not in everything()


def test_old_links_still_say_something_kind(browser, amal):
    (confirm,) = confirm_paths(AMAL)
    preferences, leave = link_of(amal), link_of(amal, Purpose.UNSUBSCRIBE)
    with transaction():
        erase(amal.id, source="test", now=now())

    for page in (browser.get(leave), browser.post(leave), browser.post(f"{preferences}/erase")):
        assert page.status_code == 200
        assert "Everything about you is erased" in page.text
    one_click = browser.post(leave, data={"List-Unsubscribe": "One-Click"})
    assert one_click.status_code == 200
    for path in ("", "/pause", "/address", "/data"):
        for page in (browser.get(preferences + path), browser.post(preferences + path)):
            assert page.status_code in {400, 410}
    assert "Everything about you is erased" in browser.get(preferences).text
    assert browser.get(confirm).status_code == browser.post(confirm).status_code == 410
    look_again()
    assert db.session.get_one(Subscriber, amal.id).state is SubscriberState.ERASED


def test_pressing_twice_erases_once(browser, amal):
    for _ in range(2):
        assert browser.post(f"{link_of(amal)}/erase").status_code == 200

    look_again()
    query = select(ConsentEvent).where(ConsentEvent.kind == ConsentKind.ERASED)
    assert len(db.session.scalars(query).all()) == 1


def test_an_erasure_wins_whatever_else_is_pressed_at_the_same_moment(app, browser, amal):
    ask(browser, AMAL)
    with transaction():
        change = address_change.request_change(
            amal.id, parse_address("amal.new@reader.example"), now=now()
        )
    with transaction():
        address_change.answer_change(change.id, now=now())
    paths = [
        f"{link_of(amal)}/erase",
        f"/new-address/{links().token(Purpose.NEW_ADDRESS, change.id, change.nonce)}",
        confirm_paths(AMAL)[0],
        link_of(amal, Purpose.UNSUBSCRIBE),
        f"{link_of(amal)}/pause",
    ]
    look_again()
    together = Barrier(len(paths) + 1)

    def press(path):
        together.wait()
        return Browser(app, app.response_class).post(path, data={"weeks": "2"}).status_code

    def answer():
        with app.app_context():
            waiting = unanswered_signups()
            together.wait()
            for signup_id in waiting:
                with transaction():
                    answer_signup(signup_id, now=now())
        return 200

    with ThreadPoolExecutor(len(paths) + 1) as fingers:
        pressed = [fingers.submit(answer), *(fingers.submit(press, path) for path in paths)]
        assert {finger.result() for finger in pressed} <= {200, 410}

    look_again()
    assert db.session.get_one(Subscriber, amal.id).state is SubscriberState.ERASED


def test_who_has_left_may_be_erased_from_the_goodbye_page(browser, amal):
    leave = link_of(amal, Purpose.UNSUBSCRIBE)
    for page in (browser.post(leave), browser.get(leave), browser.get(link_of(amal))):
        path = page.text.split('/erase"')[0].rpartition('href="')[2] + "/erase"
        assert browser.get(path).status_code == 200
    browser.post(path)

    assert the_subscriber(AMAL) is None
    assert "amal" not in everything()


@pytest.mark.parametrize("reason", ["complaint", "manual", "never_again"])
def test_a_promise_for_good_outlives_the_erasure(app, amal, reason):
    with transaction():
        suppress(AMAL, SuppressionReason(reason), source="test", now=now())
        erase(amal.id, source="test", now=now())

    assert reason_of(AMAL) == reason


def test_an_erased_reader_is_in_no_export(app, amal):
    with transaction():
        make_subscriber(BASIM)
        erase(amal.id, source="test", now=now())

    assert [line.split(",")[0] for line in export_subscribers()] == ["address", BASIM]


def test_a_row_cannot_be_erased_by_half(app, amal):
    with pytest.raises(sa.exc.IntegrityError), transaction():
        db.session.execute(update(Subscriber).values(state=SubscriberState.ERASED))
