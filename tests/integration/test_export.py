"""An issue at the desk is given back as the file that it may be imported from."""

import pytest

from newsletter.database import db, transaction
from newsletter.issues.editing import export_issue, import_issue
from newsletter.issues.models import Issue
from tests.desk import NOW, at_the_desk
from tests.issue_files import issue_file, sample


def imported(data):
    with transaction():
        return import_issue(data, replace=True, now=NOW)


def state(issue):
    db.session.expire_all()
    found = db.session.get_one(Issue, issue.id)
    words = [(s.language, s.subject, s.preheader, s.version) for s in found.subjects]
    texts = [(a.section_id, a.language, a.headline, a.body, a.version) for a in found.articles]
    return found.date, words, sorted(texts)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_what_is_exported_imports_as_it_was(app, language):
    imported(sample("en"))
    issue = imported(sample("ar"))
    before = state(issue)

    file = export_issue(issue, language)
    imported(file.encode())

    assert state(issue) == before
    assert export_issue(issue, language) == file


def test_the_desk_gives_a_language_as_a_file(app):
    imported(issue_file())
    anna = at_the_desk(app)

    file = anna.get("/desk/issues/87/export/en.md")

    assert file.mimetype == "text/markdown"
    assert file.headers["Content-Disposition"] == 'attachment; filename="issue-87.en.md"'
    assert file.text.startswith("---\nnumber: 87\n")
    assert "# ISIS in Action\n\n## A headline" in file.text
    assert anna.get("/desk/issues/87/export/fr.md").status_code == 404


def test_an_issue_without_a_word_is_a_file_too(app):
    imported(issue_file())
    anna = at_the_desk(app)

    assert 'subject: ""' in anna.get("/desk/issues/87/export/ar.md").text
