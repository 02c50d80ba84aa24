"""Leaving always works, is recorded once, and needs nothing but the link."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from newsletter import create_app
from newsletter.background import NOTICES, waiting
from newsletter.database import transaction
from newsletter.links import Links, Purpose
from newsletter.notices.models import NoticeKind
from newsletter.pages import links
from newsletter.subscribers.models import ConsentKind, SubscriberState
from newsletter.subscribers.unsubscribe import LONGEST_REASON, unsubscribe
from tests.factories import make_issue, make_subscriber
from tests.integration.readers import (
    Browser,
    events,
    hidden_fields,
    look_again,
    mails,
    notices,
    the_subscriber,
)

AMAL = "amal@reader.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def issue(app):
    with transaction():
        found = make_issue()
        found.sending_started_at = datetime.now(UTC)
    return found


@pytest.fixture
def link(app, issue):
    """The link in the mail of an issue."""
    with transaction():
        reader = make_subscriber(AMAL)
    return f"/unsubscribe/{links().token(Purpose.UNSUBSCRIBE, reader.id, issue.id)}"


def the_leaving():
    (event,) = events()
    assert event.kind is ConsentKind.UNSUBSCRIBED
    return event


def test_the_button_is_enough_and_the_issue_is_remembered(browser, link, issue):
    page = browser.get(link)
    answer = browser.post(link, data=hidden_fields(page))

    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert '<a href="/subscribe">Subscribe again</a>' in answer.text
    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED
    assert (the_leaving().issue_id, the_leaving().source) == (issue.id, "page")


@pytest.mark.parametrize("encoding", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_mail_program_leaves_with_one_click(browser, link, issue, encoding):
    answers = [browser.post(link, data=ONE_CLICK, content_type=encoding) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    assert (the_leaving().issue_id, the_leaving().source) == (issue.id, "one-click")
    assert len(notices(NoticeKind.GOODBYE)) == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"{}", "application/json"),
        (b"\xff\x00&&==", "application/x-www-form-urlencoded"),
        (b"--x\r\nrubbish", "multipart/form-data; boundary=x"),
        (b"reason_text=" + b"x" * 3_000_000, "application/x-www-form-urlencoded"),
        (b"reason=\x00&reason_text=a\x00b", "application/x-www-form-urlencoded"),
    ],
)
def test_any_post_leaves_whatever_its_body(browser, link, body, content_type):
    assert browser.post(link, data=body, content_type=content_type).status_code == 200
    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED


def test_looking_changes_nothing_and_shows_no_address(browser, link):
    for page in (browser.get(link), browser.head(link), browser.get(link + "?x=1")):
        assert page.status_code == 200
        assert AMAL not in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Robots-Tag"] == "noindex"
        assert "Set-Cookie" not in page.headers
    assert the_subscriber().state is SubscriberState.CONFIRMED
    assert events() == []


def test_fewer_sections_or_a_pause_are_offered_in_one_line_and_keep_nobody(browser, link, issue):
    page = browser.get(link)
    token = page.text.split('href="/preferences/')[1].split('"')[0]

    assert links().read(Purpose.PREFERENCES, token) == (the_subscriber().id, issue.id)
    assert browser.get(f"/preferences/{token}").status_code == 200
    assert page.text.count("Too much, or only for a while?") == 1
    first_form = page.text.split('<form method="post"')[1]
    assert first_form.index("<button>Unsubscribe</button>") < first_form.index("<fieldset")


def test_nothing_is_offered_to_who_has_left_but_the_way_back_and_to_be_forgotten(browser, link):
    for page in (browser.post(link), browser.get(link)):
        assert "Too much" not in page.text
        assert 'href="/subscribe"' in page.text
        assert '/erase">Erase me</a>' in page.text


def test_a_reason_is_kept(browser, link):
    browser.post(
        link, data={"reason": "too_much", "reason_text": " Twice\r\na month \x00 would do "}
    )

    assert the_leaving().reason == "too_much: Twice a month would do"


def test_a_reason_may_come_later_and_is_kept_once(browser, link):
    browser.post(link, data=ONE_CLICK)
    browser.post(link, data={"reason": "unsafe"})
    browser.post(link, data={"reason": "other"})

    assert the_leaving().reason == "unsafe"
    assert the_leaving().source == "one-click"


def test_a_reason_that_is_not_offered_or_too_long_keeps_nobody(browser, link):
    browser.post(link, data={"reason": "<script>", "reason_text": "x" * 5000})

    assert the_leaving().reason == "x" * LONGEST_REASON


def test_a_goodbye_is_said_once_in_the_readers_language(browser, issue):
    with transaction():
        reader = make_subscriber(AMAL, language="ar")
    link = f"/unsubscribe/{links().token(Purpose.UNSUBSCRIBE, reader.id, issue.id)}"
    assert '<html lang="ar" dir="rtl">' in browser.get(link).text
    for _ in range(2):
        assert '<html lang="ar" dir="rtl">' in browser.post(link).text

    (mail,) = mails(NoticeKind.GOODBYE)
    assert mail["To"] == AMAL
    assert 'dir="rtl"' in mail.get_body(("html",)).get_content()


def test_leaving_calls_a_worker_and_works_without_redis(app, browser, link, tmp_path):
    before = waiting(NOTICES)
    browser.post(link)
    assert waiting(NOTICES) == before + 1

    with transaction():
        other = make_subscriber("basim@reader.example")
    app.extensions["celery"].conf.update(broker_url=f"redis+socket://{tmp_path}/nobody.sock")
    token = links().token(Purpose.UNSUBSCRIBE, other.id)
    assert browser.post(f"/unsubscribe/{token}").status_code == 200
    assert the_subscriber("basim@reader.example").state is SubscriberState.UNSUBSCRIBED


def test_an_issue_that_is_gone_keeps_nobody(browser, link):
    token = links().token(Purpose.UNSUBSCRIBE, the_subscriber().id, 4711)
    assert browser.post(f"/unsubscribe/{token}").status_code == 200
    assert the_leaving().issue_id is None


def test_who_is_gone_altogether_hears_that_it_is_done(browser, app):
    path = f"/unsubscribe/{links().token(Purpose.UNSUBSCRIBE, 4711, 12)}"

    for page in (browser.get(path), browser.post(path), browser.post(path, data=ONE_CLICK)):
        assert page.status_code == 200
        assert "You are unsubscribed" in page.text
        assert "We still hold" not in page.text


def test_an_old_link_works_after_the_keys_were_changed(app, settings, link):
    look_again()
    keys = SecretStr(f"a new key that is put in front of it,{settings.secret_keys[0]}")
    later = create_app(settings.model_copy(update={"secret_key": keys}))

    assert Browser(later, later.response_class).post(link).status_code == 200
    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED


def test_a_link_that_is_not_ours_is_refused(browser, link):
    reader = the_subscriber()
    foreign = [
        Links(["another publication's key, long enough"]).token(Purpose.UNSUBSCRIBE, reader.id),
        links().token(Purpose.PREFERENCES, reader.id),
        link.rpartition("/")[2][:-1],
        "A" * 48,
    ]
    for token in foreign:
        for page in (browser.get(f"/unsubscribe/{token}"), browser.post(f"/unsubscribe/{token}")):
            assert page.status_code == 404
            assert "incomplete" in page.text
    assert the_subscriber().state is SubscriberState.CONFIRMED


def test_many_presses_at_once_are_one_leaving(app, link):
    def press(_finger):
        return Browser(app, app.response_class).post(link).status_code

    with ThreadPoolExecutor(4) as fingers:
        assert set(fingers.map(press, range(4))) == {200}

    assert the_leaving()
    assert len(notices(NoticeKind.GOODBYE)) == 1


def test_who_never_confirmed_is_sent_no_goodbye(app):
    with transaction():
        reader = make_subscriber(AMAL, state=SubscriberState.PENDING)
        unsubscribe(reader.id, None, source="cli", now=datetime.now(UTC))

    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED
    assert notices() == []


def test_an_address_that_complained_is_sent_no_goodbye(app):
    now = datetime.now(UTC)
    with transaction():
        reader = make_subscriber(AMAL, suppressed_at=now)
        unsubscribe(reader.id, None, source="page", now=now)

    assert the_subscriber().state is SubscriberState.UNSUBSCRIBED
    assert notices() == []


def test_leaving_after_coming_back_is_a_leaving_of_its_own(app):
    now = datetime.now(UTC)
    with transaction():
        reader = make_subscriber(AMAL)
        unsubscribe(reader.id, None, source="page", reason="other", now=now)
        reader.state = SubscriberState.CONFIRMED
        unsubscribe(reader.id, None, source="one-click", now=now + timedelta(days=1))

    assert [e.source for e in events()] == ["page", "one-click"]
    assert the_subscriber().unsubscribed_at == now + timedelta(days=1)
    assert len(notices(NoticeKind.GOODBYE)) == 2
