"""Somebody writes an article in a real browser, alone and with others."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.reader import look_at
from tests.browser.writing import (
    TEXT,
    another_tab,
    bodies_kept,
    body,
    changing,
    copies,
    is_saved,
    is_told,
    stored,
    write_on,
)
from tests.desk import piece

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The script of the page of two texts listens by then; before, a button sends without it.
KEEPS_A_COPY_OF_TWO_TEXTS = """
    () => Object.values(localStorage).some((copy) => JSON.parse(copy).basedOn === -1)
"""


def test_what_is_typed_is_saved_by_itself(writer):
    write_on(writer, f" {TEXT}")
    is_saved(writer)

    assert stored(writer, writer.url) == f"It begins. {TEXT}"
    assert copies(writer) == []
    expect(writer.locator("#status")).to_contain_text("Saved at")
    look_at(writer, "writing-write", "en")


def test_signs_are_set_by_button_and_by_key_and_taken_back(writer):
    body(writer).fill("Derna")
    body(writer).press("Control+a")
    writer.keyboard.press("Control+b")
    expect(body(writer)).to_have_value("**Derna**")
    writer.get_by_role("button", name="Italic").click()
    expect(body(writer)).to_have_value("***Derna***")
    writer.keyboard.press("Control+z")
    expect(body(writer)).to_have_value("**Derna**")
    body(writer).fill("one\ntwo")
    body(writer).press("Control+a")
    writer.get_by_role("button", name="List").click()
    expect(body(writer)).to_have_value("- one\n- two")
    body(writer).fill("Sirte")
    body(writer).press("Control+a")
    writer.keyboard.press("Control+k")
    writer.keyboard.type("https://a.example/")
    expect(body(writer)).to_have_value("[Sirte](https://a.example/)")
    writer.keyboard.press("Control+s")
    is_saved(writer)
    assert stored(writer, writer.url) == "[Sirte](https://a.example/)"


ARABIC_KEYS = """([key, code]) => document.getElementById("body").dispatchEvent(
  new KeyboardEvent("keydown", { key, code, ctrlKey: true, bubbles: true, cancelable: true }))"""


def test_shortcuts_are_the_same_keys_on_an_arabic_keyboard(writer):
    body(writer).fill("درنة")
    body(writer).press("Control+a")
    for key, code in (("لا", "KeyB"), ("ه", "KeyI")):
        writer.evaluate(ARABIC_KEYS, [key, code])
    expect(body(writer)).to_have_value("***درنة***")
    writer.evaluate(ARABIC_KEYS, ["س", "KeyS"])
    is_saved(writer)
    for key in ("i", "ç"):  # Latin keyboards with other places keep their own
        writer.evaluate(ARABIC_KEYS, [key, "KeyB"])
    expect(body(writer)).to_have_value("**درنة**")
    body(writer).press("Control+a")
    writer.evaluate(ARABIC_KEYS, ["ن", "KeyK"])
    expect(body(writer)).to_have_value("[**درنة**](https://)")


def test_a_change_that_is_saved_takes_the_approvals_from_the_page_too(
    writer, service, site, article
):
    approve, chip = "Approve this article", writer.locator("p.approving")
    writer.get_by_role("button", name=approve).click()
    number = int(piece(r"issues/(\d+)/", article))
    approved = "UPDATE issue SET approved_at = revised_at, approved_by = 'Omar' WHERE number = ?"
    with changing(service) as database:
        database.execute(approved, (number,))
    writer.goto(site + article)
    expect(chip).to_be_visible()
    expect(writer.get_by_role("button", name=approve)).to_be_hidden()

    write_on(writer, "!")
    writer.keyboard.press("Backspace")
    writer.keyboard.press("Control+s")
    is_saved(writer)
    expect(chip).to_be_visible()
    write_on(writer, f" {TEXT}")
    is_saved(writer)

    expect(chip).to_be_hidden()
    expect(writer.get_by_text("the approval of this issue is taken back.")).to_be_visible()
    expect(writer.get_by_text("Omar approved this issue")).to_be_hidden()
    for text, is_there in (("", False), (TEXT, True)):
        writer.get_by_label("Headline", exact=True).fill(text)
        body(writer).fill(text)
        writer.keyboard.press("Control+s")
        is_saved(writer)
        expect(writer.get_by_role("button", name=approve)).to_be_visible(visible=is_there)
    writer.get_by_role("button", name=approve).click()
    writer.get_by_text("The article is approved.").wait_for()


def test_two_who_write_at_once_see_both_texts_and_lose_neither(tab, somewhere_else):
    url = tab.url
    write_on(somewhere_else, " Bilal was here.")
    is_saved(somewhere_else)
    write_on(tab, " Anna was here.")
    is_told(tab, "saved this article meanwhile")
    assert "Anna was here." in str(copies(tab))
    write_on(tab, " And went on.")

    tab.get_by_role("button", name="Compare the two texts").click()

    tab.get_by_role("heading", name="Two texts: which one stands?").wait_for()
    look_at(tab, "writing-conflict", "en")
    expect(body(tab)).to_have_value("It begins. Anna was here. And went on.")
    expect(tab.locator(".stands")).to_contain_text("Bilal was here.")
    body(tab).fill("It begins. Both were here.")
    tab.get_by_role("button", name="Let your text stand").click()
    tab.wait_for_url(url)
    expect(body(tab)).to_have_value("It begins. Both were here.")
    assert copies(tab) == []
    kept = " | ".join(bodies_kept(tab, url))
    look_at(tab, "writing-revision", "en")
    assert "Bilal was here." in kept
    assert "Anna was here. And went on." in kept
    tab.goto(f"{url}/revisions")
    look_at(tab, "writing-revisions", "en")


def compare_after_a_conflict(tab, somewhere_else):
    write_on(somewhere_else, " Bilal was here.")
    is_saved(somewhere_else)
    write_on(tab, " Anna was here.")
    is_told(tab, "saved this article meanwhile")
    tab.get_by_role("button", name="Compare the two texts").click()
    tab.get_by_role("heading", name="Two texts: which one stands?").wait_for()
    tab.wait_for_function(KEEPS_A_COPY_OF_TWO_TEXTS)


def test_who_lets_the_other_text_stand_goes_on_from_it(tab, somewhere_else):
    url = tab.url
    compare_after_a_conflict(tab, somewhere_else)
    write_on(tab, " And thought it over.")

    tab.get_by_role("button", name="Let this text stand").click()

    tab.get_by_text("The other text stands.").wait_for()
    expect(body(tab)).to_have_value("It begins. Bilal was here.")
    assert copies(tab) == []
    write_on(tab, " Anna agrees.")
    is_saved(tab)
    assert any("Anna was here. And thought it over." in kept for kept in bodies_kept(tab, url))


def test_a_text_that_is_given_up_without_a_connection_is_not_gone(tab, somewhere_else):
    url = tab.url
    compare_after_a_conflict(tab, somewhere_else)
    write_on(tab, " And thought it over.")
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.route("**/write/**", lambda route: route.abort())

    with tab.expect_event("requestfailed", lambda request: request.is_navigation_request()):
        tab.get_by_role("button", name="Let this text stand").click()
    tab.unroute("**/write/**")
    again = another_tab(tab, url)

    is_told(again, "somebody saved another one since")
    expect(body(again)).to_have_value("It begins. Anna was here. And thought it over.")


def test_who_writes_more_than_any_mail_holds_is_told_so(tab):
    body(tab).fill("x" * (2 * 1024 * 1024 + 1))
    is_told(tab, "at most 200,000 can be")
    body(tab).fill("Shorter.")
    is_saved(tab)
    assert stored(tab, tab.url) == "Shorter."


def test_the_mail_is_shown_beside_what_is_typed(writer):
    write_on(writer, f" {TEXT}")
    expect(writer.frame_locator("iframe[name=draft]").locator("body")).to_contain_text(TEXT)
    is_saved(writer)


def test_a_picture_that_is_dropped_stands_in_the_text_and_asks_for_its_words(writer):
    body(writer).evaluate(
        """async (field) => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 40, height: 30});
          const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([blob], "map.png", { type: "image/png" }));
          field.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
        }"""
    )
    expect(body(writer)).to_have_value(re.compile(r"!\[Describe the picture\]\(http"))
    writer.keyboard.type("The road to Derna")
    is_saved(writer)
    assert "![The road to Derna](http" in stored(writer, writer.url)
