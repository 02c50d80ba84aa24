"""Give an issue back as the file that it may be imported from."""

from flask import Response

from newsletter.desk.door import pages
from newsletter.desk.lookup import ISSUE, find_issue
from newsletter.desk.places import find_language
from newsletter.issues.editing import export_issue
from newsletter.pages import download


@pages.get(ISSUE + "/export/<language>.md")
def export(number: int, language: str) -> Response:
    """One language of an issue, as a text file."""
    issue = find_issue(number)
    text = export_issue(issue, find_language(language))
    return download(text, "text/markdown", f"issue-{issue.number}.{language}.md")
