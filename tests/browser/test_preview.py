"""Looking at the mail in a real browser: while it is written, and before it is sent."""

import re
import sys
from itertools import count
from statistics import median
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.door import log_in
from tests.browser.reader import look_at
from tests.desk import piece
from tests.issue_files import issue_file
from tests.running import newsletter, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADDRESS = "anna@preview.example"
LONG = "\n\n".join(f"Paragraph {n}. The convoy left Sirte at dawn." for n in range(60))
PICTURE = """
async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 900, height: 500 });
  const pen = canvas.getContext("2d");
  for (let x = 0; x < 900; x++) {
    pen.fillStyle = `hsl(${x / 3} 70% 50%)`;
    pen.fillRect(x, 0, 1, 500);
  }
  const form = new FormData();
  form.set("csrf_token", document.querySelector("[name=csrf_token]").value);
  form.set("file", await new Promise((done) => canvas.toBlob(done, "image/png")), "map.png");
  const answer = await fetch(location.pathname.replace(/write.*/, "images"), {
    method: "POST",
    body: form,
    headers: { Accept: "application/json" },
  });
  return answer.json();
}
"""
MEASURE = """
(text) => new Promise((done) => {
  const body = document.getElementById("body");
  const began = performance.now();
  const look = () => {
    const frame = document.querySelector("iframe[name=draft]");
    if (frame?.contentDocument?.body?.textContent.includes(text)) {
      requestAnimationFrame(() => done(performance.now() - began));
    } else requestAnimationFrame(look);
  };
  body.setRangeText(text, 0, 0, "end");
  body.dispatchEvent(new InputEvent("input", { bubbles: true }));
  look();
})
"""
OPENED_BELOW = """
() => new Promise((done) => {
  const look = () => {
    const frame = document.querySelector("iframe[name=draft]");
    if (frame?.contentWindow?.scrollY > 1000) done(true);
    else requestAnimationFrame(look);
  };
  look();
})
"""
numbers = count(700)


@pytest.fixture(scope="module")
def password(service):
    """The password of an editor."""
    done = newsletter(service.instance, "editor", "add", ADDRESS, "--role", "editor")
    assert done.returncode == 0, done.stderr
    return piece(r"^Password: (\S+)$", done.stdout)


@pytest.fixture
def number(service, tmp_path):
    """The number of a draft of its own, in two sections."""
    number = next(numbers)
    file = tmp_path / "week.md"
    texts = {"ISIS in Action": LONG, "Western Response": "Paris sends a frigate."}
    file.write_bytes(issue_file(texts, number=number))
    done = newsletter(service.instance, "issue", "import", str(file))
    assert done.returncode == 0, done.stderr
    return number


@pytest.fixture
def editor(page, site, password):
    """A page at which somebody has logged in."""
    log_in(page, site, ADDRESS, password)
    return page


@pytest.fixture
def writer(editor, site, number):
    """Somebody who writes, with the mail beside the text."""
    editor.goto(f"{site}/desk/issues/{number}/write/isis-in-action/en")
    expect(drawn(editor)).to_contain_text("Paragraph 59.")
    return editor


def drawn(page):
    """What is to be seen of the mail."""
    return page.frame_locator("iframe[name=draft]").locator("body")


def shown(page):
    """What is to be seen of the mail on the page before sending."""
    return page.frame_locator("#shown iframe >> nth=0").locator("body")


def text(page):
    return page.get_by_label("Text", exact=True)


def scrolled(page):
    return page.evaluate("document.querySelector('iframe[name=draft]').contentWindow.scrollY")


def test_what_is_typed_is_seen_in_the_mail_and_the_place_scrolled_to_stays(writer):
    page = writer
    page.evaluate("document.querySelector('iframe[name=draft]').contentWindow.scrollTo(0, 700)")
    steps = page.evaluate("history.length")
    text(page).focus()
    page.keyboard.press("Control+End")

    page.keyboard.type(" And **nobody** saw it.")

    expect(drawn(page)).to_contain_text("And nobody saw it.")
    expect(drawn(page)).to_contain_text("Paris sends a frigate.")
    expect(text(page)).to_be_focused()
    expect(page.locator("iframe")).to_have_count(1)
    assert scrolled(page) == 700
    assert page.evaluate("history.length") == steps


def test_the_mail_opens_at_the_section_that_is_written(editor, site, number):
    editor.goto(f"{site}/desk/issues/{number}/write/western-response/en")

    expect(drawn(editor)).to_contain_text("Paris sends a frigate.")

    assert editor.evaluate(OPENED_BELOW)


def test_a_picture_put_into_the_text_is_seen_in_the_mail(writer, site):
    told = writer.evaluate(PICTURE)
    text(writer).focus()

    text(writer).fill(told["markdown"])

    image = writer.frame_locator("iframe[name=draft]").get_by_role("img", name="Describe")
    expect(image).to_have_js_property("naturalWidth", 600)
    expect(image).to_have_js_property("complete", value=True)


def test_from_a_key_to_the_picture(writer, record_property, capsys):
    """Says how long it takes; whether that is fast enough is for people to judge."""
    times = sorted(writer.evaluate(MEASURE, f"{uuid4().hex} ") for _ in range(20))

    found = f"keystroke to picture: median {median(times):.0f} ms, slowest {times[-1]:.0f} ms"
    record_property("preview", found)
    with capsys.disabled():
        sys.stdout.write(f"\n{found}\n")


def test_the_page_before_sending_shows_what_is_chosen_without_being_loaded_anew(
    editor, site, number
):
    page = editor
    page.goto(f"{site}/desk/issues/{number}/preview")
    mail = shown(page)
    expect(mail).to_contain_text("Paris sends a frigate.")
    look_at(page, "preview-page", "en")

    page.get_by_label("Western Response").uncheck()
    expect(mail).to_contain_text("Paragraph 59.")
    expect(mail).not_to_contain_text("Paris sends a frigate.")

    for name in ("Plain text", "Phone", "Dark", "Arabic"):
        page.get_by_label(name, exact=True).check()
    expect(mail).to_contain_text("Paragraph 59.")
    page.wait_for_url(re.compile("edition=ar"))
    expect(page.locator(".window.phone.dark")).to_be_visible()
    look_at(page, "preview-chosen", "en")
    page.go_back()
    assert "/preview" not in page.url


@pytest.fixture
def preview(context, site, password, number):
    """The page before sending, in a tab in which something will go wrong."""
    page = context.new_page()
    log_in(page, site, ADDRESS, password)
    page.goto(f"{site}/desk/issues/{number}/preview")
    expect(shown(page)).to_contain_text("Paris sends a frigate.")
    return page


def test_a_view_that_could_not_be_fetched_is_shown_when_the_server_answers_again(preview):
    preview.context.set_offline(True)
    preview.get_by_label("Western Response").uncheck()
    expect(preview.get_by_role("alert")).to_contain_text("still the one that you chose before")
    expect(shown(preview)).to_contain_text("Paris sends a frigate.")
    preview.context.set_offline(False)

    preview.get_by_label("Phone", exact=True).check()

    expect(shown(preview)).not_to_contain_text("Paris sends a frigate.")
    expect(preview.locator(".window.phone")).to_be_visible()
    expect(preview.get_by_role("alert")).to_have_count(0)
    expect(preview.get_by_role("button", name="Show", exact=True)).to_be_hidden()


def test_a_mail_that_does_not_come_is_told_and_a_test_is_still_of_what_is_shown(preview):
    preview.route("**/preview/mail*", lambda route: route.abort())
    preview.get_by_label("Plain text", exact=True).check()

    expect(preview.get_by_role("alert")).to_be_visible()
    expect(preview.locator("form.test [name=format]")).to_have_value("html")
    assert "format=text" not in preview.url
    expect(shown(preview)).to_contain_text("Paris sends a frigate.")


def test_what_is_chosen_while_an_answer_does_not_come_is_shown_after_it(preview):
    held = []

    def hold(route):
        held.append(route)

    preview.route("**/preview?*", hold, times=1)
    preview.get_by_label("Plain text", exact=True).check()
    wait_until(lambda: preview.wait_for_timeout(50) or held, "it is asked for")
    preview.get_by_label("Phone", exact=True).check()

    held[0].abort()

    expect(preview.locator(".window.phone")).to_be_visible()
    expect(preview.get_by_role("alert")).to_have_count(0)


def test_a_test_is_sent_from_a_page_that_was_open_when_one_logged_in_anew(preview, site, password):
    other = preview.context.new_page()
    other.goto(f"{site}/desk/")
    other.get_by_role("button", name="Log out").click()
    log_in(other, site, ADDRESS, password)
    preview.get_by_label("to these addresses").check()
    preview.get_by_label("Addresses, with spaces").fill("omar@example.org")
    preview.get_by_label("Plain text", exact=True).check()
    preview.wait_for_url(re.compile("format=text"))

    preview.get_by_role("button", name="Send the test").click()

    expect(preview.locator(".said")).to_be_visible()


def test_addresses_for_a_test_stay_when_another_view_is_chosen(preview):
    preview.get_by_label("to these addresses").check()
    preview.get_by_label("Addresses, with spaces").fill("omar@example.org")

    preview.get_by_label("Plain text", exact=True).check()

    preview.wait_for_url(re.compile("format=text"))
    expect(preview.locator("form.test [name=format]")).to_have_value("text")
    expect(preview.get_by_label("Addresses, with spaces")).to_have_value("omar@example.org")
    expect(preview.get_by_label("to these addresses")).to_be_checked()
