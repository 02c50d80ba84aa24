"""Five people make an issue out of four texts, from the first invitation to the report."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from newsletter.mail.message import MARKS, Hole
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.colleague import Colleague
from tests.desk import piece
from tests.issue_files import SAMPLES
from tests.running import RunningService, newsletter, wait_until
from tests.service.reader import Mailbox, text_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

READERS = 150
PACE = "12"  # messages a second: slow enough to be paused
SECTIONS = {
    "ISIS in Action": "isis-in-action",
    "Western Response": "western-response",
    "Anti-ISIS Coalition": "anti-isis-coalition",
    "Other Jihadi Actors": "other-jihadi-actors",
}
TEXTS = {
    "ISIS in Action": (
        "A checkpoint south of Sirte is attacked twice",
        "Two vehicles fired on the checkpoint at Abu Hadi before dawn. Nobody was killed.",
    ),
    "Western Response": (
        "Ministers meet in Tunis",
        "Four governments agreed to share flight data over the Gulf of Sidra.",
    ),
    "Anti-ISIS Coalition": (
        "Misrata calls its brigades back",
        "Three brigades left the front for a week; their posts were taken over by others.",
    ),
    "Other Jihadi Actors": (
        "A truce in Derna holds",
        "The council and the army kept to the truce for a sixth day.",
    ),
}
FAULTY = f"""

TK: name of the hotel. See [the map](/maps/tunis) and [the minutes](http://192.168.1.10/minutes).

Readers leave by https://news.example/unsubscribe/{MARKS[Hole.UNSUBSCRIBE]} here.
"""
FOUND = (
    "Anti-ISIS Coalition has a headline but no text",
    "Western Response has an image without alternative text",
    "mark of a reader's own unsubscribe link",
    "looks like a note: TK",
    "link without a full address, which stays text: /maps/tunis",
    "into a private network, where readers cannot follow: http://192.168.1.10/minutes",
    "has no subject in English",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[RunningService]:
    """A service of our own: an issue was sent, and readers came since."""
    folder = tmp_path_factory.mktemp("newsroom")
    with RunningService(folder / "instance", cwd=folder, MESSAGES_PER_SECOND=PACE) as service:
        readers = folder / "readers.csv"
        lines = (f"reader-{n}@readers.example,en,,2026-01-05,paper\n" for n in range(READERS))
        readers.write_text("address,language,sections,consented_at,source\n" + "".join(lines))
        for arguments in (
            ("issue", "import", str(SAMPLES / "issue-87.en.md")),
            ("issue", "send", "87", "--wait"),
            ("subscriber", "import", str(readers)),
        ):
            done = newsletter(service.instance, *arguments)
            assert done.returncode == 0, done.stderr
        yield service


@dataclass
class Newsroom:
    """Those who work on one issue, at one width of their browsers."""

    chief: Colleague
    authors: dict[str, Colleague]  # by the section that each writes; the last is an editor
    mailbox: Mailbox
    service: RunningService
    number: int = 0

    @property
    def editor(self) -> Colleague:
        """Who puts it together."""
        return self.authors["Other Jihadi Actors"]

    @property
    def url(self) -> str:
        """Where the issue stands at the desk."""
        return f"/desk/issues/{self.number}"

    def article(self, section: str) -> str:
        """Where an article is written."""
        return f"{self.url}/write/{SECTIONS[section]}/en"


@pytest.fixture(params=["desktop", "phone"])
def newsroom(request, chromium: Browser, service: RunningService) -> Iterator[Newsroom]:
    """Five people who do not know the desk yet, but for who runs it."""
    size, names = {
        "desktop": (DESKTOP, ("Hanan", "Amal", "Basim", "Clara", "Dalia")),
        "phone": (PHONE, ("Yusuf", "Idris", "Jamila", "Karim", "Leila")),
    }[request.param]
    site = f"http://127.0.0.1:{service.port}"
    chief, *others = [Colleague(chromium, size, site, name) for name in names]
    yield Newsroom(chief, dict(zip(SECTIONS, others, strict=True)), Mailbox(service, None), service)
    for person in (chief, *others):
        person.leave()


def test_four_texts_become_one_issue(newsroom: Newsroom) -> None:
    the_chief_needs_a_phone_from_now_on(newsroom)
    four_people_are_invited_and_come(newsroom)
    the_chief_starts_an_issue_and_says_who_writes_what(newsroom)
    all_four_write_at_the_same_time(newsroom)
    two_who_write_the_same_see_both(newsroom)
    it_is_looked_at_as_readers_get_it(newsroom)
    the_checks_find_what_is_wrong_and_lead_to_it(newsroom)
    an_approval_falls_with_the_next_change(newsroom)
    it_goes_out_at_its_time(newsroom)
    it_is_paused_and_goes_on(newsroom)
    the_report_tells_what_became_of_it(newsroom)


def the_chief_needs_a_phone_from_now_on(newsroom: Newsroom) -> None:
    chief = newsroom.chief
    done = newsletter(newsroom.service.instance, "editor", "add", chief.address, "--role", "admin")
    password = piece(r"^Password: (\S+)$", done.stdout)
    chief.log_in(password)
    totp = chief.set_up_second_factor()
    chief.press("Log out")

    chief.log_in(password)
    chief.look("code")
    chief.open("/desk/")
    assert "/desk/" in chief.page.url
    assert "This week" not in chief.page.locator("main").inner_text(), "the password was enough"
    chief.log_in(password, totp)

    chief.open("/desk/people")
    chief.sees(chief.address)


def four_people_are_invited_and_come(newsroom: Newsroom) -> None:
    chief = newsroom.chief
    for person in newsroom.authors.values():
        chief.fill("Mail address", person.address)
        chief.fill("Name", person.name)
        role = "editor" if person is newsroom.editor else "author"
        chief.page.locator("select#role").select_option(role)
        chief.press("Send the invitation")
    chief.look("people")

    for person in newsroom.authors.values():
        (mail,) = newsroom.mailbox.wait_for(person.address)
        person.take_place(piece(r"(https?://\S+/desk/invitation/\S+)", text_of(mail)))
        assert person.page.get_by_role("link", name="People").count() == 0


def the_chief_starts_an_issue_and_says_who_writes_what(newsroom: Newsroom) -> None:
    chief = newsroom.chief
    chief.open("/desk/")
    chief.sees("Nothing is in work")
    chief.look("week-empty")
    chief.page.get_by_role("button", name="Start issue").click()
    chief.page.wait_for_url(re.compile(r"/desk/issues/\d+"))
    newsroom.number = int(piece(r"/issues/(\d+)", chief.page.url))

    chief.open(f"{newsroom.url}/plan")
    for section, person in newsroom.authors.items():
        board = chief.page.get_by_role("group", name=section)
        for box in board.get_by_role("checkbox").all():
            box.uncheck()
        board.get_by_label(person.name).check()
    chief.look("plan")
    chief.press("Save the plan")


def all_four_write_at_the_same_time(newsroom: Newsroom) -> None:
    for section, person in newsroom.authors.items():
        person.open("/desk/")
        mine = person.page.locator("article.mine")
        expect(mine.get_by_role("heading", name=section)).to_be_visible()
        mine.get_by_role("link", name=re.compile("Write.*English")).click()
        person.page.wait_for_url(f"**{newsroom.article(section)}")
    for section, person in newsroom.authors.items():
        headline, body = TEXTS[section]
        person.write(headline, body)
    for person in newsroom.authors.values():
        person.is_saved()
    newsroom.authors["ISIS in Action"].look("writing")

    newsroom.chief.open("/desk/")
    for headline, _body in TEXTS.values():
        newsroom.chief.sees(headline)
    newsroom.chief.look("week")


def two_who_write_the_same_see_both(newsroom: Newsroom) -> None:
    section = "ISIS in Action"
    author, editor = newsroom.authors[section], newsroom.editor
    body = TEXTS[section][1]
    editor.open(newsroom.article(section))
    editor.fill("Text", f"{body} The road is open again.")
    editor.is_saved()

    author.fill("Text", f"{body} The army confirmed it.")
    expect(author.page.locator("#trouble")).to_contain_text("saved this article meanwhile")
    author.press("Compare the two texts")
    author.sees("The road is open again.")
    author.sees("The army confirmed it.")
    author.look("conflict")
    author.fill("Text", f"{body} The army confirmed it; the road is open again.")
    author.press("Let your text stand")

    author.follow("Revisions")
    author.look("revisions")
    assert author.page.locator("tbody tr").count() == 4, (
        "both, what was before, and what came of it"
    )


def it_is_looked_at_as_readers_get_it(newsroom: Newsroom) -> None:
    editor = newsroom.editor
    editor.open(f"{newsroom.url}/preview")
    mail = editor.page.locator("iframe").last.content_frame.locator("html")  # it is turned over
    for headline, _body in TEXTS.values():
        expect(mail).to_contain_text(headline)
    editor.look("preview")
    for choice in ("Phone", "Dark"):
        editor.page.get_by_label(choice, exact=True).check()
    editor.page.locator(".window.phone.dark").wait_for()
    expect(mail).to_contain_text(TEXTS["Western Response"][0])
    editor.page.get_by_label("Arabic", exact=True).check()
    editor.page.wait_for_url("**edition=ar**")
    expect(mail).to_have_attribute("dir", "rtl")
    editor.page.get_by_label("Plain text", exact=True).check()
    editor.page.wait_for_url("**format=text**")
    expect(mail.locator("pre")).to_contain_text(TEXTS["Western Response"][1])
    editor.look("preview-chosen")


def the_checks_find_what_is_wrong_and_lead_to_it(newsroom: Newsroom) -> None:
    editor, section = newsroom.editor, "Western Response"
    author = newsroom.authors[section]
    author.fill("Text", TEXTS[section][1] + FAULTY)
    author.add_picture()
    author.is_saved()
    empty = "Anti-ISIS Coalition"
    newsroom.authors[empty].fill("Text", "")
    newsroom.authors[empty].is_saved()
    editor.open(f"{newsroom.url}/checks")
    for sentence in FOUND:
        finding = editor.page.locator(".finding li").filter(has_text=sentence)
        expect(finding.locator(".remedy"), "a remedy").not_to_be_empty()
        expect(finding.get_by_role("link"), "a place").to_have_count(1)
    editor.look("checks")

    for where in (section, empty):
        editor.follow(f"{where} · English")
        editor.fill("Text", TEXTS[where][1])
        editor.is_saved()
        editor.open(f"{newsroom.url}/checks")
    editor.follow("Subject and preheader · English")
    editor.fill("Subject", "A checkpoint attacked twice, and a truce that holds")
    editor.fill("Preheader", "Ministers meet in Tunis; Misrata calls its brigades back")
    editor.page.keyboard.press("Control+s")
    editor.is_saved()

    editor.open(f"{newsroom.url}/checks")
    said = editor.page.locator("main").inner_text()
    assert not [sentence for sentence in FOUND if sentence in said]
    expect(editor.page.locator(".finding.blocking")).to_have_count(0)


def an_approval_falls_with_the_next_change(newsroom: Newsroom) -> None:
    editor, author = newsroom.editor, newsroom.authors["Anti-ISIS Coalition"]
    editor.open(newsroom.url)
    editor.press("Approve it as it stands")
    editor.sees("Approved")

    author.open(newsroom.article("Anti-ISIS Coalition"))
    author.sees("the approval is taken back")
    author.fill("Text", f"{TEXTS['Anti-ISIS Coalition'][1]} They return on Monday.")
    author.is_saved()

    editor.open(f"{newsroom.url}/send")
    editor.sees("Nobody has approved it as it stands now")
    editor.open(newsroom.url)
    editor.sees("It was changed after it was approved")
    editor.sees(author.name)
    editor.look("approval-lost")
    editor.press("Approve it as it stands")


def it_goes_out_at_its_time(newsroom: Newsroom) -> None:
    editor = newsroom.editor
    editor.open(f"{newsroom.url}/send")
    editor.sees(TEXTS["ISIS in Action"][0].split(maxsplit=1)[0])
    editor.look("send")
    label = editor.page.locator("label[for=at]").inner_text()
    zone = ZoneInfo(piece(r"\((.+)\)", label))
    soon = datetime.now(zone) + timedelta(seconds=65)  # the next minute may be over by then
    editor.page.locator("#at").fill(f"{soon:%Y-%m-%dT%H:%M}")
    editor.press("Set this time")
    editor.page.locator(".chip.scheduled").wait_for()
    editor.look("scheduled")

    path = f"/issues/{newsroom.number}"
    wait_until(lambda: newsroom.service.get(path)[0] == 200, "the issue goes out at its time")


def it_is_paused_and_goes_on(newsroom: Newsroom) -> None:
    editor = newsroom.editor
    editor.open(newsroom.url)
    editor.look("progress")
    editor.press("Pause")
    editor.page.locator(".chip.paused").wait_for()
    editor.look("paused")
    waiting = int(editor.page.locator("[data-count=queued]").inner_text())
    assert waiting, "nobody was left to wait"

    editor.press("Resume")
    editor.page.locator(".chip.sent").wait_for(timeout=90_000)
    assert _sent(editor.page) == _all(editor.page)
    for number in range(0, READERS, 50):
        mails = newsroom.mailbox.wait_for(f"reader-{number}@readers.example")
        assert sum(TEXTS["ISIS in Action"][0] in text_of(mail) for mail in mails) <= 2
    authors = (person for person in newsroom.authors.values() if person is not editor)
    for author in authors:
        author.open(newsroom.url)
        author.sees("How it went")


def the_report_tells_what_became_of_it(newsroom: Newsroom) -> None:
    editor = newsroom.editor
    total = _all(editor.page)
    editor.follow("The whole report")
    editor.reload_until(lambda page: "By language" in page.inner_text("main"), "it is counted")
    editor.sees(f"{total:,} of {total:,}")
    editor.page.get_by_text("The same in figures").first.click()
    editor.look("report")
    with editor.page.expect_download() as download:
        editor.page.get_by_role("link", name=re.compile("spreadsheet")).click()
    table = Path(download.value.path()).read_text("utf-8-sig")
    assert "readers.example" in table
    editor.open("/desk/reports")
    editor.look("reports")
    newsroom.chief.open("/desk/log")
    newsroom.chief.sees("Approved the issue.")


def _sent(page: Page) -> int:
    return _number(page, "[data-count=sent]")


def _all(page: Page) -> int:
    return _number(page, "[data-total]")


def _number(page: Page, where: str) -> int:
    return int(page.locator(where).last.inner_text().replace(",", ""))
