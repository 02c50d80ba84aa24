"""A heart that beats in a thread of its own, while the relay takes its time to answer."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from flask import current_app

from newsletter.database import transaction
from newsletter.delivery.patience import LOST

SECONDS = 10.0  # between beats; a lease lasts three of them

log = logging.getLogger(__name__)


@contextmanager
def heartbeat(beat: Callable[[], None], *, seconds: float = SECONDS) -> Iterator[None]:
    """Call `beat` in a short transaction of its own every so often, until the block ends.

    A database that does not answer is asked again at the next beat: without beats the lease
    runs out, and the fence keeps this process from writing any more.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # Flask's documented way into a thread
    is_over = Event()

    def live() -> None:
        with app.app_context():
            while not is_over.wait(seconds):
                try:
                    with transaction():
                        beat()
                except LOST:
                    log.warning("no heartbeat: the database does not answer", exc_info=True)

    thread = Thread(target=live, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
