"""Sections have a name in every language, and each issue links to those it speaks in."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from newsletter.database import db, transaction
from newsletter.issues.editing import import_issue
from newsletter.issues.models import Issue, Section, SectionTitle
from newsletter.issues.sections import section_links, section_names, sections_of
from tests.issue_files import issue_file, sample

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("app")


def imported(*files: bytes) -> Issue:
    with transaction():
        return [import_issue(data, now=NOW) for data in files][-1]


def test_a_section_is_known_by_its_slug_and_by_its_title_in_every_language():
    names = section_names()

    assert names["western-response"] == "western-response"
    assert names["Western Response"] == "western-response"
    assert names["الرد الغربي"] == "western-response"
    assert len(names) == 12


def test_a_retired_section_is_not_known_any_more():
    with transaction():
        db.session.execute(update(Section).where(Section.id == 1).values(retired_at=NOW))

    assert len(section_names()) == 9


def test_the_standing_links_lead_to_every_section_of_the_issue_in_order():
    issue = imported(issue_file({"Other Jihadi Actors": "One.", "Western Response": "Two."}))

    links = section_links(issue, "en")

    assert [(link.title, link.invitation) for link in links] == [
        ("Western Response", "to read about Western countries' responses"),
        ("Other Jihadi Actors", "to read about other jihadi actors"),
    ]
    assert links[0].url == "http://127.0.0.1:8000/issues/87/western-response"


def test_the_standing_links_of_another_language_lead_to_pages_in_it():
    links = section_links(imported(sample("en"), sample("ar")), "ar")

    assert [link.title for link in links][:2] == ["داعش على الأرض", "الرد الغربي"]
    assert links[1].url == "http://127.0.0.1:8000/ar/issues/87/western-response"


def test_an_old_issue_keeps_its_titles_and_its_retired_sections():
    issue = imported(issue_file({"Western Response": "Text."}))
    with transaction():
        db.session.execute(update(SectionTitle).values(title="Renamed"))
        db.session.execute(update(Section).values(retired_at=NOW))
        db.session.expire_all()

    assert [section.slug for section in sections_of(issue)] == ["western-response"]
    assert [link.title for link in section_links(issue, "en")] == ["Western Response"]
    assert [link.title for link in section_links(issue, "ar")] == ["Renamed"]
