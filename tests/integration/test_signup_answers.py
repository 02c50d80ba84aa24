"""The form tells nothing: 2,000 answers to addresses of every standing, byte by byte.

The bytes are asserted. The times are printed and not asserted: how a rank-sum test tells each
standing from the others, beside what it says of new addresses cut in two by chance.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from math import sqrt
from statistics import median
from time import perf_counter

import pytest

from newsletter.database import transaction
from newsletter.mail.addresses import parse_address
from newsletter.subscribers.models import SubscriberState, SuppressionReason
from newsletter.subscribers.signup import request_signup
from newsletter.subscribers.stamps import stamp
from newsletter.subscribers.suppression import suppress
from newsletter.subscribers.wishes import Wish
from tests.factories import make_subscriber
from tests.integration.readers import answer_signups, hidden_fields

pytestmark = pytest.mark.slow

STANDINGS = ("new", "pending", "known", "left", "suppressed", "bounced", "capped", "a new half")
EACH = 250  # of eight standings: 2,000
DAY = timedelta(days=1)
A_MINUTE_AGO = timedelta(minutes=1)
ONE_IN_A_THOUSAND = 3.29  # standard deviations, both sides


@pytest.fixture
def settings(settings):
    """No limit comes in between: what is looked at is the address."""
    limitless = dict.fromkeys(
        ("signups_per_network_per_hour", "signups_per_domain_per_hour", "signups_per_hour"), 10**9
    )
    return settings.model_copy(update=limitless)


def addresses(standing):
    """All of one length, so that no length tells them apart."""
    number = STANDINGS.index(standing) * EACH
    return [f"reader{number + n:05}@d{n % 40:02}.example" for n in range(EACH)]


def ask_as_of(asked_at, *standings):
    with transaction():
        for standing in standings:
            for address in addresses(standing):
                mailbox = parse_address(address)
                request_signup(mailbox, Wish(0, "en"), source="form", wording="Yes.", now=asked_at)
    answer_signups(asked_at)


@pytest.fixture
def standings(app):
    """Addresses of every standing: address by address, in an order that chance made."""
    now = datetime.now(UTC)
    ask_as_of(now - 2 * DAY, "pending")
    ask_as_of(now, "capped")
    with transaction():
        for address in addresses("known"):
            make_subscriber(address)
        for address in addresses("left"):
            make_subscriber(address, state=SubscriberState.UNSUBSCRIBED)
        for address in addresses("suppressed"):
            suppress(address, SuppressionReason.NEVER_AGAIN, source="test", now=now)
        for address in addresses("bounced"):
            suppress(address, SuppressionReason.HARD_BOUNCE, source="test", now=now)
    tries = [(standing, address) for standing in STANDINGS for address in addresses(standing)]
    random.Random(2026).shuffle(tries)
    return tries


def by_the_form(browser):
    fields = hidden_fields(browser.get("/subscribe"))
    fields |= {"stamp": stamp(datetime.now(UTC) - A_MINUTE_AGO), "language": "en"}
    return lambda address, visitor: browser.post(
        "/subscribe", data=fields | {"address": address}, environ_base=visitor
    )


def by_the_api(browser):
    return lambda address, visitor: browser.post(
        "/api/v1/subscriptions", json={"address": address}, environ_base=visitor
    )


def by_manage(browser):
    fields = {"stamp": stamp(datetime.now(UTC) - A_MINUTE_AGO)}
    return lambda address, visitor: browser.post(
        "/manage", data=fields | {"address": address}, environ_base=visitor
    )


WAYS = {"form": (by_the_form, 200), "API": (by_the_api, 202), "manage": (by_manage, 200)}


@pytest.mark.parametrize("way", WAYS)
def test_two_thousand_answers_are_one_answer(browser, standings, way, database_url, capsys):
    make, status = WAYS[way]
    ask = make(browser)
    networks = (f"{10 + n // 65536}.{n // 256 % 256}.{n % 256}.9" for n in count())
    answers, took = set(), defaultdict(list)
    for standing, address in standings:
        visitor = {"REMOTE_ADDR": next(networks)}
        begun = perf_counter()
        page = ask(address, visitor)
        took[standing].append(perf_counter() - begun)
        answers.add((page.status_code, page.data, tuple(sorted(page.headers.items()))))

    ((answered, body, _headers),) = answers
    assert answered == status
    assert b"reader" not in body.replace(b"readers", b"")
    with capsys.disabled():
        tell(f"{way}, {database_url.partition(':')[0]}", took)


def tell(title: str, took: dict[str, list[float]]) -> None:
    """Print how well the times of each standing can be told from all others."""
    lines = [f"\n{title}: microseconds to an answer, {len(STANDINGS) * EACH} tries"]
    for standing in STANDINGS:
        others = [time for other in STANDINGS if other != standing for time in took[other]]
        deviation = rank_sum(took[standing], others)
        verdict = "told apart" if abs(deviation) > ONE_IN_A_THOUSAND else "not told apart"
        middle = median(took[standing]) * 1e6
        lines.append(f"  {standing:<11} median {middle:7.0f}  z {deviation:+5.2f}  {verdict}")
    print("\n".join(lines))  # noqa: T201  # what this test is read for


def rank_sum(some: Sequence[float], others: Sequence[float]) -> float:
    """By how many standard deviations some rank above others (Mann and Whitney's test)."""
    ranks = {time: rank for rank, time in enumerate(sorted([*some, *others]), 1)}
    n, m = len(some), len(others)
    u = sum(ranks[time] for time in some) - n * (n + 1) / 2
    return (u - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)
