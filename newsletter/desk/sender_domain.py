"""Whether the world can see in DNS that we may send in our own name: SPF, DKIM, DMARC.

Only what anybody can look up is looked up. The relay signs, and how its key is called is the
relay's business: so of DKIM we see only whether the domain has any key at all (RFC 8020).
"""

from collections.abc import Iterator
from datetime import datetime
from email.utils import parseaddr
from enum import StrEnum

import dns.exception
import dns.resolver

from newsletter.issues.findings import Finding, Part, Place
from newsletter.issues.link_checks import FINE, WAITING, verdicts
from newsletter.locales import translatable
from newsletter.settings import Settings

PREFIX = "dns:"  # no address of a page begins so
PATIENCE = 5.0  # seconds


class Record(StrEnum):
    """What is looked for."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"


class Flaw(StrEnum):
    """What is wrong with it."""

    MISSING = "missing"
    SEVERAL = "several"
    OPEN = "open"
    SILENT = "silent"


WORDS = {
    (Record.SPF, Flaw.MISSING): translatable("%(domain)s has no SPF record."),
    (Record.SPF, Flaw.SEVERAL): translatable(
        "%(domain)s has several SPF records: receivers ignore them all."
    ),
    (Record.SPF, Flaw.OPEN): translatable(
        "The SPF record of %(domain)s lets everybody send in its name."
    ),
    (Record.DKIM, Flaw.MISSING): translatable("%(domain)s has no DKIM key."),
    (Record.DMARC, Flaw.MISSING): translatable("%(domain)s has no DMARC record."),
    (Record.DMARC, Flaw.SEVERAL): translatable(
        "%(domain)s has several DMARC records: receivers ignore them all."
    ),
}
SILENT = translatable("The name servers of %(domain)s did not answer when asked for %(record)s.")
UNSEEN = translatable(
    "Nobody has looked up this week whether %(domains)s may send mail (SPF, DKIM, DMARC)."
)
LOOK_IT_UP = translatable("Let our server look it up: it takes seconds.")
REMEDY = translatable(
    "Whoever runs the service sets it right in DNS; until then more mails end among spam."
)


def records(config: Settings) -> list[str]:
    """What stands for each record to be looked up, in the place of an address."""
    return [f"{PREFIX}{record}:{domain}" for record, domain in _domains(config).items()]


def try_record(key: str, resolver: dns.resolver.Resolver) -> str:
    """Look a record up; what is wrong with it, or nothing."""
    record, _, domain = key.removeprefix(PREFIX).partition(":")
    try:
        match Record(record):
            case Record.SPF:
                return _spf(_texts(domain, resolver))
            case Record.DMARC:
                return _dmarc(domain, resolver)
            case Record.DKIM:
                return FINE if _exists(f"_domainkey.{domain}", resolver) else Flaw.MISSING
    except dns.exception.DNSException:
        return Flaw.SILENT


def findings(config: Settings, *, now: datetime) -> Iterator[Finding]:
    """What was found wrong when it was last looked up, or that nobody knows any more."""
    known = verdicts(records(config), now=now)
    unseen = set()
    for record, domain in _domains(config).items():
        row = known.get(f"{PREFIX}{record}:{domain}")
        if row is None or row.fault == WAITING:
            unseen.add(domain)
        elif row.fault != FINE:
            words = WORDS.get((record, Flaw(row.fault)), SILENT)
            facts = {"domain": domain, "record": record.upper()}
            yield Finding(f"sender-{record}", words, REMEDY, facts=facts)
    if unseen:
        facts = {"domains": ", ".join(sorted(unseen))}
        yield Finding("sender-unseen", UNSEEN, LOOK_IT_UP, Place(Part.LINKS), facts)


def _domains(config: Settings) -> dict[Record, str]:
    """Receivers look for SPF at the envelope sender's domain, for the others at that of From."""
    ours = parseaddr(config.mail_from)[1].rpartition("@")[2].lower()
    return {Record.SPF: config.bounce_domain, Record.DKIM: ours, Record.DMARC: ours}


def _spf(texts: list[str]) -> str:
    """RFC 7208 4.5: exactly one record; 5.1: `+all` lets everybody pass."""
    found = [text.lower().split() for text in texts if text.lower().split()[:1] == ["v=spf1"]]
    if not found:
        return Flaw.MISSING
    if len(found) > 1:
        return Flaw.SEVERAL
    return Flaw.OPEN if {"+all", "all"} & set(found[0]) else FINE


def _dmarc(domain: str, resolver: dns.resolver.Resolver) -> str:
    """RFC 7489 6.6.3: at the domain itself, or at one above it; exactly one record."""
    labels = domain.split(".")
    for start in range(max(len(labels) - 1, 1)):
        texts = _texts("_dmarc." + ".".join(labels[start:]), resolver)
        found = [text for text in texts if text.replace(" ", "").lower().startswith("v=dmarc1;")]
        if found:
            return FINE if len(found) == 1 else Flaw.SEVERAL
    return Flaw.MISSING


def _texts(name: str, resolver: dns.resolver.Resolver) -> list[str]:
    """The TXT records of a name, their pieces put together (RFC 7208 3.3)."""
    try:
        answer = resolver.resolve(f"{name}.", "TXT", lifetime=PATIENCE, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return []
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def _exists(name: str, resolver: dns.resolver.Resolver) -> bool:
    """Whether there is anything at a name or below it."""
    try:
        resolver.resolve(f"{name}.", "TXT", lifetime=PATIENCE, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return False
    return True
