"""Somebody writes in a real browser, and things go wrong: not a word is lost."""

import os
import re
import resource
import signal
import sqlite3
from contextlib import closing, contextmanager, suppress
from itertools import count

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

from tests.browser.door import log_in
from tests.desk import piece
from tests.issue_files import issue_file
from tests.running import alive, newsletter

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXT = "The convoy left Sirte at dawn."
numbers = count(500)


def add_editor(service, address):
    done = newsletter(service.instance, "editor", "add", address, "--role", "editor")
    assert done.returncode == 0, done.stderr
    return address, piece(r"^Password: (\S+)$", done.stdout)


@pytest.fixture(scope="module")
def anna(service):
    return add_editor(service, "anna@writing.example")


@pytest.fixture(scope="module")
def bilal(service):
    return add_editor(service, "bilal@writing.example")


@pytest.fixture
def article(service, tmp_path):
    """The address of an article of an issue that nobody else writes."""
    number = next(numbers)
    file = tmp_path / "week.md"
    file.write_bytes(issue_file({"ISIS in Action": "It begins."}, number=number))
    done = newsletter(service.instance, "issue", "import", str(file))
    assert done.returncode == 0, done.stderr
    return f"/desk/issues/{number}/write/isis-in-action/en"


def look_at(page, name, screenshots):
    page.wait_for_load_state("networkidle")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    if screenshots:
        path = screenshots / f"writing-{name}-{page.viewport_size['width']}.png"
        page.screenshot(path=path, full_page=True)


@pytest.fixture
def writer(page, site, anna, article):
    """A tab in which nothing may go wrong unseen."""
    log_in(page, site, *anna)
    page.goto(site + article)
    return page


@pytest.fixture
def tab(context, site, anna, article):
    """A tab in which something will go wrong, so that its console may say so."""
    page = context.new_page()
    log_in(page, site, *anna)
    page.goto(site + article)
    return page


@pytest.fixture
def somewhere_else(chromium, site, bilal, article):
    """Bilal, at the same article in a browser of his own."""
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, site, *bilal)
    page.goto(site + article)
    yield page
    context.close()


def body(page):
    return page.get_by_label("Text", exact=True)


def write_on(page, text):
    body(page).focus()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def is_saved(page, seconds=30):
    expect(page.locator("#status")).to_have_attribute("data-state", "saved", timeout=seconds * 1000)


def is_told(page, words):
    expect(page.locator("#trouble")).to_contain_text(words, timeout=20_000)


def stored(page, article_url):
    """What another visit shows."""
    other = page.context.new_page()
    other.goto(article_url)
    found = other.locator("#body").evaluate("field => field.defaultValue")
    other.close()
    return found


def die(*tabs):
    """The tabs are gone: a closed one might get a last save out, one that crashed does not."""
    for tab in tabs:
        with suppress(PlaywrightError):
            tab.goto("chrome://crash")
        tab.close()
    tabs[0].context.set_offline(False)


def copies(page):
    return page.evaluate("Object.values(localStorage)")


def bodies_kept(page, article_url):
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


def test_what_is_typed_is_saved_by_itself(writer, screenshots):
    write_on(writer, f" {TEXT}")
    is_saved(writer)

    assert stored(writer, writer.url) == f"It begins. {TEXT}"
    assert copies(writer) == []
    expect(writer.locator("#status")).to_contain_text("Saved at")
    look_at(writer, "write", screenshots)
    writer.emulate_media(color_scheme="dark")
    look_at(writer, "write-dark", screenshots)


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


def test_words_typed_without_a_connection_are_saved_when_it_is_back(tab):
    tab.context.set_offline(True)
    write_on(tab, f" {TEXT}")
    is_told(tab, "no connection")
    assert TEXT in str(copies(tab))

    tab.context.set_offline(False)

    is_saved(tab)
    assert stored(tab, tab.url) == f"It begins. {TEXT}"
    expect(tab.locator("#trouble")).to_be_hidden()


def test_a_tab_that_died_without_a_connection_has_left_its_words_in_the_browser(tab, screenshots):
    url = tab.url
    tab.context.set_offline(True)
    write_on(tab, f" {TEXT}")
    die(tab)

    again = tab.context.new_page()
    again.goto(url)

    is_told(again, "had kept a newer text")
    look_at(again, "recovered", screenshots)
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
    other = tab.context.new_page()
    other.goto(url)
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
    other = tab.context.new_page()
    other.goto(f"{site}/desk/")
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
    tab, site, anna, bilal, screenshots
):
    tab.context.clear_cookies()
    write_on(tab, f" {TEXT}")
    is_told(tab, "your session is over")
    look_at(tab, "expired", screenshots)

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


def test_two_who_write_at_once_see_both_texts_and_lose_neither(tab, somewhere_else, screenshots):
    url = tab.url
    write_on(somewhere_else, " Bilal was here.")
    is_saved(somewhere_else)
    write_on(tab, " Anna was here.")
    is_told(tab, "saved this article meanwhile")
    assert "Anna was here." in str(copies(tab))
    write_on(tab, " And went on.")

    tab.get_by_role("button", name="Compare the two texts").click()

    tab.get_by_role("heading", name="Two texts: which one stands?").wait_for()
    look_at(tab, "conflict", screenshots)
    expect(body(tab)).to_have_value("It begins. Anna was here. And went on.")
    expect(tab.locator(".stands")).to_contain_text("Bilal was here.")
    body(tab).fill("It begins. Both were here.")
    tab.get_by_role("button", name="Let your text stand").click()
    tab.wait_for_url(url)
    expect(body(tab)).to_have_value("It begins. Both were here.")
    assert copies(tab) == []
    kept = " | ".join(bodies_kept(tab, url))
    look_at(tab, "revision", screenshots)
    assert "Bilal was here." in kept
    assert "Anna was here. And went on." in kept
    tab.goto(f"{url}/revisions")
    look_at(tab, "revisions", screenshots)


def compare_after_a_conflict(tab, somewhere_else):
    write_on(somewhere_else, " Bilal was here.")
    is_saved(somewhere_else)
    write_on(tab, " Anna was here.")
    is_told(tab, "saved this article meanwhile")
    tab.get_by_role("button", name="Compare the two texts").click()
    tab.get_by_role("heading", name="Two texts: which one stands?").wait_for()


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
    again = tab.context.new_page()
    again.goto(url)

    is_told(again, "somebody saved another one since")
    expect(body(again)).to_have_value("It begins. Anna was here. And thought it over.")


def freeze(service, article):
    """Let an issue be a draft no more."""
    number = int(piece(r"issues/(\d+)/", article))
    with changing(service) as database:
        database.execute("UPDATE issue SET state = 'cancelled' WHERE number = ?", (number,))


@contextmanager
def changing(service):
    """The database of the service, for what nobody could do by hand."""
    with closing(sqlite3.connect(service.instance / "newsletter.db")) as database, database:
        yield database


def written_offline(tab, text):
    """Write without a connection, and close the tab."""
    tab.context.set_offline(True)
    write_on(tab, text)
    die(tab)


def test_words_written_offline_are_kept_when_the_issue_went_out_meanwhile(
    tab, somewhere_else, service, screenshots
):
    url = tab.url
    written_offline(tab, f" {TEXT}")
    write_on(somewhere_else, " Bilal was here.")
    is_saved(somewhere_else)
    freeze(service, url)

    again = tab.context.new_page()
    again.goto(url)

    is_told(again, "What you wrote is kept among the revisions.")
    look_at(again, "too-late", screenshots)
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


def test_the_subject_is_saved_by_itself_and_two_who_write_it_see_both(
    tab, somewhere_else, site, screenshots
):
    url = re.sub("/write/.*", "/subject/en", tab.url)
    for page in (tab, somewhere_else):
        page.goto(url)
    subject = tab.get_by_label("Subject", exact=True)

    subject.fill("Derna under siege")
    tab.get_by_label("Preheader").focus()
    is_saved(tab)
    look_at(tab, "subject", screenshots)

    somewhere_else.get_by_label("Subject", exact=True).fill("Sirte falls quiet")
    somewhere_else.keyboard.press("Control+s")
    is_told(somewhere_else, "Somebody changed them")
    assert "Sirte falls quiet" in str(copies(somewhere_else))
    somewhere_else.get_by_role("button", name="Compare the two texts").click()
    look_at(somewhere_else, "subject-conflict", screenshots)
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

    again = tab.context.new_page()
    again.goto(url)

    is_told(again, "had kept a newer text")
    expect(again.locator("[data-shows=subject]")).to_have_text("Derna under siege")
    is_saved(again)


def subject_written_offline(tab):
    """Write a subject without a connection; gives its address."""
    tab.goto(re.sub("/write/.*", "/subject/en", tab.url))
    tab.context.set_offline(True)
    tab.get_by_label("Subject", exact=True).fill("Derna under siege")
    return tab.url


def test_a_subject_that_comes_too_late_can_be_copied_where_it_was_typed(tab, service, screenshots):
    url = subject_written_offline(tab)
    freeze(service, url)
    tab.context.set_offline(False)

    is_told(tab, "the desk could not keep what you wrote")
    look_at(tab, "subject-too-late", screenshots)
    expect(tab.get_by_label("Subject", exact=True)).to_have_value("Derna under siege")
    assert "Derna under siege" in str(copies(tab))
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="Save").click()
    expect(tab.get_by_role("alert").first).to_contain_text("the desk could not keep")
    expect(tab.get_by_label("Subject", exact=True)).to_have_value("Derna under siege")
    assert "Derna under siege" in str(copies(tab))


def test_a_subject_that_comes_too_late_from_a_tab_that_died_can_be_copied(
    tab, service, screenshots
):
    url = subject_written_offline(tab)
    die(tab)
    freeze(service, url)

    again = tab.context.new_page()
    again.goto(url)

    is_told(again, "the desk could not keep what you wrote")
    look_at(again, "subject-too-late-again", screenshots)
    expect(again.get_by_label("Subject", exact=True)).to_have_value("Derna under siege")
    expect(again.locator("[data-shows=subject]")).not_to_contain_text("Derna")
    assert "Derna under siege" in str(copies(again))
    again.get_by_role("link", name="Leave it as it stands").click()
    expect(again.get_by_label("Subject", exact=True)).not_to_have_value("Derna under siege")
    assert copies(again) == []


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


def test_a_full_disk_keeps_the_words_in_the_browser_until_there_is_room(tab, service, screenshots):
    with full_disk(service):
        write_on(tab, f" {TEXT}")
        is_told(tab, "the server has a problem")
        assert TEXT in str(copies(tab))
        look_at(tab, "full-disk", screenshots)

    is_saved(tab, seconds=60)
    assert stored(tab, tab.url) == f"It begins. {TEXT}"


def test_who_writes_more_than_any_mail_holds_is_told_so(tab):
    body(tab).fill("x" * (2 * 1024 * 1024 + 1))
    is_told(tab, "at most 200,000 can be")
    body(tab).fill("Shorter.")
    is_saved(tab)
    assert stored(tab, tab.url) == "Shorter."


def test_writing_does_not_need_redis(writer, service):
    valkey = service.child("valkey")
    os.kill(valkey, signal.SIGSTOP)
    try:
        write_on(writer, f" {TEXT}")
        is_saved(writer)
    finally:
        os.kill(valkey, signal.SIGCONT)
    assert stored(writer, writer.url) == f"It begins. {TEXT}"


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


def test_subject_and_preheader_are_counted_and_shown_as_an_inbox_does(writer, site, screenshots):
    writer.get_by_role("link", name="Subject").click()
    writer.get_by_label("Subject").fill("Derna under siege")
    expect(writer.locator("[data-counts=subject]")).to_contain_text("17")
    expect(writer.locator(".inbox")).to_contain_text("Derna under siege")
    look_at(writer, "subject", screenshots)
    writer.get_by_role("button", name="Save").click()
    is_saved(writer)
    writer.reload()
    expect(writer.get_by_label("Subject")).to_have_value("Derna under siege")
