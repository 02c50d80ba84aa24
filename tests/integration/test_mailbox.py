"""The mail caught in a trial: kept whole, and shown to this machine alone."""

import signal
import smtplib
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter import create_app
from newsletter.mail.smtp import Message, Outcome, Relay, RelayAddress
from newsletter.mailbox.folder import MailFolder
from newsletter.settings import load_settings
from tests.conftest import SECRET_KEY
from tests.running import ROOT, environment, wait_until

HTML = "<html><head><title>x</title></head><body><a href='http://127.0.0.1/'>Read</a></body></html>"


def a_message(
    subject: str = "Derna under siege", to: str = "amal@reader.example", html: str | None = None
) -> bytes:
    message = EmailMessage()
    message["From"] = "Libya Weekly Report <news@newsletter.example>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("Read it at\nhttp://127.0.0.1:8000/issues/87\n<script>alert(1)</script>\n")
    if html:
        message.add_alternative(html, subtype="html")
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))


@pytest.fixture
def folder(tmp_path):
    folder = MailFolder(tmp_path / "mail")
    folder.create()
    return folder


@pytest.fixture
def browser(tmp_path, folder):
    settings = load_settings(_env_file=None, instance_path=tmp_path, secret_key=SECRET_KEY)
    return create_app(settings).test_client()


def keep(folder: MailFolder, recipient: str = "amal@reader.example", **words: str) -> str:
    content = a_message(to=recipient, **words)
    return folder.keep(content, sender="b-1@newsletter.example", recipients=[recipient])


class ToSocket(smtplib.SMTP):
    """An SMTP client that connects to a unix socket."""

    def _get_socket(self, host, _port, timeout):
        line = socket.socket(socket.AF_UNIX)
        try:
            line.settimeout(timeout)
            line.connect(host)
        except OSError:
            line.close()
            raise
        return line


def answers(path: Path) -> bool:
    """Tell whether a server takes connections here: the file of a socket comes before that."""
    try:
        ToSocket(str(path), timeout=20).close()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


@pytest.fixture
def catcher(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "newsletter.mailbox.catcher"], env=environment(tmp_path), cwd=ROOT
    )
    path = tmp_path / "mail.sock"
    wait_until(lambda: answers(path), "the catcher listens")
    yield path
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_what_the_relay_accepts_is_in_the_folder_with_its_envelope(catcher, folder):
    with ToSocket(str(catcher), timeout=20) as client:
        client.sendmail("b-1@newsletter.example", ["amal@reader.example"], a_message())

    (key,) = folder.all_keys()
    caught = folder.message(key)
    assert caught["Return-Path"] == "<b-1@newsletter.example>"
    assert caught["Delivered-To"] == "amal@reader.example"
    assert caught["Subject"] == "Derna under siege"
    assert folder.source(key).endswith(a_message())


@pytest.mark.parametrize("address", ["قارئ@reader.example", "Grün@reader.example"])
def test_a_message_to_letters_beyond_ascii_is_caught_and_shown(catcher, folder, browser, address):
    content = f"To: {address}\r\nSubject: Derna\r\n\r\nText.\r\n".encode()
    relay = RelayAddress.parse(f"smtp+unix://{catcher}")
    with Relay(relay, helo="news.example.org") as line:
        [(_, answer)] = line.hand_over([Message(1, "b@newsletter.example", address, [content])])

    assert answer.outcome is Outcome.ACCEPTED
    (key,) = folder.all_keys()
    caught = folder.message(key)
    assert caught["Delivered-To"] == caught["To"] == address
    assert folder.source(key).endswith(content)
    assert f'<td dir="ltr">{address}</td>' in browser.get("/mailbox").text
    assert address in browser.get("/mailbox", query_string={"to": address.upper()}).text
    assert browser.get(f"/mailbox/{key}").text.count(f'<dd dir="ltr">{address}</dd>') == 2
    assert browser.get(f"/mailbox/{key}/source").data.decode().count(address) == 2


def test_one_connection_may_carry_many_messages(catcher, folder):
    with ToSocket(str(catcher), timeout=20) as client:
        for number in range(50):
            client.sendmail("b@newsletter.example", [f"r{number}@reader.example"], a_message())

    assert len(folder.all_keys()) == 50


def test_the_catcher_refuses_what_is_too_large(catcher):
    with ToSocket(str(catcher), timeout=20) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == str(10 * 1024 * 1024)
        code, _ = client.docmd("MAIL", "FROM:<b@newsletter.example> SIZE=20000000")
        assert code == 552


def test_the_socket_and_what_is_caught_are_readable_by_their_owner_alone(catcher, folder):
    with ToSocket(str(catcher), timeout=20) as client:
        client.sendmail("b@newsletter.example", ["amal@reader.example"], a_message())

    (key,) = folder.all_keys()
    assert catcher.stat().st_mode & 0o077 == 0
    assert (folder.path / "new" / key).stat().st_mode & 0o077 == 0


def test_the_list_shows_the_newest_first(folder, browser):
    keep(folder, subject="The first")
    keep(folder, subject="The second")

    page = browser.get("/mailbox").text

    assert page.index("The second") < page.index("The first")


def test_the_list_can_be_narrowed_to_an_address(folder, browser):
    keep(folder, subject="For Amal")
    keep(folder, recipient="basim@reader.example", subject="For Basim")

    page = browser.get("/mailbox?to=BASIM@").text

    assert "For Basim" in page
    assert "For Amal" not in page


def test_a_long_list_is_shown_in_pages(folder, browser):
    for number in range(120):
        keep(folder, subject=f"Number {number:03}")

    assert "Number 119" in browser.get("/mailbox").text
    assert "Number 069" not in browser.get("/mailbox").text
    assert "Number 069" in browser.get("/mailbox?page=2").text
    last = browser.get("/mailbox?page=3").text
    assert "Number 000" in last
    assert "page=4" not in last
    assert "page=2" in last


def test_a_page_that_is_no_number_is_the_first(folder, browser):
    keep(folder, subject="There")
    for page in ("x", "-1", "0"):
        assert "There" in browser.get(f"/mailbox?page={page}").text


def test_a_page_far_behind_the_last_one_is_empty(folder, browser):
    assert browser.get(f"/mailbox?page={'9' * 30}").status_code == 200


def test_a_message_shows_its_text_as_text_and_its_links_as_links(folder, browser):
    key = keep(folder)

    page = browser.get(f"/mailbox/{key}").text

    assert "<script>" not in page
    assert 'href="http://127.0.0.1:8000/issues/87"' in page
    assert "Delivered-To" in page
    assert "<iframe" not in page


def test_the_html_of_a_message_has_an_address_and_a_sandbox_of_its_own(folder, browser):
    key = keep(folder, html=HTML)

    frame = browser.get(f"/mailbox/{key}")
    part = browser.get(f"/mailbox/{key}/html")

    assert f'src="/mailbox/{key}/html"' in frame.text
    assert "frame-src 'self'" in frame.headers["Content-Security-Policy"]
    policy = part.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-top-navigation-by-user-activation")
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert '<base target="_top">' in part.text


def test_a_message_can_be_read_as_it_came(folder, browser):
    key = keep(folder)

    source = browser.get(f"/mailbox/{key}/source")

    assert source.mimetype == "text/plain"
    assert source.data == folder.source(key)


@pytest.mark.parametrize("key", ["nothing", "..", "%2e%2e%2f%2e%2e%2fsecret_key", "1" * 19])
def test_what_is_no_message_is_not_found(folder, browser, key):
    for page in ("", "/html", "/source"):
        assert browser.get(f"/mailbox/{key}{page}").status_code == 404


def test_a_message_without_html_has_no_html_page(folder, browser):
    assert browser.get(f"/mailbox/{keep(folder)}/html").status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"]
)
def test_a_page_elsewhere_that_points_its_name_at_us_reads_nothing(folder, browser, host):
    key = keep(folder)
    for page in ("/mailbox", f"/mailbox/{key}", f"/mailbox/{key}/html", f"/mailbox/{key}/source"):
        assert browser.get(page, headers={"Host": host}).status_code == 404


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
def test_this_machine_reads_it(folder, browser, host):
    assert browser.get("/mailbox", headers={"Host": host}).status_code == 200


def test_a_server_that_listens_for_others_shows_it_to_nobody(folder, browser):
    answer = browser.get("/mailbox", environ_overrides={"SERVER_NAME": "0.0.0.0"})  # noqa: S104  # the point
    assert answer.status_code == 404


def test_with_a_relay_there_is_no_mailbox(client):
    assert client.get("/mailbox").status_code == 404
