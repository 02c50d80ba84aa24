"""All that an operator can set, checked before any work is taken.

A value comes from the environment (`NEWSLETTER_…`), from `.env`, or from a file of that name
in `/run/secrets` (Docker secrets). Whether this is a trial or production is decided by
`PUBLIC_URL` alone; production has no default for anything secret.
"""

import hashlib
import os
import re
import secrets
import tempfile
from contextlib import suppress
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSource

from newsletter.domain_limits import DomainLimits
from newsletter.locales import LANGUAGES
from newsletter.mail.smtp_address import RelayAddress

PROJECT = Path(__file__).parents[1]
SECRETS_FOLDER = Path("/run/secrets")
PREFIX = "NEWSLETTER_"
ENV_FILE = f"{PREFIX}ENV_FILE"  # names another file than the project's `.env`
ADDRESS = "address"  # in the instance folder: where a trial listens while it runs
TRIAL_URL = "http://127.0.0.1:8000"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
SHORTEST_KEY = 32  # characters
LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 108


class SettingsError(Exception):
    """A setting is missing or impossible; the message names the variable, never its value."""


def _refuse(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{sentence}", {"sentence": sentence})


def _keys(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise _refuse("is required when PUBLIC_URL is not loopback")
    if any(len(key.strip()) < SHORTEST_KEY for key in value.get_secret_value().split(",")):
        raise _refuse(f"needs at least {SHORTEST_KEY} characters in every key")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise _refuse("must look like https://news.example.org")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise _refuse("must be a scheme and a host, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def _database_url(value: str) -> str:
    for scheme in ("postgresql://", "postgres://"):
        if value.startswith(scheme):
            return "postgresql+psycopg://" + value.removeprefix(scheme)
    if not value.startswith(("postgresql+psycopg://", "sqlite:///")):
        raise _refuse("must begin with postgresql:// or sqlite:///")
    return value


def _redis_url(value: str) -> str:
    if value.startswith("unix://"):
        return "redis+socket://" + value.removeprefix("unix://")
    if not value.startswith(("redis://", "rediss://", "redis+socket://")):
        raise _refuse("must begin with redis://, rediss:// or unix://")
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    names = [_relay(url).name for url in value.get_secret_value().split()]
    if not names:
        raise _refuse("must look like smtp://user:password@host:587?starttls=true")
    if len(set(names)) < len(names):
        raise _refuse("names the same relay twice")
    return value


def _relay(url: str) -> RelayAddress:
    try:
        address = RelayAddress.parse(url)
    except ValueError as error:
        raise _refuse(str(error)) from None
    if address.path is not None:
        raise _refuse("must begin with smtp:// or smtps://")
    return address


def _domain_limits(value: str) -> str:
    try:
        DomainLimits.parse(value)
    except ValueError as error:
        raise _refuse(str(error)) from None
    return value


def _patterns(value: str) -> str:
    for pattern in value.split():
        if not pattern.isascii() or not pattern.isprintable() or pattern.count("@") > 1:
            raise _refuse("must look like *@throwaway.example *.spam.example")
        if not pattern.strip("*@."):
            raise _refuse("has a pattern that blocks everybody")
    return value


def _one_line(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise _refuse("must be one line of text")
    return value


def _mailbox(value: str) -> str:
    local, _at, domain = parseaddr(_one_line(value))[1].rpartition("@")
    if not local or not domain:
        raise _refuse("must look like Libya Weekly <news@example.org>")
    return value


def _domain(value: str) -> str:
    if not value.isascii() or "." not in value or any(c in value for c in "@/ <>\r\n\0"):
        raise _refuse("must be a domain name such as news.example.org")
    return value.lower()


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise _refuse("must be one of " + ", ".join(LANGUAGES))
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise _refuse("must be a time zone such as Africa/Tripoli") from None
    return value


def _sender_domain(data: dict[str, Any]) -> str:
    return parseaddr(data["mail_from"])[1].rpartition("@")[2].lower()


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def _folder(path: Path) -> Path:
    """A folder that can be written; made if it is not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise _refuse(f"cannot be made or written: {error.strerror}") from None


def _default_url(data: dict[str, Any]) -> str:
    """Where `newsletter run` listens, or listened last: the links of other commands lead there."""
    try:
        left = _origin((data["instance_path"] / ADDRESS).read_text())
        return left if _is_loopback(left) else TRIAL_URL
    except (OSError, ValueError):  # a refusal is a ValueError
        return TRIAL_URL


def _default_key(data: dict[str, Any]) -> SecretStr:
    """A trial gets a key of its own on first use; production gets none."""
    if not _is_loopback(data["public_url"]):
        return SecretStr("")
    return _trial_key(data["instance_path"])


def _trial_key(instance_path: Path) -> SecretStr:
    """The key kept in the instance folder, made by whichever process comes first."""
    path = instance_path / "secret_key"
    if not path.exists():
        made = path.with_name(f"secret_key.{os.getpid()}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(SHORTEST_KEY))
        with suppress(FileExistsError):  # another process was first; its key counts
            os.link(made, path)
        made.unlink()
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{PREFIX}SECRET_KEY: {path} cannot be read as text") from None
    if not key:
        raise SettingsError(
            f"{PREFIX}SECRET_KEY: {path} is empty; put the key back, or remove the file and a new "
            "one is made"
        )
    return SecretStr(key)


Folder = Annotated[Path, AfterValidator(_folder)]
OneLine = Annotated[str, AfterValidator(_one_line)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Domain = Annotated[str, AfterValidator(_domain)]


class DoubtsPolicy(StrEnum):
    """What becomes of deliveries in doubt: they wait for a person, or are sent again."""

    HOLD = "hold"
    RESEND = "resend"


class Settings(BaseSettings):
    """What an operator may set; frozen. Load it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    instance_path: Folder = PROJECT / "instance"
    public_url: Annotated[str, AfterValidator(_origin)] = Field(default_factory=_default_url)
    secret_key: Annotated[SecretStr, AfterValidator(_keys)] = Field(default_factory=_default_key)
    database_url: Annotated[str, AfterValidator(_database_url)] = Field(
        default_factory=lambda data: f"sqlite:///{data['instance_path'].absolute()}/newsletter.db"
    )
    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(
        default_factory=lambda data: f"unix://{socket_path(data['instance_path'], 'valkey.sock')}"
    )
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = None
    smtp_connections: int = Field(default=4, ge=1, le=500)
    senders_per_issue: int = Field(default=8, ge=1, le=1000)
    give_up_after_hours: int = Field(default=72, ge=1, le=8760)
    messages_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    domain_limits: Annotated[str, AfterValidator(_domain_limits)] = ""
    doubts: DoubtsPolicy = DoubtsPolicy.HOLD
    late_after_minutes: int = Field(default=60, ge=1)
    mail_from: Mailbox = "Libya Weekly Report <news@newsletter.example>"
    bounce_domain: Domain = Field(default_factory=_sender_domain)
    list_id: Domain = Field(default_factory=lambda data: f"weekly.{_sender_domain(data)}")
    publication_name: OneLine = "Libya Weekly Report"
    postal_address: OneLine = "Libya Weekly Report, 1 Example Street, 1000 Exampletown"
    contact: Mailbox = Field(default_factory=lambda data: parseaddr(data["mail_from"])[1])
    default_language: Annotated[str, AfterValidator(_language)] = "en"
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    signups_per_network_per_hour: int = Field(default=60, ge=1)
    signups_per_domain_per_hour: int = Field(default=1000, ge=1)
    signups_per_hour: int = Field(default=5000, ge=1)
    blocked_addresses: Annotated[str, AfterValidator(_patterns)] = ""

    @model_validator(mode="after")
    def _is_complete_for_production(self) -> Self:
        if self.is_trial:
            return self
        for name in ("mail_from", "smtp_url"):
            if name not in self.model_fields_set:
                raise _refuse(f"{PREFIX}{name.upper()} is required when PUBLIC_URL is not loopback")
        if not self.public_url.startswith("https://"):
            raise _refuse(f"{PREFIX}PUBLIC_URL must be https when it is not loopback")
        return self

    @property
    def is_trial(self) -> bool:
        """Nobody else can reach it: made-up secrets and plain http will do."""
        return _is_loopback(self.public_url)

    @property
    def catches_mail(self) -> bool:
        """Mail goes no further than the maildir in the instance folder."""
        return self.is_trial and self.smtp_url is None

    @property
    def relay_urls(self) -> tuple[str, ...]:
        """Where mail is handed over, the preferred relay first.

        Without one, the catcher that `newsletter run` starts.
        """
        if self.smtp_url is None:
            return (f"smtp+unix://{socket_path(self.instance_path, 'mail.sock')}",)
        return tuple(self.smtp_url.get_secret_value().split())

    @property
    def relay_url(self) -> str:
        """The preferred relay."""
        return self.relay_urls[0]

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The first signs, all verify."""
        return tuple(key.strip() for key in self.secret_key.get_secret_value().split(","))

    @property
    def mailbox_path(self) -> Path:
        """The maildir of caught mail."""
        return self.instance_path / "mail"


def socket_path(instance_path: Path, name: str) -> str:
    """A unix socket in the instance folder, or in a private one elsewhere if that path is too long.

    The same folder for every process that has the same instance folder.
    """
    path = instance_path.absolute() / name
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return str(path)
    key = hashlib.sha256(os.fsencode(instance_path.absolute())).hexdigest()[:16]
    return str(Path(tempfile.gettempdir()) / f"newsletter-{os.getuid()}-{key}" / name)


def load_settings(**overrides: Any) -> Settings:
    """Read and check the settings.

    Raises `SettingsError` with one line that names the variable and never shows its value.
    """
    overrides.setdefault("_env_file", os.environ.get(ENV_FILE, PROJECT / ".env"))
    if SECRETS_FOLDER.is_dir():
        overrides.setdefault("_secrets_dir", SECRETS_FOLDER)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_in_one_line(error)) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{overrides['_env_file']} is not text in UTF-8") from None
    except UnreadableSource as error:  # a secret file; says which field, not what is in it
        field = re.sub(r".*field \"(\w+)\".*", r"\1", str(error))
        raise SettingsError(f"{PREFIX}{field.upper()}: its file cannot be read as text") from None


def _in_one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    name = "".join(str(part) for part in first["loc"][:1])
    if not name:
        return first["msg"]
    return f"{PREFIX}{name.upper()}: {first['msg']}"
