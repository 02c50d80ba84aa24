"""Far more sign up than readers do: noticed at once, by all processes, and over by itself."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.desk.models import Role
from newsletter.desk.tasks import tell_editors
from newsletter.limits import TooMany
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import NoticeKind
from newsletter.subscribers import attack
from newsletter.subscribers.entrance import let_in
from newsletter.subscribers.models import Signup, SignupAttack
from newsletter.subscribers.recent import HOUR, recent
from newsletter.subscribers.signup import forget_unconfirmed, request_signup
from newsletter.subscribers.stamps import stamp
from newsletter.subscribers.wishes import Wish
from tests.desk import make_editor
from tests.integration.readers import (
    Browser,
    answer_signups,
    hidden_fields,
    look_again,
    mails,
    notices,
)

API = "/api/v1/subscriptions"
AMAL = "amal@reader.example"
SECOND = timedelta(seconds=1)
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
PER_DOMAIN, IN_ALL = 200, 400


@pytest.fixture
def small(app, settings):
    """A service with low ceilings: the alarm is at 100 and 200 an hour, at 10 and 20 a minute."""
    limits = {"signups_per_domain_per_hour": PER_DOMAIN, "signups_per_hour": IN_ALL}
    return settings.model_copy(update=limits)


@contextmanager
def web_process(settings):
    """A web process of its own, visited from a network of its own."""
    with create_app(settings).test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}):
        yield
        look_again()


@pytest.fixture
def browser(small):
    look_again()
    app = create_app(small)
    return Browser(app, app.response_class)


def sign_up(number, at, domain="reader.example"):
    """What web processes write down, whichever they are."""
    with transaction():
        for n in range(number):
            address = parse_address(f"reader-{n}@{domain}")
            request_signup(address, Wish(0, "en"), source="form", wording="Yes.", now=at)
    look_again()


def attacks():
    look_again()
    return list(db.session.scalars(select(SignupAttack).order_by(SignupAttack.id)))


def begin_attack(now=None):
    now = now or datetime.now(UTC)
    with transaction():
        db.session.add(
            SignupAttack(began_at=now, until=now + HOUR, because="Very many.", told_at=None)
        )
    look_again()


def old_form(browser):
    """What a browser sends that opened the form a minute ago."""
    fields = hidden_fields(browser.get("/subscribe"))
    return fields | {"stamp": stamp(datetime.now(UTC) - timedelta(minutes=1)), "language": "en"}


def press(browser, fields, address=AMAL, **options):
    return browser.post("/subscribe", data=fields | {"address": address}, **options)


@pytest.mark.parametrize(
    ("number", "apart", "begins"),
    [
        (9, SECOND, False),
        (10, SECOND, True),
        (99, timedelta(seconds=30), False),
        (100, timedelta(seconds=30), True),
    ],
)
def test_half_a_ceiling_in_an_hour_or_a_rush_in_a_minute_is_an_attack(small, number, apart, begins):
    with web_process(small):
        for n in range(number):
            sign_up(1, NOON - (n + 1) * apart)
        assert (attack.watch("reader.example", now=NOON) is not None) == begins
        assert len(attacks()) == begins


def test_each_domain_is_counted_by_itself_and_all_together(small):
    with web_process(small):
        for domain in ("one.example", "two.example"):
            sign_up(9, NOON - SECOND, domain=domain)
        for domain in ("one.example", "two.example", "quiet.example"):
            assert attack.watch(domain, now=NOON) is None
        sign_up(2, NOON - SECOND, domain="three.example")
        assert attack.watch("quiet.example", now=NOON)


def test_what_was_more_than_an_hour_ago_counts_no_longer(small):
    with web_process(small):
        sign_up(PER_DOMAIN, NOON - HOUR - 20 * SECOND)
        assert attack.watch("reader.example", now=NOON) is None


def test_it_says_in_the_language_of_the_publication_what_was_counted(small):
    with web_process(small):
        sign_up(12, NOON - SECOND)
        begun = attack.watch("reader.example", now=NOON)

    assert begun
    assert "reader.example" in begun.because
    assert "12" in begun.because
    assert "10" in begun.because


def test_silence_counts_like_an_answer_so_the_ceilings_do_not_tell_it(small):
    """The same mailbox five times: one answer, four times silence."""
    with web_process(small):
        for n in range(5):
            sign_up(1, NOON - timedelta(minutes=2 * n + 1))
        answer_signups(NOON)
        with transaction():
            forget_unconfirmed(now=NOON)
        assert len(notices(NoticeKind.CONFIRMATION)) == 1
        recent().catch_up(NOON)
        assert recent().since(NOON - HOUR, "reader.example") == 5


def test_all_web_processes_see_it_at_once(small):
    with web_process(small):
        sign_up(10, NOON - SECOND)
        assert attack.watch("reader.example", now=NOON)
    with web_process(small):
        assert attack.watch("quiet.example", now=NOON)
        assert len(attacks()) == 1


def test_each_process_counts_every_row_once_whoever_wrote_it(small):
    with web_process(small):
        for n in range(5):
            sign_up(1, NOON - SECOND)
            recent().catch_up(NOON)
            recent().catch_up(NOON)
            assert recent().since(NOON - HOUR) == n + 1
        assert recent().since(NOON - HOUR, "reader.example") == 5
        assert recent().since(NOON - HOUR, "other.example") == 0


def test_a_row_that_is_seen_late_is_counted_all_the_same(small, app):
    """Ids are given out before their rows can be seen, and not seen in that order."""
    with web_process(small):
        sign_up(3, NOON - SECOND)
        with transaction():
            rows = db.session.scalars(select(Signup)).all()
            late = rows[1]
            db.session.delete(late)
        recent().catch_up(NOON)
        assert recent().since(NOON - HOUR) == 2
        with transaction():
            again = {c.name: getattr(late, c.name) for c in Signup.__table__.columns}
            db.session.add(Signup(**again))
        recent().catch_up(NOON)
        assert recent().since(NOON - HOUR) == 3


def test_a_quarter_of_each_ceiling_is_let_in_meanwhile(small):
    with web_process(small):
        sign_up(10, NOON - timedelta(minutes=1))
        begun = attack.watch("reader.example", now=NOON)
        assert begun
        attack.admit("reader.example", begun, now=NOON + 20 * SECOND)
        sign_up(PER_DOMAIN // 4, NOON + 30 * SECOND)
        attack.watch("reader.example", now=NOON + 40 * SECOND)
        with pytest.raises(TooMany) as refusal:
            attack.admit("reader.example", begun, now=NOON + 40 * SECOND)
        assert 3500 < refusal.value.retry_after <= 3600
        attack.admit("quiet.example", begun, now=NOON + 40 * SECOND)


def test_it_is_over_an_hour_after_its_last_sign(small):
    with web_process(small):
        sign_up(10, NOON - SECOND)
        attack.watch("reader.example", now=NOON)
        assert attack.watch("reader.example", now=NOON + HOUR - SECOND)
        assert attack.watch("reader.example", now=NOON + HOUR) is None


def test_programs_that_go_on_posting_prolong_it(small):
    with web_process(small):
        sign_up(10, NOON - SECOND)
        attack.watch("reader.example", now=NOON)
        later = NOON + timedelta(minutes=50)
        for _ in range(10):
            recent().hold_up(later)
        attack.watch("reader.example", now=later)
    with web_process(small):
        (one,) = attacks()
        assert one.until == later + HOUR
        assert attack.watch("reader.example", now=NOON + HOUR)


def test_forms_that_are_sent_once_and_never_again_are_what_prolongs_it(browser):
    now = datetime.now(UTC)
    begin_attack(now - timedelta(minutes=50))
    fields = old_form(browser)
    for n in range(11):
        press(browser, fields, f"made-up-{n}@reader.example")

    (one,) = attacks()
    assert one.until >= now + HOUR


def test_everybody_is_asked_for_one_press_more_and_then_let_in(browser):
    begin_attack()
    for path in ("/subscribe", "/subscribe/embed", "/ar/subscribe", "/manage"):
        fields = old_form(browser) | {"address": f"amal{path.replace('/', '-')}@reader.example"}
        page = browser.post(path, data=fields)
        assert page.status_code == 200
        assert f'value="{fields["address"]}"' in page.text

        again = browser.post(path, data=fields | hidden_fields(page))
        assert again.status_code == 200
        assert "stamp" not in hidden_fields(again), path


def test_the_stamp_of_the_second_press_is_good_for_one_address(browser):
    begin_attack()
    fields = old_form(browser)
    mine = hidden_fields(press(browser, fields))

    other = press(browser, fields | mine, "basim@reader.example")
    assert "once more" in other.text
    assert "stamp" not in hidden_fields(press(browser, fields | mine, " Amal@Reader.Example"))


def test_a_second_press_that_was_made_up_is_asked_for_again(browser):
    begin_attack()
    for made_up in ("", "rubbish", stamp(datetime.now(UTC)), "1795359659.5:forged"):
        page = press(browser, old_form(browser) | {"stamp": made_up})
        assert "once more" in page.text


def test_a_program_is_given_a_stamp_to_repeat_its_request_with(browser):
    begin_attack()
    wanted = {"address": AMAL, "sections": ["western-response"], "language": "ar"}
    page = browser.post(API, json=wanted)

    assert page.status_code == 429
    assert page.content_type == "application/problem+json"
    assert page.json["type"] == "urn:newsletter:once_more"
    assert int(page.headers["Retry-After"]) > 0
    assert browser.post(API, json=wanted).status_code == 429
    repeated = wanted | {"stamp": page.json["stamp"]}
    assert browser.post(API, json=repeated | {"address": "x@reader.example"}).status_code == 429
    assert browser.post(API, json=repeated).status_code == 202
    (signup,) = db.session.scalars(select(Signup)).all()
    assert (signup.address, signup.language) == (AMAL, "ar")


def test_the_answers_in_an_attack_tell_no_more_than_others(browser):
    begin_attack()
    first = [
        press(browser, old_form(browser) | {"stamp": "none"}, f"{name}@reader.example")
        for name in ("aaaa", "bbbb")
    ]
    assert len({page.status_code for page in first}) == 1
    assert len({len(page.data) for page in first}) == 1


def test_a_network_is_let_in_less_often_meanwhile(browser, small):
    begin_attack()
    taken = []
    for n in range(8):
        page = press(browser, old_form(browser), f"reader{n}@d{n}.example")
        page = press(browser, hidden_fields(page) | {"language": "en"}, f"reader{n}@d{n}.example")
        taken.append(page.status_code)

    assert taken == [200] * 6 + [429] * 2
    page = press(
        browser,
        hidden_fields(press(browser, old_form(browser))) | {"language": "en"},
        environ_base={"REMOTE_ADDR": "198.51.100.9"},
    )
    assert page.status_code == 200
    assert "stamp" not in hidden_fields(page)


def test_what_is_no_signup_is_counted_at_the_same_gate(small):
    with web_process(small):
        for n in range(10):
            let_in(parse_address(f"reader{n}@moved.example"))
        assert attacks() == []
        let_in(parse_address("one-more@moved.example"))
        assert len(attacks()) == 1
        with pytest.raises(TooMany):
            for n in range(10):
                let_in(parse_address(f"other{n}@moved.example"))


def test_editors_are_told_once_and_how_long_it_lasts(app, small):
    make_editor(Role.EDITOR, "anna@example.org")
    make_editor(Role.AUTHOR, "lena@example.org")
    with web_process(small):
        sign_up(10, NOON - SECOND)
        attack.watch("reader.example", now=NOON)
    tell_editors()
    tell_editors()

    (mail,) = mails(NoticeKind.ALARM)
    assert mail["To"] == "anna@example.org"
    text = mail.get_body(("plain",)).get_content()
    assert "reader.example" in text
    assert "17 November 2026, 13:00 UTC" in " ".join(text.split())
    assert "reader-0" not in text, "nobody's address"


def test_two_processes_that_notice_the_same_attack_bring_one_mail(app):
    make_editor(Role.EDITOR, "anna@example.org")
    begin_attack(NOON)
    begin_attack(NOON)
    tell_editors()

    assert len(mails(NoticeKind.ALARM)) == 1
