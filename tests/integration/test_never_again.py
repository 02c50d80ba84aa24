"""Never write to this address again: for who never asked, by one press, for ever."""

import re
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import select

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.links import Purpose
from newsletter.notices.models import NoticeKind
from newsletter.pages import links
from newsletter.subscribers.models import (
    ConsentEvent,
    Signup,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers.signup import VALID_FOR, forget_unconfirmed
from newsletter.subscribers.suppression import reason_of
from tests.integration.readers import (
    Browser,
    answer_signups,
    ask,
    confirm_paths,
    look_again,
    mails,
    notices,
    the_subscriber,
)

AMAL = "amal@reader.example"
DAY = timedelta(days=1)


def now():
    return datetime.now(UTC)


def never_again_path(browser, address=AMAL, language="en"):
    """The link in a mail that a stranger made us send."""
    ask(browser, address, language=language)
    look_again()
    answer_signups(now())
    text = mails(NoticeKind.CONFIRMATION)[-1].get_body(("plain",)).get_content()
    (path,) = re.findall(r"^https?://[^/]+(/\S*never-again/\S+)\r?$", text, re.MULTILINE)
    return path


def forget():
    with transaction():
        forget_unconfirmed(now=now() + VALID_FOR + timedelta(minutes=1))
    look_again()
    assert db.session.scalars(select(Signup)).all() == []


def reason(address=AMAL):
    look_again()
    return reason_of(address)


def test_looking_at_the_link_changes_nothing(browser):
    path = never_again_path(browser)
    for _ in range(2):
        assert browser.head(path).status_code == 200
        page = browser.get(path)

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in page.headers
    assert AMAL not in page.text
    assert reason() is None


def test_one_press_and_nothing_is_sent_there_any_more(browser):
    path = never_again_path(browser)
    page = browser.post(path)

    assert page.status_code == 200
    assert "will not write to you again" in page.text
    assert reason() is SuppressionReason.NEVER_AGAIN
    for address in (AMAL, "AMAL@reader.example"):
        ask(browser, address)
    ask(browser, AMAL, path="/manage")
    answer_signups(now() + 40 * DAY)
    assert notices() == [], "not even the one that had not left yet"


def test_nothing_but_a_fingerprint_stays_of_who_never_asked(browser):
    browser.post(never_again_path(browser))

    look_again()
    assert db.session.scalars(select(Signup)).all() == []
    assert the_subscriber() is None
    assert [s.address for s in db.session.scalars(select(Subscriber))] == [""]
    events = db.session.scalars(select(ConsentEvent)).all()
    assert not any("amal" in str(vars(event)) for event in events)


def test_a_second_press_says_that_it_is_done(browser):
    path = never_again_path(browser)
    first = browser.post(path)

    assert browser.get(path).data == first.data
    assert browser.post(path).data == first.data


def test_the_link_to_confirm_leads_nowhere_then(browser):
    path = never_again_path(browser)
    (confirm,) = confirm_paths(AMAL)
    browser.post(path)

    assert browser.post(confirm).status_code == 410
    assert the_subscriber() is None


def test_who_reads_us_gets_no_issue_any_more_either(browser):
    path = never_again_path(browser)
    browser.post(confirm_paths(AMAL)[0])
    browser.post(path)

    assert reason() is SuppressionReason.NEVER_AGAIN
    reader = the_subscriber()
    assert reader.state is SubscriberState.CONFIRMED
    assert reader.suppressed_at is not None


def test_an_old_link_works_when_the_address_is_typed_again(browser):
    path = never_again_path(browser)
    forget()
    page = browser.get(path)
    assert 'name="address"' in page.text

    for typed, words in (("basim@reader.example", "not the address"), ("amal", "There is no @")):
        refused = browser.post(path, data={"address": typed})
        assert refused.status_code == 400
        assert words in refused.text
        assert f'value="{typed}"' in refused.text
    assert reason() is None
    assert reason("basim@reader.example") is None

    assert browser.post(path, data={"address": " Amal@READER.example"}).status_code == 200
    assert reason() is SuppressionReason.NEVER_AGAIN
    assert "will not write to you again" in browser.get(path).text


def test_an_old_link_works_under_a_new_key(browser, settings):
    path = never_again_path(browser)
    forget()
    keys = f"a new key that is put in front of it,{settings.secret_keys[0]}"
    app = create_app(settings.model_copy(update={"secret_key": SecretStr(keys)}))

    page = Browser(app, app.response_class).post(path, data={"address": AMAL})
    assert page.status_code == 200
    look_again()
    with app.app_context():
        assert reason_of(AMAL) is SuppressionReason.NEVER_AGAIN
        look_again()


def test_the_page_speaks_the_language_of_the_mail(browser):
    path = never_again_path(browser, language="ar")

    assert '<html lang="ar" dir="rtl">' in browser.get(path).text
    forget()
    assert '<html lang="ar" dir="rtl">' in browser.get(path).text


def test_a_link_of_another_kind_or_another_request_is_refused(browser):
    never_again_path(browser)
    look_again()
    (signup,) = db.session.scalars(select(Signup))
    for token in (
        links().token(Purpose.CONFIRM, signup.id, signup.nonce),
        links().token(Purpose.NEVER_AGAIN, signup.id, signup.nonce ^ 1),
        "rubbish",
    ):
        assert browser.get(f"/never-again/{token}").status_code == 404
        assert browser.post(f"/never-again/{token}").status_code == 404
    assert reason() is None


def test_nobody_else_is_kept_away(browser):
    never_again_path(browser, "basim@reader.example")
    browser.post(never_again_path(browser))

    assert reason("basim@reader.example") is None
    assert browser.post(confirm_paths("basim@reader.example")[0]).status_code == 200
