"""What the operator has set, each with what it means; nothing secret is among it."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from newsletter.locales import translatable
from newsletter.mail.smtp_address import RelayAddress
from newsletter.settings import PREFIX, Settings

MEANINGS = {
    "public_url": translatable("Where readers find us. On loopback this is a trial."),
    "publication_name": translatable("What the publication is called, on pages and in mails."),
    "mail_from": translatable("Whom mails come from."),
    "contact": translatable("Whom readers can write to."),
    "postal_address": translatable("Stands at the foot of every mail."),
    "default_language": translatable("The language of web addresses without one, and of the desk."),
    "time_zone": translatable("For dates and times, here and in mails."),
    "list_id": translatable("What mail programs know the publication by. It must never change."),
    "bounce_domain": translatable("Where mail servers send back what they cannot deliver."),
    "smtp_url": translatable("The mail servers we hand over to, the preferred one first."),
    "smtp_connections": translatable("Connections that each worker holds open to a mail server."),
    "senders_per_issue": translatable("Workers that send one issue at the same time, at most."),
    "messages_per_second": translatable("How fast all workers together may send."),
    "domain_limits": translatable("How fast mail may go to single domains of readers."),
    "give_up_after_hours": translatable("How long a delivery is tried again before it fails."),
    "doubts": translatable("Whether deliveries in doubt wait for an editor or are sent again."),
    "late_after_minutes": translatable("So late may a scheduled issue still go out by itself."),
    "signups_per_network_per_hour": translatable("Sign-ups that one network may make in an hour."),
    "signups_per_domain_per_hour": translatable("Sign-ups to addresses of one domain in an hour."),
    "signups_per_hour": translatable("Sign-ups in an hour, all together."),
    "blocked_addresses": translatable("Addresses that may not sign up."),
    "database_url": translatable("Where everything is kept."),
    "redis_url": translatable("Where workers hear what there is to do."),
    "instance_path": translatable("The folder for what the service keeps by itself."),
    "trusted_proxies": translatable("How many proxies stand in front of the web server."),
    "secret_key": translatable("Signs every link; old keys stay, so that old links still work."),
}

TRIAL = translatable(
    "This is a trial: the address is one of this machine alone, and nobody else can reach it."
)
NO_RELAY = translatable("No mail leaves this machine: no mail server is set.")
ON_SQLITE = translatable(
    "The database is a file (SQLite). With many readers PostgreSQL is the better choice."
)
EXAMPLE_ADDRESS = translatable(
    "The postal address is the example we came with, and stands so in every mail."
)


@dataclass(frozen=True)
class Setting:
    """One setting: the variable, its value in words, what it means, whether somebody set it."""

    variable: str
    value: str
    meaning: str
    is_set: bool


def list_settings(settings: Settings) -> list[Setting]:
    """All of them, in the order in which an editor would ask."""
    return [
        Setting(
            variable=f"{PREFIX}{name.upper()}",
            value=_shown(name, getattr(settings, name)),
            meaning=meaning,
            is_set=name in settings.model_fields_set,
        )
        for name, meaning in MEANINGS.items()
    ]


def warnings(settings: Settings) -> list[str]:
    """What an admin should know before readers are told of the service."""
    default_address = type(settings).model_fields["postal_address"].default
    found = {
        TRIAL: settings.is_trial,
        NO_RELAY: settings.catches_mail,
        ON_SQLITE: not settings.is_trial and settings.database_url.startswith("sqlite"),
        EXAMPLE_ADDRESS: settings.postal_address == default_address,
    }
    return [sentence for sentence, holds in found.items() if holds]


def _shown(name: str, value: object) -> str:
    """A value without what is secret in it; nothing where nothing is set."""
    show = WITHOUT_SECRETS.get(name)
    if value is None or value == "":
        return ""
    return show(value) if show else str(value)


def _relays(urls: object) -> str:
    text = urls.get_secret_value() if isinstance(urls, SecretStr) else ""
    return ", ".join(RelayAddress.parse(url).name for url in text.split())


def _keys(keys: object) -> str:
    text = keys.get_secret_value() if isinstance(keys, SecretStr) else ""
    return "••• × " + str(len(text.split(",")))


def _place(url: object) -> str:
    """An address without user, password and options: any of them may be secret."""
    parts = urlsplit(str(url))
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


WITHOUT_SECRETS: dict[str, Callable[[object], str]] = {
    "smtp_url": _relays,
    "secret_key": _keys,
    "database_url": _place,
    "redis_url": _place,
}
