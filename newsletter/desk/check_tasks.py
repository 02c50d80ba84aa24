"""What a worker does for the checks."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from celery import shared_task

from newsletter.background import hint
from newsletter.desk.link_trying import try_waiting
from newsletter.desk.safe_fetch import Fetcher
from newsletter.issues import link_checks
from newsletter.pages import settings


@shared_task(name="desk.check_links")
def check_links() -> None:
    """Try the links that editors asked about, for half a minute; then somebody else goes on."""
    if not link_checks.waiting():
        return
    fetcher = Fetcher(own_host=urlsplit(settings().public_url).hostname)
    if try_waiting(fetcher, clock=lambda: datetime.now(UTC)):
        hint("desk.check_links")
