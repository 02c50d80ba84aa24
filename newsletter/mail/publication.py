"""The publication as its mails name it: words from the settings, addresses on the web."""

from email.utils import parseaddr

from newsletter.mail.contents import Publication
from newsletter.mail.message import Mailbox
from newsletter.pages import absolute_url, settings


def publication(language: str) -> Publication:
    """What the head and the foot of every mail say, with links to pages in its language."""
    config = settings()
    return Publication(
        name=config.publication_name,
        tagline="",
        postal_address=config.postal_address,
        contact=parseaddr(config.contact)[1],
        home_url=absolute_url("archive.front", language),
        subscribe_url=absolute_url("subscribers.subscribe", language),
    )


def sender() -> Mailbox:
    """Who every mail is from."""
    return Mailbox(*parseaddr(settings().mail_from))
