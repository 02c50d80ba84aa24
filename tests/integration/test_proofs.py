"""A proof shows a colleague the very mail, and its links are nobody's."""

import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from newsletter.database import db, transaction
from newsletter.issues import choice as choices
from newsletter.issues.editing import import_issue
from newsletter.issues.editions import NothingChosen, articles_in
from newsletter.issues.models import Format, Issue
from newsletter.issues.proofs import owe_proof
from newsletter.links import TOKEN_LENGTH, Purpose
from newsletter.mail.addresses import BadAddress
from newsletter.notices.models import Notice, NoticeKind
from newsletter.pages import links
from tests.issue_files import sample

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)


@pytest.fixture
def issue(app: Flask) -> Issue:
    with transaction():
        import_issue(sample("en"), now=NOW)
        return import_issue(sample("ar"), now=NOW)


def proof(issue: Issue, **changes: Any) -> Notice:
    wishes: dict[str, Any] = {"language": "en", "choice": choices.ALL, "format": Format.HTML}
    with transaction():
        return owe_proof(issue, "Editor@Example.org", now=NOW, **wishes | changes)


def mail_of(notice: Notice) -> EmailMessage:
    mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(notice.message or b"")
    assert mail.defects == []
    return mail


def contents(mail: EmailMessage) -> dict[str, str]:
    parts = (part for part in mail.walk() if not part.is_multipart())
    return {part.get_content_type(): part.get_content() for part in parts}


def test_a_proof_is_the_edition_with_a_word_before_its_subject(issue):
    notice = proof(issue)

    mail = mail_of(notice)
    assert notice.kind is NoticeKind.ISSUE_TEST
    assert notice.recipient == "Editor@example.org"
    assert mail["Subject"] == "[Test] A quieter coast, a busier south-west"
    assert mail["To"] == "Editor@example.org"
    for article in articles_in(issue, "en"):
        assert all(article.headline in content for content in contents(mail).values())


def test_a_proof_may_be_of_any_choice_language_and_format(issue):
    western = next(a for a in articles_in(issue, "ar") if a.section.slug == "western-response")

    notice = proof(issue, language="ar", choice=choices.bit(western.section_id), format=Format.TEXT)

    (kind, content), *others = contents(mail_of(notice)).items()
    assert (kind, others) == ("text/plain", [])
    assert western.headline in content
    assert "http://127.0.0.1:8000/ar/issues/87/isis-in-action" in content


def test_the_links_in_a_proof_are_well_formed_and_nobodys(issue):
    for content in contents(mail_of(proof(issue))).values():
        found = re.findall(r"/(unsubscribe|preferences)/([\w-]+)", content)
        assert {purpose for purpose, _ in found} == {"unsubscribe", "preferences"}
        for purpose, token in found:
            assert len(token) == TOKEN_LENGTH
            assert links().read(Purpose(purpose), token) == (0, 0)


def test_a_proof_to_no_address_or_of_nothing_is_refused_and_owes_nothing(issue):
    with pytest.raises(BadAddress), transaction():
        owe_proof(issue, "nobody", language="en", choice=choices.ALL, format=Format.HTML, now=NOW)
    with pytest.raises(NothingChosen):
        proof(issue, choice=choices.bit(40))

    assert db.session.scalar(select(func.count()).select_from(Notice)) == 0
