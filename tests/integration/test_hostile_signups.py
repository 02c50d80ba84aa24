"""Strangers turn on the signup form: figures of what gets out, and that honest readers get in.

What was let in and what was mailed is printed, so that the figures can be read.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.desk.tasks import tell_editors
from newsletter.notices.models import NoticeKind
from newsletter.subscribers import attack
from newsletter.subscribers.models import SignupAttack
from newsletter.subscribers.stamps import stamp
from newsletter.subscribers.tasks import answer_links_requests, answer_signups
from tests.desk import make_editor
from tests.factories import make_subscriber
from tests.integration.readers import hidden_fields, look_again, notices

API = "/api/v1/subscriptions"
VICTIM = "a.victim@gmail.com"
HONEST = "amal@reader.example"
ANNA = "anna@desk.example"
AT_HOME = {"REMOTE_ADDR": "198.51.100.7"}


def now():
    return datetime.now(UTC)


def a_form_just_read(browser):
    """What a browser or a program sends along that opened the form a while ago."""
    fields = hidden_fields(browser.get("/subscribe")) | {"language": "en"}
    return fields | {"stamp": stamp(now() - timedelta(seconds=10))}


def press(browser, fields, address, visitor, path="/subscribe"):
    return browser.post(path, data=fields | {"address": address}, environ_base=visitor)


def press_again(browser, page, address, visitor, path="/subscribe"):
    """What a person does at whose form one press more is asked for."""
    return press(browser, {"language": "en"} | hidden_fields(page), address, visitor, path)


def is_taken(page):
    """Whether the answer is the one that everybody gets in the end."""
    return page.status_code == 200 and "stamp" not in hidden_fields(page)


def network(number, host=7):
    return {"REMOTE_ADDR": f"10.{number // 256}.{number % 256}.{host}"}


def mailed():
    """How many confirmations each mailbox gets, once the workers have been by."""
    answer_signups()
    answer_links_requests()
    return Counter(notice.recipient for notice in notices(NoticeKind.CONFIRMATION))


def attacks():
    look_again()
    return list(db.session.scalars(select(SignupAttack)))


def reads_us_in_the_end(browser, address=HONEST, visitor=AT_HOME):
    """An honest reader fills in the form and presses, once more if asked to; a mail comes."""
    page = press(browser, a_form_just_read(browser), address, visitor)
    if not is_taken(page):
        page = press_again(browser, page, address, visitor)
    return is_taken(page) and mailed()[address] == 1


@pytest.fixture
def tell(capsys):
    """Print a figure, also when nothing fails."""

    def say(what):
        with capsys.disabled():
            print(f"\n{what}")  # noqa: T201  # what this test is read for

    return say


@pytest.mark.slow
def test_a_thousand_signups_from_one_network_bring_sixty_mails(app, settings, browser, tell):
    fields = a_form_just_read(browser)
    pages = [
        press(browser, fields, f"made-up-{n}@d{n % 40}.example", network(1, host=n % 250))
        for n in range(1000)
    ]

    let_in = [page for page in pages if page.status_code == 200]
    refused = [page for page in pages if page.status_code == 429]
    assert len(let_in) == settings.signups_per_network_per_hour
    assert len(let_in) + len(refused) == 1000
    assert all(int(page.headers["Retry-After"]) > 0 for page in refused)
    assert reads_us_in_the_end(browser)
    figures = mailed()
    assert max(figures.values()) == 1
    assert figures.total() == settings.signups_per_network_per_hour + 1
    tell(f"1,000 from one network: {figures.total() - 1} mails, {len(refused)} refused")


def test_fifty_signups_for_one_victim_by_every_door_bring_one_mail(app, browser, tell):
    fields = a_form_just_read(browser)
    disguises = ("avictim@gmail.com", "a.v.i.c.t.i.m@gmail.com", "A.Victim+{}@GoogleMail.com")
    doors = ("/subscribe", "/subscribe/embed", "/manage", API)
    for n, door, disguise in zip(range(48), cycle(doors), cycle(disguises), strict=False):
        address = disguise.format(n)
        if door == API:
            page = browser.post(door, json={"address": address}, environ_base=network(n))
        else:
            page = press(browser, fields, address, network(n), door)
        assert page.status_code in {200, 202}
        if n % 12 == 11:
            mailed()  # the worker comes by now and then, and no answer tells
    for n in (48, 49):
        press(browser, fields, VICTIM, network(n))

    figures = mailed()
    assert figures.total() == 1
    tell(f"50 for one victim: {figures.total()} mail")


def test_who_reads_us_gets_one_mail_of_each_kind_however_often_a_stranger_asks(app, browser):
    with transaction():
        make_subscriber(VICTIM)
    fields = a_form_just_read(browser)
    for n in range(20):
        press(browser, fields, VICTIM, network(n), ("/subscribe", "/manage")[n % 2])
        mailed()

    asked = [notice for notice in notices() if notice.kind != NoticeKind.WELCOME]
    assert {notice.recipient for notice in asked} == {VICTIM}
    assert sorted(n.kind for n in asked) == [NoticeKind.CONFIRMATION, NoticeKind.LINKS]


@pytest.fixture
def five_hundred(app, browser):
    """500 signups for as many mailboxes, from as many networks, in a minute."""
    make_editor(address=ANNA)
    fields = a_form_just_read(browser)
    return [
        press(browser, fields, f"made-up-{n}@d{n % 40}.example", network(n)) for n in range(500)
    ]


@pytest.mark.slow
def test_five_hundred_networks_in_a_minute_are_an_attack(five_hundred, settings, browser, tell):
    (noticed,) = attacks()
    taken = sum(map(is_taken, five_hundred))
    assert all(page.status_code in {200, 429} for page in five_hundred)
    assert taken <= settings.signups_per_hour // 20, "programs that press once are let in"
    tell_editors()
    assert [mail.recipient for mail in notices(NoticeKind.ALARM)] == [ANNA]

    page = press(browser, a_form_just_read(browser), HONEST, AT_HOME)
    assert page.status_code == 200
    assert "once more" in page.text
    assert f'value="{HONEST}"' in page.text
    assert is_taken(press_again(browser, page, HONEST, AT_HOME))
    program = {"address": "basim@reader.example"}
    problem = browser.post(API, json=program, environ_base=AT_HOME)
    assert problem.status_code == 429
    repeated = program | {"stamp": problem.json["stamp"]}
    assert browser.post(API, json=repeated, environ_base=AT_HOME).status_code == 202

    figures = mailed()
    assert figures[HONEST] == figures["basim@reader.example"] == 1
    assert max(figures.values()) == 1
    assert figures.total() == taken + 2
    assert attack.watch("reader.example", now=noticed.until + timedelta(seconds=1)) is None
    tell(f"500 from 500 networks: {taken} mails, then the attack was on; 2 of 2 honest got theirs")


@pytest.mark.slow
def test_programs_that_press_twice_are_held_by_the_lowered_ceilings(
    five_hundred, settings, browser, tell
):
    visits = [(f"made-up-{n}@d{n % 40}.example", network(n)) for n in range(500)]
    answers = [
        press_again(browser, page, address, visitor)
        for page, (address, visitor) in zip(five_hundred, visits, strict=True)
        if not is_taken(page)
    ]

    taken = sum(map(is_taken, (*five_hundred, *answers)))
    assert taken <= settings.signups_per_hour // 20 + settings.signups_per_hour // 4
    assert reads_us_in_the_end(browser), "another domain has room"
    figures = mailed()
    assert max(figures.values()) == 1
    tell(f"500 that press twice: {figures.total() - 1} mails; an honest reader got theirs")


def test_a_flood_for_one_domain_leaves_room_at_all_others(app, settings, browser, tell):
    fields = a_form_just_read(browser)
    for n in range(120):
        address, visitor = f"made-up-{n}@flooded.example", network(n)
        page = press(browser, fields, address, visitor)
        if not is_taken(page):
            press_again(browser, page, address, visitor)

    assert len(attacks()) == 1
    assert reads_us_in_the_end(browser)
    tell(f"a flood of 120 for one domain, pressing twice: {mailed().total() - 1} mails")
