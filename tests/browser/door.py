"""The way in at the desk, in a real browser."""

from playwright.sync_api import Page


def log_in(page: Page, site: str, address: str, password: str) -> None:
    """Show the password, and wait until the door is passed: a page asked for before is refused."""
    page.goto(f"{site}/desk/login")
    page.get_by_label("Your mail address").fill(address)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/desk/login" not in url)
