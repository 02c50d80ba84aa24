"""Issues go to another mailbox once its owner has said so from there; the old one hears of it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import select, update

from newsletter.background import NOTICES, waiting
from newsletter.database import db, transaction
from newsletter.links import Links, Purpose
from newsletter.notices.models import NoticeKind
from newsletter.pages import links
from newsletter.subscribers import address_change
from newsletter.subscribers.address_change import MOST_A_DAY
from newsletter.subscribers.mails import links_mail
from newsletter.subscribers.models import (
    AddressChange,
    ConsentKind,
    Signup,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers.signup import VALID_FOR
from newsletter.subscribers.suppression import reason_of, suppress
from newsletter.subscribers.tasks import answer_address_changes, forget_unconfirmed
from newsletter.subscribers.unsubscribe import unsubscribe
from tests.factories import choice_of, make_subscriber
from tests.integration.readers import (
    Browser,
    answer_signups,
    ask,
    confirm_paths,
    events,
    hidden_fields,
    look_again,
    mails,
    notices,
    path_in,
    the_subscriber,
)

OLD, NEW = "amal@reader.example", "amal.new@elsewhere.example"


def now():
    return datetime.now(UTC)


@pytest.fixture
def link(app):
    with transaction():
        found = make_subscriber(OLD, sections=["western-response"], language="en")
    return preferences_of(found)


def preferences_of(subscriber):
    return f"/preferences/{links().token(Purpose.PREFERENCES, subscriber.id, 12)}"


def answer_changes():
    look_again()
    for change_id in address_change.unanswered_changes():
        with transaction():
            address_change.answer_change(change_id, now=now())


def asked(browser, link, address=NEW):
    """Ask, and look into the new mailbox: the newest link there, if any came."""
    page = browser.post(f"{link}/address", data={"address": address})
    assert page.status_code == 200
    answer_changes()
    sent = notices(NoticeKind.ADDRESS_CHANGE)
    found = [notice for notice in sent if notice.recipient.lower() == address.lower()]
    return path_in(mails(NoticeKind.ADDRESS_CHANGE)[-1], "new-address") if found else None


def test_the_new_mailbox_proves_it_and_the_old_one_hears_of_it(browser, link):
    path = asked(browser, link)
    assert the_subscriber(OLD)
    page = browser.post(path, data=hidden_fields(browser.get(path)))

    assert page.status_code == 200
    assert "Your new address is confirmed" in page.text
    assert the_subscriber(OLD) is None
    moved = the_subscriber(NEW)
    assert moved.address == NEW
    assert moved.subscription.choice == choice_of("western-response")
    (told,) = mails(NoticeKind.ADDRESS_CHANGED)
    assert told["To"] == OLD
    assert NEW not in told.as_string()
    assert [e.kind for e in events(NEW)] == [ConsentKind.MOVED]
    assert all(OLD not in str(vars(e)) for e in events(NEW))


def test_links_in_the_old_mailbox_tell_nothing_of_the_new_one_and_still_let_leave(browser, link):
    browser.post(asked(browser, link))

    for path in ("", "/data", "/erase"):
        for answer in (browser.get(link + path), browser.post(link + path)):
            assert answer.status_code == 410
            assert NEW not in answer.text
    assert the_subscriber(NEW).state is SubscriberState.CONFIRMED
    token = links().token(Purpose.UNSUBSCRIBE, the_subscriber(NEW).id)
    assert browser.post(f"/unsubscribe/{token}").status_code == 200
    assert the_subscriber(NEW).state is SubscriberState.UNSUBSCRIBED


def test_links_that_are_sent_to_the_new_mailbox_work(browser, link):
    browser.post(asked(browser, link))
    reader = the_subscriber(NEW)

    mail = links_mail(reader, reader.subscription)

    [path] = re.findall(r"^http://[^/]+(/preferences/\S+)$", mail.text, re.MULTILINE)
    assert browser.get(path).status_code == 200
    assert NEW in browser.post(f"{path}/data").text


def test_the_mail_goes_to_the_new_mailbox_alone_and_names_nobody(browser, link):
    asked(browser, link)

    (mail,) = mails(NoticeKind.ADDRESS_CHANGE)
    assert mail["To"] == NEW
    assert OLD not in mail.as_string()
    assert notices(NoticeKind.ADDRESS_CHANGED) == []


def test_looking_changes_nothing_and_shows_no_address(browser, link):
    path = asked(browser, link)
    for page in (
        browser.get(path),
        browser.head(path),
        browser.get(f"{link}/address"),
        browser.get(link),
    ):
        assert page.status_code == 200
        assert OLD not in page.text
        assert NEW not in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Robots-Tag"] == "noindex"
    assert browser.get(path).text.partition("<main")[2].count("<button>") == 1
    assert the_subscriber(OLD)


def test_asking_calls_a_worker_who_answers(browser, link):
    before = waiting(NOTICES)
    browser.post(f"{link}/address", data={"address": NEW})
    assert waiting(NOTICES) == before + 1

    answer_address_changes()
    assert len(notices(NoticeKind.ADDRESS_CHANGE)) == 1
    answer_address_changes()
    assert len(notices(NoticeKind.ADDRESS_CHANGE)) == 1


def test_the_answer_is_the_same_for_every_address(browser, link):
    with transaction():
        make_subscriber("known@reader.example")
        for name, reason in (("never", "never_again"), ("bounced", "hard_bounce")):
            suppress(f"{name}@reader.example", SuppressionReason(reason), source="test", now=now())
    addresses = ["new", "known", "never", "bounced", "amal"]
    pages = [
        browser.post(f"{link}/address", data={"address": f"{name}@reader.example"})
        for name in addresses
    ]

    assert len({(page.status_code, page.data) for page in pages}) == 1


def test_an_address_that_cannot_be_is_refused_and_stays_in_the_field(browser, link):
    page = browser.post(f"{link}/address", data={"address": "amal at <reader>"})

    assert page.status_code == 400
    assert 'value="amal at &lt;reader&gt;"' in page.text
    assert 'role="alert"' in page.text
    assert db.session.scalars(select(AddressChange)).all() == []


def test_an_address_that_the_gate_keeps_out_is_refused_and_stays_in_the_field(browser, link):
    page = browser.post(f"{link}/address", data={"address": "noreply@elsewhere.example"})

    assert page.status_code == 400
    assert 'value="noreply@elsewhere.example"' in page.text
    assert db.session.scalars(select(AddressChange)).all() == []


def test_the_ceilings_of_the_gate_hold_for_this_form_too(app, browser, link):
    app.extensions["settings"] = app.extensions["settings"].model_copy(
        update={"signups_per_domain_per_hour": 1}
    )
    pages = [
        browser.post(f"{link}/address", data={"address": f"amal{n}@elsewhere.example"})
        for n in range(20)
    ]
    refused = [page for page in pages if page.status_code == 429]

    assert refused
    assert "Retry-After" in refused[0].headers
    assert '@elsewhere.example"' in refused[0].text


def test_a_second_press_says_kindly_that_it_is_done(browser, link):
    path = asked(browser, link)
    first, second = browser.post(path), browser.post(path)

    assert first.data == second.data
    assert len(notices(NoticeKind.ADDRESS_CHANGED)) == 1
    assert len(events(NEW)) == 1


def test_two_presses_at_once_move_once(app, browser, link):
    path = asked(browser, link)
    together = Barrier(4)

    def press():
        together.wait()
        return Browser(app, app.response_class).post(path).status_code

    with ThreadPoolExecutor(4) as readers:
        pressed = [readers.submit(press) for _ in range(4)]
        assert {one.result() for one in pressed} == {200}
    assert len(notices(NoticeKind.ADDRESS_CHANGED)) == 1


def test_the_link_works_for_three_days(browser, link):
    path = asked(browser, link)
    with transaction():
        db.session.execute(update(AddressChange).values(answered_at=now() - VALID_FOR))

    assert browser.get(path).status_code == browser.post(path).status_code == 410
    forget_unconfirmed()
    assert db.session.scalars(select(AddressChange)).all() == []
    page = browser.post(path)
    assert page.status_code == 410
    assert "few days" in page.text
    assert the_subscriber(OLD)


def test_the_requests_of_a_week_ago_are_forgotten_confirmed_or_not(browser, link):
    path = asked(browser, link)
    browser.post(path)
    forget_unconfirmed()
    assert browser.post(path).status_code == 200
    with transaction():
        db.session.execute(update(AddressChange).values(answered_at=now() - VALID_FOR))
    forget_unconfirmed()

    look_again()
    assert db.session.scalars(select(AddressChange)).all() == []
    assert the_subscriber(NEW)


def test_a_mailbox_that_reads_us_already_hears_so_after_proving_itself(browser, link):
    with transaction():
        make_subscriber(NEW)
    path = asked(browser, link)
    page = browser.post(path)

    assert page.status_code == 409
    assert "reads us already" in page.text
    assert the_subscriber(OLD).state is the_subscriber(NEW).state is SubscriberState.CONFIRMED


@pytest.mark.parametrize("reason", ["complaint", "manual", "never_again"])
def test_nothing_goes_to_a_mailbox_we_promised_never_to_write_to(browser, link, reason):
    with transaction():
        suppress(NEW, SuppressionReason(reason), source="test", now=now())

    assert asked(browser, link) is None
    assert db.session.scalars(select(AddressChange)).all() == []


def test_a_promise_made_after_the_mail_went_out_holds_too(browser, link):
    path = asked(browser, link)
    with transaction():
        suppress(NEW, SuppressionReason.NEVER_AGAIN, source="test", now=now())
    page = browser.post(path)

    assert page.status_code == 410
    assert "promised" in page.text
    assert the_subscriber(OLD)


@pytest.mark.parametrize("reason", ["hard_bounce", "erased"])
def test_a_mailbox_that_was_gone_is_proved_alive_by_the_press(browser, link, reason):
    with transaction():
        suppress(NEW, SuppressionReason(reason), source="test", now=now())
    browser.post(asked(browser, link))

    look_again()
    assert reason_of(NEW) is None
    assert the_subscriber(NEW).suppressed_at is None


def test_who_moves_away_from_a_dead_mailbox_is_written_to_again_and_the_dead_one_is_not(
    browser, link
):
    with transaction():
        suppress(OLD, SuppressionReason.HARD_BOUNCE, source="test", now=now())
    browser.post(asked(browser, link))

    assert the_subscriber(NEW).suppressed_at is None
    assert reason_of(OLD) is SuppressionReason.HARD_BOUNCE
    assert notices(NoticeKind.ADDRESS_CHANGED) == []


@pytest.mark.parametrize("state", [SubscriberState.UNSUBSCRIBED, SubscriberState.PENDING])
def test_a_mailbox_that_once_left_or_never_confirmed_may_be_moved_to(browser, link, state):
    with transaction():
        before = make_subscriber(NEW, state=state)
    browser.post(asked(browser, link))

    assert the_subscriber(NEW).subscription.choice == choice_of("western-response")
    given_up = db.session.get_one(Subscriber, before.id)
    assert (given_up.state, given_up.address) == (SubscriberState.ERASED, "")
    assert reason_of(NEW) is None


def test_an_unused_confirmation_of_the_old_mailbox_brings_nobody_back_there(browser, link):
    ask(browser, OLD, sections=["isis-in-action"])
    answer_signups(now())
    (unused,) = confirm_paths(OLD)
    browser.post(asked(browser, link))

    assert browser.post(unused).status_code == 410
    assert the_subscriber(NEW).subscription.choice == choice_of("western-response")
    assert OLD not in [signup.address for signup in db.session.scalars(select(Signup))]


def test_the_same_mailbox_in_another_spelling_is_no_move_to_announce(browser, link):
    browser.post(asked(browser, link, "Amal@Reader.Example"))

    assert the_subscriber(OLD).address == "Amal@reader.example"
    assert notices(NoticeKind.ADDRESS_CHANGED) == []


def test_confirming_one_change_voids_the_others(browser, link):
    first = asked(browser, link)
    other = asked(browser, link, "third@elsewhere.example")
    browser.post(other)

    assert browser.post(first).status_code == 410
    assert the_subscriber("third@elsewhere.example")


def test_who_left_meanwhile_is_not_brought_back(browser, link):
    path = asked(browser, link)
    with transaction():
        unsubscribe(the_subscriber(OLD).id, None, source="page", now=now())

    assert browser.post(path).status_code == 410
    assert the_subscriber(NEW) is None


def test_nobody_can_fill_a_strangers_mailbox_by_this_form(browser, link):
    for _ in range(3):
        asked(browser, link)
    assert len(notices(NoticeKind.ADDRESS_CHANGE)) == 1

    ask(browser, NEW)  # one count over all entry points
    answer_signups(now())
    assert notices(NoticeKind.CONFIRMATION) == []


def test_one_link_makes_us_write_to_few_strangers_a_day(browser, link):
    for number in range(MOST_A_DAY + 2):
        asked(browser, link, f"stranger{number}@elsewhere.example")

    assert len(notices(NoticeKind.ADDRESS_CHANGE)) == MOST_A_DAY


def test_a_link_that_is_not_ours_is_refused(browser, link):
    asked(browser, link)
    (change,) = db.session.scalars(select(AddressChange))
    foreign = [
        Links(["another publication's key, long enough"]).token(
            Purpose.NEW_ADDRESS, change.id, change.nonce
        ),
        links().token(Purpose.NEW_ADDRESS, change.id, change.nonce ^ 1),
        links().token(Purpose.CONFIRM, change.id, change.nonce),
        "A" * 48,
    ]
    for token in foreign:
        assert browser.get(f"/new-address/{token}").status_code == 404
        assert browser.post(f"/new-address/{token}").status_code == 404
    assert the_subscriber(OLD)


def test_the_page_and_the_mail_speak_the_readers_language(browser, app):
    with transaction():
        found = make_subscriber(OLD, language="ar")
    path = asked(browser, preferences_of(found))

    assert '<html lang="ar" dir="rtl">' in browser.get(path).text
    (mail,) = mails(NoticeKind.ADDRESS_CHANGE)
    assert 'dir="rtl"' in mail.get_body(("html",)).get_content()
