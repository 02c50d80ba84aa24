"""Somebody writes what an inbox shows of an issue, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.reader import look_at
from tests.browser.writing import (
    another_tab,
    copies,
    die,
    freeze,
    is_saved,
    is_told,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_subject_and_preheader_are_counted_and_shown_as_an_inbox_does(writer, site):
    writer.get_by_role("link", name="Subject").click()
    writer.get_by_label("Subject").fill("Derna under siege")
    expect(writer.locator("[data-counts=subject]")).to_contain_text("17")
    expect(writer.locator(".inbox")).to_contain_text("Derna under siege")
    look_at(writer, "writing-subject", "en")
    writer.get_by_role("button", name="Save").click()
    is_saved(writer)
    writer.reload()
    expect(writer.get_by_label("Subject")).to_have_value("Derna under siege")


def test_the_subject_is_saved_by_itself_and_two_who_write_it_see_both(tab, somewhere_else, site):
    url = re.sub("/write/.*", "/subject/en", tab.url)
    for page in (tab, somewhere_else):
        page.goto(url)
    subject = tab.get_by_label("Subject", exact=True)

    subject.fill("Derna under siege")
    tab.get_by_label("Preheader").focus()
    is_saved(tab)
    look_at(tab, "writing-subject", "en")

    somewhere_else.get_by_label("Subject", exact=True).fill("Sirte falls quiet")
    somewhere_else.keyboard.press("Control+s")
    is_told(somewhere_else, "Somebody changed them")
    assert "Sirte falls quiet" in str(copies(somewhere_else))
    somewhere_else.get_by_role("button", name="Compare the two texts").click()
    look_at(somewhere_else, "writing-subject-conflict", "en")
    expect(somewhere_else.get_by_role("alert").first).to_contain_text("Derna under siege")
    somewhere_else.get_by_role("button", name="Save").click()
    somewhere_else.wait_for_url(url)
    tab.goto(url)
    expect(subject).to_have_value("Sirte falls quiet")
    assert copies(somewhere_else) == []


def test_a_subject_typed_without_a_connection_is_there_in_the_next_tab(tab):
    tab.goto(re.sub("/write/.*", "/subject/en", tab.url))
    url = tab.url
    tab.context.set_offline(True)
    tab.get_by_label("Subject", exact=True).fill("Derna under siege")
    assert "Derna under siege" in str(copies(tab))
    die(tab)

    again = another_tab(tab, url)

    is_told(again, "had kept a newer text")
    expect(again.locator("[data-shows=subject]")).to_have_text("Derna under siege")
    is_saved(again)


def subject_written_offline(tab):
    """Write a subject without a connection; gives its address."""
    tab.goto(re.sub("/write/.*", "/subject/en", tab.url))
    tab.context.set_offline(True)
    tab.get_by_label("Subject", exact=True).fill("Derna under siege")
    return tab.url


def test_a_subject_that_comes_too_late_can_be_copied_where_it_was_typed(tab, service):
    url = subject_written_offline(tab)
    freeze(service, url)
    tab.context.set_offline(False)

    is_told(tab, "the desk could not keep what you wrote")
    look_at(tab, "writing-subject-too-late", "en")
    expect(tab.get_by_label("Subject", exact=True)).to_have_value("Derna under siege")
    assert "Derna under siege" in str(copies(tab))
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="Save").click()
    expect(tab.get_by_role("alert").first).to_contain_text("the desk could not keep")
    expect(tab.get_by_label("Subject", exact=True)).to_have_value("Derna under siege")
    assert "Derna under siege" in str(copies(tab))


def test_a_subject_that_comes_too_late_from_a_tab_that_died_can_be_copied(tab, service):
    url = subject_written_offline(tab)
    die(tab)
    freeze(service, url)

    again = another_tab(tab, url)

    is_told(again, "the desk could not keep what you wrote")
    look_at(again, "writing-subject-too-late-again", "en")
    expect(again.get_by_label("Subject", exact=True)).to_have_value("Derna under siege")
    expect(again.locator("[data-shows=subject]")).not_to_contain_text("Derna")
    assert "Derna under siege" in str(copies(again))
    again.get_by_role("link", name="Leave it as it stands").click()
    expect(again.get_by_label("Subject", exact=True)).not_to_have_value("Derna under siege")
    assert copies(again) == []
