"""Proving a signup from the mailbox: once, in time, and never against who has left."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from newsletter.database import db, transaction
from newsletter.issues.models import Format
from newsletter.links import TOKEN_LENGTH, Links, Purpose
from newsletter.notices.models import NoticeKind
from newsletter.pages import links
from newsletter.subscribers.models import (
    ConsentEvent,
    ConsentKind,
    Signup,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers.preferences import change_preferences
from newsletter.subscribers.signup import FORGOTTEN_AT_ONCE, VALID_FOR, forget_unconfirmed
from newsletter.subscribers.suppression import reason_of, suppress
from newsletter.subscribers.tasks import forget_unconfirmed as forget_task
from newsletter.subscribers.unsubscribe import unsubscribe
from newsletter.subscribers.wishes import read_wish
from tests.factories import choice_of, make_subscriber
from tests.integration.readers import (
    Browser,
    answer_signups,
    ask,
    confirm_paths,
    events,
    look_again,
    mails,
    notices,
    path_in,
    the_subscriber,
)

AMAL = "amal@reader.example"


def now():
    return datetime.now(UTC)


def asked_link(browser, address=AMAL, **options):
    """Ask, and look into the mailbox: the link of the newest confirmation."""
    ask(browser, address, **options)
    answer_signups(now())
    return confirm_paths(address)[-1]


def another_link(browser, **options):
    """Ask again a day later, when the cap allows it."""
    with transaction():
        for notice in notices(NoticeKind.CONFIRMATION):
            notice.created_at -= timedelta(days=1, seconds=1)
    return asked_link(browser, **options)


def grow_old(age):
    """Let the mails have been answered that long ago."""
    with transaction():
        db.session.execute(update(Signup).values(answered_at=now() - age))
    look_again()


def test_the_button_confirms_and_the_choice_is_kept(browser):
    link = asked_link(browser, sections=["western-response"], language="ar")
    page = browser.post(link)

    assert page.status_code == 200
    subscriber = the_subscriber()
    assert subscriber.state is SubscriberState.CONFIRMED
    assert subscriber.subscription.choice == choice_of("western-response")
    assert subscriber.subscription.language == "ar"
    assert subscriber.subscription.format is Format.HTML
    asked, confirmed = events()
    assert (asked.kind, confirmed.kind) == (ConsentKind.ASKED, ConsentKind.CONFIRMED)
    assert confirmed.signup_id == asked.signup_id
    assert confirmed.wording == asked.wording


def test_looking_at_the_page_changes_nothing_and_shows_no_address(browser):
    link = asked_link(browser)
    for page in (browser.get(link), browser.head(link), browser.get(link)):
        assert page.status_code == 200
        assert AMAL not in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Robots-Tag"] == "noindex"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in page.headers

    main = browser.get(link).text.partition("<main")[2]
    assert main.count("<button") == 1
    assert the_subscriber().state is SubscriberState.PENDING


def test_the_page_speaks_the_language_that_was_chosen(browser):
    link = asked_link(browser, language="ar")

    assert '<html lang="ar" dir="rtl">' in browser.get(link).text
    assert '<html lang="ar" dir="rtl">' in browser.post(link).text


def test_pressing_again_says_kindly_that_it_is_done(browser):
    link = asked_link(browser)
    first, second = browser.post(link), browser.post(link)

    assert "is confirmed<" in first.text
    assert second.status_code == 200
    assert "confirmed already" in second.text
    assert len(notices(NoticeKind.WELCOME)) == 1
    assert [e.kind for e in events()] == [ConsentKind.ASKED, ConsentKind.CONFIRMED]


def test_the_welcome_mail_says_what_was_chosen_and_holds_the_links(browser):
    browser.post(asked_link(browser, sections=["western-response"]))

    (mail,) = mails(NoticeKind.WELCOME)
    text = mail.get_body(("plain",)).get_content()
    assert mail["To"] == AMAL
    assert "Western Response" in text
    assert "ISIS in Action" not in text
    subscriber = the_subscriber()
    for kind in (Purpose.PREFERENCES, Purpose.UNSUBSCRIBE):
        token = path_in(mail, kind).rpartition("/")[2]
        assert links().read(kind, token) == (subscriber.id, 0)


def test_two_presses_at_once_confirm_once(app, browser):
    link = asked_link(browser)
    together = Barrier(4)

    def press():
        together.wait()
        return Browser(app, app.response_class).post(link)

    with ThreadPoolExecutor(4) as readers:
        pages = [reader.result() for reader in [readers.submit(press) for _ in range(4)]]

    assert [page.status_code for page in pages] == [200] * 4
    assert sum("is confirmed<" in page.text for page in pages) == 1
    assert len(notices(NoticeKind.WELCOME)) == 1
    assert [e.kind for e in events()] == [ConsentKind.ASKED, ConsentKind.CONFIRMED]


def test_a_link_works_for_three_days_and_then_shows_the_way_to_a_new_one(browser):
    link = asked_link(browser)

    grow_old(VALID_FOR - timedelta(minutes=1))
    assert browser.get(link).status_code == 200

    grow_old(VALID_FOR)
    for page in (browser.get(link), browser.post(link)):
        assert page.status_code == 410
        assert 'class="button" href="/subscribe"' in page.text
    assert the_subscriber().state is SubscriberState.PENDING


def test_a_link_still_says_so_after_its_request_was_forgotten(browser):
    link = asked_link(browser)
    grow_old(VALID_FOR)
    forget_task()

    assert browser.get(link).status_code == browser.post(link).status_code == 410


def test_an_old_confirmed_link_still_says_that_it_is_done(browser):
    link = asked_link(browser)
    browser.post(link)
    grow_old(VALID_FOR * 10)
    forget_task()

    assert "confirmed already" in browser.post(link).text


def test_an_old_link_brings_nobody_back_who_left(browser):
    used = asked_link(browser)
    browser.post(used)
    unused = another_link(browser)
    with transaction():
        unsubscribe(the_subscriber().id, None, source="page", now=now())

    for link in (used, unused):
        page = browser.post(link)
        assert page.status_code == 410
        assert "left" in page.text
    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED


def test_somebody_who_left_comes_back_by_asking_anew(browser):
    browser.post(asked_link(browser))
    with transaction():
        unsubscribe(the_subscriber().id, None, source="page", now=now())
    again = another_link(browser)
    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED  # asking is no consent

    assert browser.post(again).status_code == 200
    assert the_subscriber().state is SubscriberState.CONFIRMED
    assert len(notices(NoticeKind.WELCOME)) == 2


def test_who_is_subscribed_and_asks_again_gets_the_new_choice_by_confirming(browser):
    browser.post(asked_link(browser, sections=["western-response"]))
    again = another_link(browser, sections=["isis-in-action"], language="ar")
    assert the_subscriber().subscription.choice == choice_of("western-response")

    assert browser.post(again).status_code == 200
    assert the_subscriber().subscription.choice == choice_of("isis-in-action")
    assert the_subscriber().subscription.language == "ar"
    assert len(notices(NoticeKind.WELCOME)) == 1


def test_of_two_requests_the_newer_one_holds_whichever_is_pressed_last(browser):
    older = asked_link(browser, sections=["western-response"])
    newer = another_link(browser, sections=["isis-in-action"])

    browser.post(newer)
    assert "confirmed already" in browser.post(older).text
    assert the_subscriber().subscription.choice == choice_of("isis-in-action")


def test_of_two_requests_pressed_in_order_the_newer_one_holds(browser):
    older = asked_link(browser, sections=["western-response"])
    newer = another_link(browser, sections=["isis-in-action"])

    browser.post(older)
    browser.post(newer)
    assert the_subscriber().subscription.choice == choice_of("isis-in-action")


def test_an_old_link_does_not_undo_what_was_chosen_since(browser):
    browser.post(asked_link(browser))
    unused = another_link(browser, sections=["western-response"])
    with transaction():
        wish = read_wish(["isis-in-action"], "en")
        change_preferences(the_subscriber().id, wish, Format.TEXT, source="page", now=now())

    assert "confirmed already" in browser.post(unused).text
    assert the_subscriber().subscription.choice == choice_of("isis-in-action")


@pytest.mark.parametrize("reason", ["complaint", "manual", "never_again"])
def test_who_was_suppressed_meanwhile_is_told_kindly_and_not_subscribed(browser, reason):
    link = asked_link(browser)
    with transaction():
        suppress(AMAL, SuppressionReason(reason), source="test", now=now())

    page = browser.post(link)
    assert page.status_code == 410
    assert "promised" in page.text
    assert the_subscriber().state is SubscriberState.PENDING


def test_confirming_after_a_hard_bounce_proves_that_the_mailbox_lives(browser):
    browser.post(asked_link(browser))
    with transaction():
        suppress(AMAL, SuppressionReason.HARD_BOUNCE, source="test", now=now())
    assert the_subscriber().suppressed_at

    browser.post(another_link(browser))
    look_again()
    assert reason_of(AMAL) is None
    assert the_subscriber().suppressed_at is None


def test_a_token_of_another_purpose_or_request_is_nothing(browser):
    link = asked_link(browser)
    (signup,) = db.session.scalars(select(Signup))
    foreign = [
        links().token(Purpose.UNSUBSCRIBE, signup.id, signup.nonce),
        links().token(Purpose.CONFIRM, signup.id, signup.nonce ^ 1),
        Links(["another publication's key, long enough"]).token(
            Purpose.CONFIRM, signup.id, signup.nonce
        ),
        link.rpartition("/")[2][:-1],
        link.rpartition("/")[2] + "A",
    ]
    for token in foreign:
        assert browser.get(f"/confirm/{token}").status_code == 404
        assert browser.post(f"/confirm/{token}").status_code == 404
    assert the_subscriber().state is SubscriberState.PENDING


@given(token=st.text(min_size=1, max_size=60) | st.text("ABab01-_", min_size=48, max_size=48))
@example(token="/0")  # two slashes are one, which takes a redirect
@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_stands_where_a_token_should_is_refused_politely(browser, token):
    path = token.encode("utf-8", "replace").replace(b"/", b"%2F").replace(b"?", b"%3F")
    for page in ("confirm", "unsubscribe", "preferences"):
        answer = browser.post(f"/{page}/" + path.decode(), follow_redirects=True)
        assert answer.status_code in {404, 405}, answer.text
        assert "</html>" in answer.text


@given(place=st.integers(0, TOKEN_LENGTH - 1), letter=st.sampled_from("ABCabc012-_"))
@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_token_with_one_letter_changed_is_refused(app, place, letter):
    token = links().token(Purpose.CONFIRM, 1, 2)
    changed = token[:place] + letter + token[place + 1 :]
    browser = Browser(app, app.response_class)

    expected = 410 if changed == token else 404  # a request that nobody knows any more
    assert browser.post(f"/confirm/{changed}").status_code == expected


def test_who_never_confirmed_is_forgotten_after_three_days(browser):
    asked_link(browser)
    grow_old(VALID_FOR - timedelta(minutes=1))
    forget_task()
    assert the_subscriber()

    grow_old(VALID_FOR)
    forget_task()
    assert the_subscriber() is None
    assert db.session.scalars(select(Signup)).all() == []
    assert db.session.scalars(select(ConsentEvent)).all() == []


def test_forgetting_a_request_leaves_a_subscriber_and_the_proof_of_consent(browser):
    browser.post(asked_link(browser))
    another_link(browser)
    grow_old(VALID_FOR)
    forget_task()

    assert the_subscriber().state is SubscriberState.CONFIRMED
    assert [e.kind for e in events()] == [ConsentKind.ASKED, ConsentKind.CONFIRMED]
    assert len(db.session.scalars(select(Signup)).all()) == 1


def test_forgetting_one_request_leaves_who_has_a_younger_one(browser):
    asked_link(browser)
    grow_old(VALID_FOR)
    another_link(browser)
    forget_task()

    assert the_subscriber().state is SubscriberState.PENDING
    assert len(db.session.scalars(select(Signup)).all()) == 1


def test_a_request_that_no_worker_has_answered_yet_is_not_forgotten(browser):
    ask(browser, AMAL)
    with transaction():
        db.session.execute(update(Signup).values(asked_at=now() - VALID_FOR * 2))
    forget_task()
    answer_signups(now())

    assert browser.post(confirm_paths(AMAL)[0]).status_code == 200


def test_many_are_forgotten_a_few_hundred_at_a_time(app):
    long_ago = now() - VALID_FOR * 2
    with transaction():
        stranger = make_subscriber(AMAL, state=SubscriberState.PENDING)
        db.session.delete(stranger.subscription)
        for nonce in range(FORGOTTEN_AT_ONCE + 1):
            db.session.add(
                Signup(
                    nonce=nonce,
                    address=AMAL,
                    address_key=AMAL,
                    choice=0,
                    language="en",
                    source="test",
                    wording="",
                    asked_at=long_ago,
                    answered_at=long_ago,
                    subscriber_id=stranger.id,
                )
            )
    with transaction():
        assert forget_unconfirmed(now=now()) == FORGOTTEN_AT_ONCE
    assert the_subscriber()

    forget_task()
    look_again()
    assert db.session.scalars(select(Signup)).all() == []
    assert db.session.scalars(select(Subscriber)).all() == []
