"""Somebody writes in a real browser, and things go wrong: not a word is lost."""

import os
import resource
import signal
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser.door import log_in
from tests.browser.reader import look_at
from tests.browser.writing import (
    TEXT,
    another_tab,
    bodies_kept,
    body,
    copies,
    die,
    freeze,
    is_saved,
    is_told,
    stored,
    write_on,
)
from tests.running import alive

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_words_typed_without_a_connection_are_saved_when_it_is_back(tab):
    tab.context.set_offline(True)
    write_on(tab, f" {TEXT}")
    is_told(tab, "no connection")
    assert TEXT in str(copies(tab))

    tab.context.set_offline(False)

    is_saved(tab)
    assert stored(tab, tab.url) == f"It begins. {TEXT}"
    expect(tab.locator("#trouble")).to_be_hidden()


def test_a_tab_that_died_without_a_connection_has_left_its_words_in_the_browser(tab):
    url = tab.url
    tab.context.set_offline(True)
    write_on(tab, f" {TEXT}")
    die(tab)

    again = another_tab(tab, url)

    is_told(again, "had kept a newer text")
    look_at(again, "writing-recovered", "en")
    is_saved(again)
    assert stored(again, url) == f"It begins. {TEXT}"


def lose_what_is_sent(tab):
    """Let this one tab, and no other of its browser, be without a connection for what it saves."""
    tab.route(
        "**/write/**",
        lambda route: route.abort() if route.request.method == "POST" else route.continue_(),
    )


def test_of_two_tabs_neither_writes_over_the_words_of_the_other_nor_shows_them(tab):
    url = tab.url
    lose_what_is_sent(tab)
    write_on(tab, " One.")
    is_told(tab, "no connection")
    with tab.expect_popup() as popup:
        tab.evaluate("url => { open(url); }", url)  # it knows what this tab knows, as a duplicate
    duplicate = popup.value

    expect(body(duplicate)).to_have_value("It begins.")
    lose_what_is_sent(duplicate)
    write_on(duplicate, " Two.")
    is_told(duplicate, "no connection")
    assert len(copies(tab)) == 2

    for page, text in ((tab, "It begins. One."), (duplicate, "It begins. Two.")):
        page.on("dialog", lambda dialog: dialog.accept())
        page.evaluate("void (fetch = () => Promise.reject())")  # no last save gets out
        page.reload()
        is_told(page, "no connection")
        expect(body(page)).to_have_value(text)
    duplicate.unroute("**/write/**")
    is_saved(duplicate)
    tab.unroute("**/write/**")
    is_told(tab, "saved this article meanwhile")
    assert stored(tab, url) == "It begins. Two."
    assert "One." in str(copies(tab))


def test_the_words_of_two_tabs_that_died_are_both_there_one_after_the_other(tab):
    url = tab.url
    other = another_tab(tab, url)
    tab.context.set_offline(True)
    write_on(tab, " One.")
    write_on(other, " Two.")
    die(tab, other)

    first, second = (tab.context.new_page() for _ in range(2))
    first.goto(url)
    is_told(first, "had kept a newer text")
    is_saved(first)
    second.goto(url)
    is_told(second, "somebody saved another one since")

    found = {body(page).input_value() for page in (first, second)}
    assert found == {"It begins. One.", "It begins. Two."}


def test_words_kept_in_a_browser_are_shown_to_nobody_else(tab, site, bilal):
    url = tab.url
    written_offline(tab, f" {TEXT}")
    other = another_tab(tab, f"{site}/desk/")
    other.get_by_role("button", name="Log out").click()
    log_in(other, site, *bilal)

    other.goto(url)
    write_on(other, " Bilal was here.")
    is_saved(other)

    assert stored(other, url) == "It begins. Bilal was here."
    assert TEXT in str(copies(other))


def test_a_save_whose_answer_was_lost_is_no_conflict_with_oneself(tab):
    def lose(route):
        route.fetch()
        route.abort()

    tab.route("**/write/**", lose, times=1)
    write_on(tab, " One.")
    is_told(tab, "no connection")
    write_on(tab, " Two.")

    is_saved(tab)
    assert stored(tab, tab.url) == "It begins. One. Two."


def test_a_session_that_is_over_keeps_the_words_until_the_same_person_is_back(
    tab, site, anna, bilal
):
    tab.context.clear_cookies()
    write_on(tab, f" {TEXT}")
    is_told(tab, "your session is over")
    look_at(tab, "writing-expired", "en")

    other = tab.context.new_page()
    log_in(other, site, *bilal)
    is_told(tab, "somebody else is logged in")
    assert stored(other, tab.url) == "It begins."
    other.get_by_role("button", name="Log out").click()
    log_in(other, site, *anna)
    tab.reload()

    is_saved(tab)
    assert stored(tab, tab.url) == f"It begins. {TEXT}"


def test_a_session_renewed_in_another_tab_lets_the_words_through(tab, site, anna):
    tab.context.clear_cookies()
    write_on(tab, f" {TEXT}")
    is_told(tab, "your session is over")

    with tab.expect_popup() as popup:
        tab.get_by_role("link", name="Log in in a new tab").click()
    log_in(popup.value, site, *anna)

    is_saved(tab)
    assert stored(tab, tab.url) == f"It begins. {TEXT}"
    tab.get_by_role("button", name="Approve this article").click()
    tab.get_by_text("The article is approved.").wait_for()


def written_offline(tab, text):
    """Write without a connection, and close the tab."""
    tab.context.set_offline(True)
    write_on(tab, text)
    die(tab)


def test_words_written_offline_are_kept_when_the_issue_went_out_meanwhile(
    tab, somewhere_else, service
):
    url = tab.url
    written_offline(tab, f" {TEXT}")
    write_on(somewhere_else, " Bilal was here.")
    is_saved(somewhere_else)
    freeze(service, url)

    again = another_tab(tab, url)

    is_told(again, "What you wrote is kept among the revisions.")
    look_at(again, "writing-too-late", "en")
    expect(body(again)).to_have_value("It begins. Bilal was here.")
    assert copies(again) == []
    assert any(TEXT in kept for kept in bodies_kept(again, url))


def test_words_written_offline_are_shown_while_they_cannot_be_handed_in(tab, service):
    url = tab.url
    written_offline(tab, f" {TEXT}")
    freeze(service, url)

    again = tab.context.new_page()
    lose_what_is_sent(again)
    again.goto(url)

    is_told(again, "no connection")
    expect(body(again)).to_have_value(f"It begins. {TEXT}")
    assert TEXT in str(copies(again))
    again.unroute("**/write/**")
    is_told(again, "What you wrote is kept among the revisions.")
    assert copies(again) == []


def test_a_web_server_that_is_killed_in_the_middle_of_saving_loses_no_word(tab, service):
    killed: list[bool] = []

    def kill(request):
        if request.method == "POST" and not killed:
            killed.append(service.child("gunicorn"))
            os.killpg(killed[0], signal.SIGKILL)

    tab.on("request", kill)
    for word in TEXT.split():
        write_on(tab, f" {word}")
        tab.wait_for_timeout(200)

    is_saved(tab, seconds=90)
    assert killed
    assert stored(tab, tab.url) == f"It begins. {TEXT}"


@contextmanager
def full_disk(service):
    """No web process may make a file longer, as when the disk is full."""
    master = service.child("gunicorn")
    web = [master, *(pid for pid, (parent, _) in alive().items() if parent == master)]
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in web}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_keeps_the_words_in_the_browser_until_there_is_room(tab, service):
    with full_disk(service):
        write_on(tab, f" {TEXT}")
        is_told(tab, "the server has a problem")
        assert TEXT in str(copies(tab))
        look_at(tab, "writing-full-disk", "en")

    is_saved(tab, seconds=60)
    assert stored(tab, tab.url) == f"It begins. {TEXT}"


def test_writing_does_not_need_redis(writer, service):
    valkey = service.child("valkey")
    os.kill(valkey, signal.SIGSTOP)
    try:
        write_on(writer, f" {TEXT}")
        is_saved(writer)
    finally:
        os.kill(valkey, signal.SIGCONT)
    assert stored(writer, writer.url) == f"It begins. {TEXT}"


def leave(dialog, asked):
    """Go in spite of what a page asks, and write down what kind of question it was."""
    asked.append(dialog.type)
    dialog.accept()


def test_nobody_is_asked_to_stay_who_has_nothing_to_lose(writer, site):
    asked: list[str] = []
    writer.on("dialog", lambda dialog: leave(dialog, asked))
    write_on(writer, f" {TEXT}")
    is_saved(writer)
    writer.goto(f"{site}/desk/")
    assert asked == []


def test_who_leaves_before_their_words_are_saved_is_asked(tab, site):
    asked: list[str] = []
    tab.on("dialog", lambda dialog: leave(dialog, asked))
    tab.context.set_offline(True)
    write_on(tab, f" {TEXT}")
    tab.context.set_offline(False)
    tab.route("**/write/**", lambda route: route.abort())
    tab.goto(f"{site}/desk/")
    assert asked == ["beforeunload"]
