"""The links in our mails to readers are their own, and lead to pages in their language."""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from newsletter.database import db, transaction
from newsletter.mail.rendering import RenderedMail
from newsletter.subscribers.mails import (
    address_changed_mail,
    confirmation_mail,
    links_mail,
    new_address_mail,
    welcome_mail,
)
from newsletter.subscribers.models import AddressChange, Signup, Subscriber, SubscriberState
from newsletter.subscribers.signup import VALID_DAYS
from tests.emails.pages import Page
from tests.factories import make_issue, make_subscriber

OLD, NEW = "amal@old.example", "amal@new.example"
READERS_LINK = re.compile(r"\S+/(?:confirm|never-again|preferences|unsubscribe|new-address)/\S+")


@pytest.fixture(params=["en", "ar"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def reader(app, language) -> Subscriber:
    with transaction():
        return make_subscriber(OLD, language=language)


def asked_by(language: str) -> Signup:
    with transaction():
        signup = Signup(
            nonce=7,
            address=NEW,
            address_key=NEW,
            choice=0,
            language=language,
            source="form:/subscribe",
            wording="I ask for it.",
            asked_at=datetime.now(UTC),
        )
        db.session.add(signup)
    return signup


def change_by(reader: Subscriber, language: str) -> AddressChange:
    with transaction():
        change = AddressChange(
            nonce=7,
            subscriber_id=reader.id,
            address=NEW,
            address_key=NEW,
            language=language,
            asked_at=datetime.now(UTC),
        )
        db.session.add(change)
    return change


def links_in(mail: RenderedMail) -> list[str]:
    """The paths of the reader's own links, found in the text and in the page alike."""
    found = READERS_LINK.findall(mail.text)
    assert set(found) <= set(Page(mail.html).links)
    return [urlsplit(link).path for link in found]


def assert_pages_in(client, language: str, paths: list[str]) -> None:
    for path in paths:
        page = client.get(path)
        assert page.status_code == 200, path
        assert f'<html lang="{language}"' in page.text


def stranger() -> Subscriber:
    with transaction():
        return make_subscriber(NEW, state=SubscriberState.PENDING)


def test_a_confirmation_leads_to_yes_and_to_never_again_and_quotes_nobody(app, language):
    mail = confirmation_mail(asked_by(language), stranger(), valid_days=VALID_DAYS)

    paths = links_in(mail)
    assert [path.split("/")[-2] for path in paths] == ["confirm", "never-again"]
    assert NEW not in mail.text + mail.html


def test_who_reads_us_already_finds_in_a_confirmation_their_own_links_too(client, reader, language):
    mail = confirmation_mail(asked_by(language), reader, valid_days=VALID_DAYS)

    paths = links_in(mail)
    assert [path.split("/")[-2] for path in paths] == [
        "confirm",
        "preferences",
        "unsubscribe",
        "never-again",
    ]
    assert_pages_in(client, language, paths[1:3])
    assert "not on our list" not in mail.text + mail.html


def test_never_again_speaks_the_readers_language_also_when_the_request_is_forgotten(
    client, language, app
):
    signup = asked_by(language)
    paths = links_in(confirmation_mail(signup, stranger(), valid_days=VALID_DAYS))
    with transaction():
        db.session.delete(db.session.get_one(Signup, signup.id))

    assert_pages_in(client, language, paths[1:])


def test_who_asks_for_their_links_gets_those_for_choosing_and_leaving(client, reader, language):
    assert reader.subscription

    paths = links_in(links_mail(reader, reader.subscription))

    assert [path.split("/")[1] for path in paths] == ["preferences", "unsubscribe"]
    assert_pages_in(client, language, paths)


def test_the_mail_to_a_new_address_names_no_other_and_leads_to_a_page(client, reader, language):
    mail = new_address_mail(change_by(reader, language), valid_days=VALID_DAYS)

    assert_pages_in(client, language, links_in(mail))
    assert "@old.example" not in mail.subject + mail.text + mail.html


def test_the_mail_to_the_old_address_names_no_other_and_says_whom_to_ask(app, reader, settings):
    mail = address_changed_mail("en")

    assert links_in(mail) == []
    assert "@new.example" not in mail.subject + mail.text + mail.html
    assert settings.contact.strip("<>").split("<")[-1] in mail.text


def test_a_welcome_tells_in_which_language_the_latest_issue_is(app):
    with transaction():
        reader = make_subscriber(language="ar")
        issue = make_issue(languages=("en",))
        issue.sending_started_at = datetime.now(UTC)
    assert reader.subscription

    page = Page(welcome_mail(reader, reader.subscription).html)

    (link,) = (link for link in page.all("a") if link["href"].endswith("/issues/87"))
    assert (link["lang"], link["dir"]) == ("en", "ltr")
