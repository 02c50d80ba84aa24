"""Asking to subscribe, by the form: what is kept, what is shown, and that it tells nothing."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from newsletter import create_app
from newsletter.background import NOTICES, waiting
from newsletter.database import db, transaction
from newsletter.notices.models import NoticeKind
from newsletter.subscribers.models import (
    ConsentKind,
    LinksRequest,
    Signup,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers.stamps import FRESH_FOR, stamp
from newsletter.subscribers.suppression import suppress
from newsletter.subscribers.tasks import answer_signups as answer_task
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
    the_subscriber,
)

AMAL = "amal@reader.example"


def now():
    return datetime.now(UTC)


def signups():
    look_again()
    return list(db.session.scalars(select(Signup).order_by(Signup.id)))


def test_asking_is_written_down_with_the_words_that_were_shown(browser):
    form = browser.get("/subscribe")
    page = ask(browser, " Amal@Reader.example ", sections=["western-response"], language="ar")

    assert page.status_code == 200
    (signup,) = signups()
    assert signup.address == "Amal@reader.example"
    assert signup.address_key == AMAL
    assert signup.choice == choice_of("western-response")
    assert signup.language == "ar"
    assert signup.source == "form:/subscribe"
    assert signup.wording in form.text
    assert "once a week" in signup.wording


def test_the_form_on_the_front_page_leads_to_the_same_place(browser):
    fields = hidden_fields(browser.get("/"))
    page = browser.post("/subscribe", data=fields | {"address": AMAL, "language": "en"})

    assert page.status_code == 200
    assert len(signups()) == 1


def test_a_worker_answers_with_a_confirmation_in_the_language_chosen(browser):
    ask(browser, AMAL, sections=["western-response"])
    answer_signups(now())

    (mail,) = mails(NoticeKind.CONFIRMATION)
    text = mail.get_body(("plain",)).get_content()
    assert mail["To"] == AMAL
    assert "Western Response" in text
    assert "ISIS in Action" not in text
    assert "3 days" in text
    assert the_subscriber().state is SubscriberState.PENDING
    (asked,) = events()
    (signup,) = signups()
    assert (asked.kind, asked.wording, asked.source) == (
        ConsentKind.ASKED,
        signup.wording,
        "form:/subscribe",
    )
    assert asked.signup_id == signup.id
    assert asked.choice == choice_of("western-response")


def test_who_subscribes_on_an_arabic_page_gets_arabic_words_and_mails(browser):
    form = browser.get("/ar/subscribe")
    assert '<option value="ar" lang="ar" selected>' in form.text

    ask(browser, AMAL, language="ar", path="/ar/subscribe")
    answer_signups(now())

    (mail,) = mails(NoticeKind.CONFIRMATION)
    assert 'dir="rtl"' in mail.get_body(("html",)).get_content()


def test_the_same_signup_is_answered_once_however_often_a_worker_tries(browser):
    ask(browser, AMAL)
    answer_task()
    answer_task()

    assert len(notices(NoticeKind.CONFIRMATION)) == 1


def test_a_signup_calls_a_worker(browser):
    before = waiting(NOTICES)
    ask(browser, AMAL)

    assert waiting(NOTICES) == before + 1


def test_a_signup_without_redis_is_answered_when_the_clock_comes_by(app, valkey_is_away):
    browser = Browser(valkey_is_away, valkey_is_away.response_class)

    assert ask(browser, AMAL).status_code == 200
    answer_signups(now())
    assert len(confirm_paths(AMAL)) == 1


@pytest.fixture
def valkey_is_away(app, tmp_path):
    app.extensions["celery"].conf.update(broker_url=f"redis+socket://{tmp_path}/nobody.sock")
    return app


def test_the_answer_is_the_same_for_everybody(browser):
    """New, waiting, confirmed, gone, suppressed for each reason, over the cap: byte by byte."""
    with transaction():
        make_subscriber("confirmed@reader.example")
        make_subscriber("gone@reader.example", state=SubscriberState.UNSUBSCRIBED)
        for reason in SuppressionReason:
            suppress(f"{reason}@reader.example", reason, source="test", now=now())
    for _ in range(2):
        ask(browser, "capped@reader.example")
    ask(browser, "waiting@reader.example")
    answer_signups(now())

    names = ["new", "confirmed", "gone", "capped", "waiting", *SuppressionReason]
    pages = [ask(browser, f"{name}@reader.example") for name in names]

    assert {page.status_code for page in pages} == {200}
    assert len({page.data for page in pages}) == 1
    assert len({tuple(sorted(page.headers.items())) for page in pages}) == 1
    assert "@reader.example" not in pages[0].text


def test_the_form_asks_the_database_the_same_whatever_the_address(app, browser):
    with transaction():
        make_subscriber("confirmed@reader.example")
        suppress("no@reader.example", SuppressionReason.COMPLAINT, source="test", now=now())

    asked = {}
    for name in ("new", "confirmed", "no"):
        fields = hidden_fields(browser.get("/subscribe")) | {"address": f"{name}@reader.example"}
        statements: list[str] = []
        listen = lambda *call, kept=statements: kept.append(call[2])  # noqa: E731
        engine = db.engine
        event.listen(engine, "before_cursor_execute", listen)
        browser.post("/subscribe", data=fields)
        event.remove(engine, "before_cursor_execute", listen)
        asked[name] = statements

    assert asked["new"] == asked["confirmed"] == asked["no"]
    assert not any("subscriber" in s.split("WHERE")[0] for s in asked["new"] if "SELECT" in s)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Please enter"),
        ("amal", "There is no @"),
        ("amal@reader", "incomplete"),
        ("a@b.example, c@d.example", "one address only"),
        ("amal@reader.example\r\nBcc: all@reader.example", "invisible character"),
        ("amal\x00@reader.example", "invisible character"),
        ("x" * 100_000 + "@reader.example", "too long"),
        ("<b>amal</b>@reader.example", "without a name"),
    ],
)
def test_what_is_no_address_comes_back_with_the_reason_and_all_that_was_typed(
    browser, typed, words
):
    page = ask(browser, typed, sections=["western-response"], language="ar")

    assert page.status_code == 400
    assert words in page.text
    assert 'role="alert"' in page.text
    assert 'aria-describedby="address-error"' in page.text
    assert 'value="western-response" checked' in page.text
    assert '<option value="ar" lang="ar" selected>' in page.text
    assert "<b>amal" not in page.text
    assert signups() == []


@pytest.mark.parametrize(
    "fields", [{"sections": ["no-such-section"]}, {"language": "tlh"}, {"sections": ["a\x00b"]}]
)
def test_what_the_form_does_not_offer_is_refused_by_name(browser, fields):
    sent = hidden_fields(browser.get("/subscribe")) | {"address": AMAL} | fields
    page = browser.post("/subscribe", data=sent)

    assert page.status_code == 400
    assert signups() == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"address": "amal@reader.example"}', "application/json"),
        (b"\xff\xfe\x00rubbish", "application/x-www-form-urlencoded"),
        (b"address=\xe9t\xe9@reader.example", "application/x-www-form-urlencoded; charset=latin-1"),
        (b"--x\r\nnothing", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"", ""),
    ],
)
def test_a_body_that_is_no_form_gets_a_form_to_fill_in(browser, body, content_type):
    page = browser.post("/subscribe", data=body, content_type=content_type)

    assert page.status_code < 500
    assert 'name="stamp"' in page.text
    assert signups() == []


@pytest.mark.parametrize("address", ["%ff%fe@reader.example", "a%ff@reader.example", "a@%ff.test"])
def test_an_address_in_bytes_that_are_no_utf8_comes_back_with_the_reason(browser, address):
    fields = urlencode(hidden_fields(browser.get("/subscribe")) | {"language": "en"})
    page = browser.post(
        "/subscribe",
        data=f"{fields}&address={address}",
        content_type="application/x-www-form-urlencoded",
    )

    assert page.status_code == 400
    assert 'aria-invalid="true"' in page.text
    assert signups() == []


def test_a_percent_sign_that_was_typed_is_part_of_an_address(browser):
    assert ask(browser, "fifty%ff@reader.example").status_code == 200
    assert [signup.address for signup in signups()] == ["fifty%ff@reader.example"]


def test_a_body_without_end_is_refused(browser):
    fields = hidden_fields(browser.get("/subscribe"))
    page = browser.post("/subscribe", data=fields | {"address": "x" * 3_000_000})

    assert page.status_code == 413
    assert "</html>" in page.text


@pytest.mark.parametrize("shown", [None, "", "rubbish", "1795359659.forged", "é\x00"])
def test_a_form_of_unknown_age_asks_for_one_press_more_and_loses_nothing(browser, shown):
    fields = {"address": AMAL, "sections": ["western-response"], "language": "ar"}
    page = browser.post("/subscribe", data=fields | ({} if shown is None else {"stamp": shown}))

    assert page.status_code == 200
    assert f'value="{AMAL}"' in page.text
    assert 'value="western-response" checked' in page.text
    assert '<option value="ar" lang="ar" selected>' in page.text
    assert "once more" in page.text
    assert signups() == []

    again = browser.post("/subscribe", data=fields | hidden_fields(page))
    assert again.status_code == 200
    assert len(signups()) == 1


def test_a_page_that_was_open_for_hours_asks_for_one_press_more(browser):
    old = stamp(now() - FRESH_FOR - timedelta(seconds=1))
    assert "once more" in browser.post("/subscribe", data={"address": AMAL, "stamp": old}).text

    young = stamp(now() - FRESH_FOR + timedelta(minutes=1))
    assert (
        "once more" not in browser.post("/subscribe", data={"address": AMAL, "stamp": young}).text
    )


def test_looking_at_the_form_changes_nothing_and_sets_no_cookie(browser):
    for page in (browser.get("/subscribe"), browser.head("/subscribe"), ask(browser, AMAL)):
        assert page.status_code == 200
        assert "Set-Cookie" not in page.headers
    assert browser.head("/subscribe").data == b""


@given(typed=st.text(max_size=60))
@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_typed_gets_an_answer(browser, typed):
    fields = {"address": typed, "language": typed, "sections": [typed], "stamp": stamp(now())}
    utf8 = {
        name: value.encode("utf-8", "replace") if isinstance(value, str) else value
        for name, value in fields.items()
        if name != "sections"
    }
    page = browser.post("/subscribe", data=utf8)

    assert page.status_code in {200, 400}


@pytest.mark.parametrize(
    ("field", "typed"), [("sections", "weather"), ("language", "tlh")], ids=["section", "language"]
)
def test_a_form_that_cannot_be_taken_comes_back_as_it_was_filled_in(browser, field, typed):
    stamp = hidden_fields(browser.get("/subscribe"))["stamp"]
    filled = {"address": "amal@reader.example", "language": "en", "stamp": stamp, field: typed}

    page = browser.post("/subscribe", data=filled)

    assert page.status_code == 400
    assert 'value="amal@reader.example"' in page.text
    assert 'role="alert"' in page.text


@pytest.mark.parametrize("path", ["/subscribe", "/subscribe/embed", "/manage"])
def test_who_fills_in_the_field_that_nobody_sees_gets_the_usual_answer_and_nothing_more(
    browser, path
):
    usual = ask(browser, "first@reader.example", path=path)
    fields = hidden_fields(browser.get(path)) | {"address": AMAL, "website": "https://buy.example"}
    trapped = browser.post(path, data=fields)

    assert (trapped.status_code, trapped.data) == (usual.status_code, usual.data)
    assert sorted(trapped.headers.items()) == sorted(usual.headers.items())
    assert AMAL not in [signup.address for signup in signups()]
    assert db.session.scalars(select(LinksRequest).where(LinksRequest.address == AMAL)).all() == []


def test_the_field_that_nobody_sees_is_hidden_from_screen_readers_and_keyboards_too(browser):
    for path in ("/", "/subscribe", "/subscribe/embed", "/manage"):
        page = browser.get(path).text
        (trap,) = re.findall(r"<p hidden>.*?</p>", page)
        assert 'name="website"' in trap
        assert "Leave this field empty" in trap
        assert "required" not in trap


def test_who_always_presses_sooner_than_one_can_read_is_asked_once_more(app, settings):
    look_again()
    wary = create_app(settings.model_copy(update={"signups_per_network_per_hour": 9}))
    browser = Browser(wary, wary.response_class)

    def press(number, shown_ago):
        fields = {"language": "en", "stamp": stamp(now() - shown_ago)}
        address = f"reader{number}@reader.example"
        return browser.post("/subscribe", data=fields | {"address": address})

    at_once = timedelta(seconds=0.5)
    assert ["once more" in press(n, at_once).text for n in range(5)] == [False] * 3 + [True] * 2
    assert "once more" not in press(5, timedelta(seconds=3)).text
    page = press(6, at_once)
    again = hidden_fields(page) | {"address": "reader6@reader.example", "language": "en"}
    assert "once more" not in browser.post("/subscribe", data=again).text
    assert len(signups()) == 5
