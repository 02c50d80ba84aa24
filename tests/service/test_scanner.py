"""A link scanner opens every address in every mail, in headers and bodies, and runs what it finds.

Then it is looked for whatever a link could have changed.
"""

import html
import re
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from sqlalchemy import select

from newsletter import create_app
from newsletter.database import Base, db, transaction
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.notices.models import Notice, NoticeKind
from newsletter.settings import load_settings
from newsletter.subscribers.models import AddressChange, LinksRequest, Signup
from tests.issue_files import SAMPLES
from tests.running import newsletter, wait_until
from tests.service.reader import Mailbox, Page, get, html_of, link, post, submit, text_of

pytestmark = pytest.mark.slow

ADDRESS = re.compile(r"""https?://[^\s<>"']+""")
SHOWN = {HTTPStatus.OK, HTTPStatus.GONE}  # the link of a request whose reader has moved on
LINKED = re.compile(r"""(?:href|src|action)="(https?://[^"]+)""")
EDITORS_SOURCES = "https://example.org/"  # what the sample issue quotes
HOUSEKEEPING = {  # what workers write while nobody does anything
    *("sender_slot", "tally", "answer_tally", "progress_sample", "relay_state", "trouble", "batch"),
    "report_line",
}
READS, STAYS_AWAY = "amal@reader.example", "basim@reader.example"
LEAVES, MOVES, MOVED = "dalia@reader.example", "elias@reader.example", "elias@other.example"
WANTS_TO_MOVE, NOT_YET = "farah@reader.example", "farah@other.example"
KINDS = {
    NoticeKind.CONFIRMATION,
    NoticeKind.WELCOME,
    NoticeKind.GOODBYE,
    NoticeKind.LINKS,
    NoticeKind.ADDRESS_CHANGE,
    NoticeKind.ADDRESS_CHANGED,
}


@pytest.fixture(scope="module")
def application(service, parts):
    """The service's own settings, to look into its database."""
    settings = {name.lower(): value for name, value in parts.settings.items()}
    app = create_app(load_settings(_env_file=None, instance_path=service.instance, **settings))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def fill_in(page: Page, **values: str) -> Page:
    """Send the form of a page; once more, since nobody types so fast."""
    answer = submit(page, **values)
    return submit(answer) if 'name="stamp"' in answer.text else answer


def press(url: str, **values: str) -> None:
    """Send the form of a page that needs no reading."""
    assert submit(get(url), **values).status == HTTPStatus.OK


@pytest.fixture(scope="module")
def mails(service, parts, mailbox: Mailbox, application):
    """One mail of every kind that a reader gets, and nothing under way any more."""
    site = f"http://127.0.0.1:{service.port}"
    settings = {"PUBLIC_URL": site, **parts.settings}

    def sign_up(address: str) -> str:
        fill_in(get(f"{site}/subscribe"), address=address, language="en")
        return link(mailbox.wait_for(address)[0], "confirm")

    def subscribe(address: str) -> str:
        press(sign_up(address))
        return link(mailbox.wait_for(address, 2)[1], "preferences")

    sign_up(STAYS_AWAY)
    subscribe(READS)
    subscribe(LEAVES)
    for address, new in ((MOVES, MOVED), (WANTS_TO_MOVE, NOT_YET)):
        post(f"{subscribe(address)}/address", [("address", new)])
        mailbox.wait_for(new)
    press(link(mailbox.wait_for(MOVED)[0], "new-address"))
    press(link(mailbox.wait_for(LEAVES, 2)[1], "unsubscribe"))
    fill_in(get(f"{site}/manage"), address=READS)
    for arguments in (
        ("issue", "import", str(SAMPLES / "issue-87.en.md")),
        ("issue", "send", "87", "--wait"),
    ):
        done = newsletter(service.instance, *arguments, **settings)
        assert done.returncode == 0, done.stderr

    wait_until(lambda: not is_busy(), "everything is quiet")
    with transaction():
        assert set(db.session.scalars(select(Notice.kind).distinct())) >= KINDS
    return mailbox.all()


def is_busy() -> bool:
    """Whether a worker still has something to do for readers."""
    with transaction():
        return any(
            db.session.scalars(query.limit(1)).first()
            for query in (
                select(Notice.id).where(Notice.settled_at.is_(None)),
                select(Signup.id).where(Signup.answered_at.is_(None)),
                select(AddressChange.id).where(AddressChange.answered_at.is_(None)),
                select(LinksRequest.id),
                select(Issue.id).where(Issue.state == IssueState.SENDING),
            )
        )


def addresses_in(mails) -> list[str]:
    """Every address on the web, from headers, text and HTML."""
    found = set()
    for _recipient, mail in mails:
        for text in (*map(str, mail.values()), text_of(mail)):
            found |= {address.rstrip(".,;:)") for address in ADDRESS.findall(text)}
        found |= {html.unescape(address) for address in LINKED.findall(html_of(mail))}
    return sorted(found)


def everything() -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but those in which workers keep house."""
    with transaction():
        return {
            table.name: sorted(map(tuple, db.session.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
            if table.name not in HOUSEKEEPING
        }


@pytest.fixture
def addresses(mails, service) -> list[str]:
    """Every address of ours in every mail; there is no other but the editor's sources."""
    site = f"http://127.0.0.1:{service.port}/"
    found = [a for a in addresses_in(mails) if not a.startswith(EDITORS_SOURCES)]
    assert [address for address in found if not address.startswith(site)] == []
    own = {address.removeprefix(site).partition("/")[0] for address in found}
    assert own >= {"confirm", "never-again", "preferences", "unsubscribe", "new-address", "issues"}
    return found


@pytest.fixture
def nothing_changes(addresses) -> Iterator[None]:
    """What the database holds before the test is what it holds afterwards."""
    before = everything()
    yield
    wait_until(lambda: not is_busy(), "everything is quiet")
    assert everything() == before


@pytest.mark.usefixtures("nothing_changes")
def test_asking_for_every_link_of_every_mail_changes_nothing(addresses):
    for address in addresses:
        for method in ("HEAD", "GET", "GET", "HEAD"):
            assert get(address, method).status in SHOWN, address


@pytest.mark.usefixtures("nothing_changes")
def test_opening_every_link_of_every_mail_in_a_browser_changes_nothing(addresses, chromium):
    context = chromium.new_context()
    page = context.new_page()
    for address in addresses:
        page.goto(address, wait_until="networkidle")
    assert context.cookies() == []
    context.close()
