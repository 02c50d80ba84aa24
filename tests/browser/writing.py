"""What somebody does who writes at the desk in a real browser, and what comes of it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect

from tests.desk import piece
from tests.running import RunningService

TEXT = "The convoy left Sirte at dawn."


def body(page: Page) -> Locator:
    """The field of the text."""
    return page.get_by_label("Text", exact=True)


def write_on(page: Page, text: str) -> None:
    """Type at the end of the text."""
    body(page).focus()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def is_saved(page: Page, seconds: float = 30) -> None:
    """Wait until the server has what was typed."""
    expect(page.locator("#status")).to_have_attribute("data-state", "saved", timeout=seconds * 1000)


def is_told(page: Page, words: str) -> None:
    """Wait until the page says what is wrong."""
    expect(page.locator("#trouble")).to_contain_text(words, timeout=20_000)


def another_tab(tab: Page, url: str) -> Page:
    """One more in the same browser."""
    page = tab.context.new_page()
    page.goto(url)
    return page


def stored(page: Page, article_url: str) -> str:
    """What another visit shows."""
    other = another_tab(page, article_url)
    found: str = other.locator("#body").evaluate("field => field.defaultValue")
    other.close()
    return found


def die(*tabs: Page) -> None:
    """The tabs are gone: a closed one might get a last save out, one that crashed does not."""
    for tab in tabs:
        with suppress(PlaywrightError):
            tab.goto("chrome://crash")
        tab.close()
    tabs[0].context.set_offline(False)


def copies(page: Page) -> list[str]:
    """What this browser keeps of texts that the server has not."""
    kept: list[str] = page.evaluate("Object.values(localStorage)")
    return kept


def bodies_kept(page: Page, article_url: str) -> list[str]:
    """Every text among the revisions."""
    page.goto(f"{article_url}/revisions")
    links = page.locator("tbody th a").evaluate_all("all => all.map((link) => link.href)")
    found = []
    for link in links:
        page.goto(link)
        drop = "all => all.forEach((one) => one.remove())"
        page.locator(".difference del").evaluate_all(drop)
        found.append(page.locator(".difference .source").inner_text())
    return found


@contextmanager
def changing(service: RunningService) -> Iterator[sqlite3.Connection]:
    """The database of the service, for what nobody could do by hand."""
    with closing(sqlite3.connect(service.instance / "newsletter.db")) as database, database:
        yield database


def freeze(service: RunningService, article: str) -> None:
    """Let an issue be a draft no more."""
    number = int(piece(r"issues/(\d+)/", article))
    with changing(service) as database:
        database.execute("UPDATE issue SET state = 'cancelled' WHERE number = ?", (number,))
