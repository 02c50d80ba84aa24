"""Try the addresses that editors asked about, several sites at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from time import monotonic
from urllib.parse import urlsplit

from newsletter.database import end_read, transaction
from newsletter.desk.safe_fetch import Fetcher
from newsletter.desk.sender_domain import PREFIX, try_record
from newsletter.issues import link_checks
from newsletter.issues.link_checks import FINE
from newsletter.issues.web_address import Fault, Unopenable

SITES_AT_ONCE = 8
SECONDS = 30  # for a round; nothing new is begun after that


def try_waiting(
    fetcher: Fetcher, *, clock: Callable[[], datetime], seconds: float = SECONDS
) -> bool:
    """Try what waits, each site's pages one after the other; whether something still waits."""
    until = monotonic() + seconds
    sites: dict[str, list[str]] = {}
    for url in link_checks.waiting():
        sites.setdefault(urlsplit(url).netloc or url, []).append(url)
    end_read()
    with ThreadPoolExecutor(SITES_AT_ONCE) as pool:
        rounds = [pool.submit(_try_site, fetcher, urls, until) for urls in sites.values()]
        for done in as_completed(rounds):
            with transaction():
                for url, fault in done.result():
                    link_checks.record(url, fault, now=clock())
    return bool(link_checks.waiting())


def _try_site(fetcher: Fetcher, urls: list[str], until: float) -> list[tuple[str, str]]:
    """What is wrong with each, for as many as there is time."""
    found = []
    for url in urls:
        if monotonic() >= until:
            break
        found.append((url, _fault(fetcher, url)))
    return found


def _fault(fetcher: Fetcher, url: str) -> str:
    if url.startswith(PREFIX):
        return try_record(url, fetcher.resolver)
    try:
        answer = fetcher.try_address(url)
    except Unopenable as error:
        # Passed on to our own site is no fault, and no reason to ask ourselves.
        return FINE if error.fault is Fault.OURS else error.fault
    return FINE if answer.is_fine else str(answer.status)
