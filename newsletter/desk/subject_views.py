"""Write what an inbox shows of an issue: its subject and preheader in one language."""

from typing import Any

from flask import Response, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.kept_words import keeps_words, told, wants_json, why_too_long
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.desk.places import find_language
from newsletter.desk.writing_views import clock, typed_version
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.front_matter import LONGEST_TITLE
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.issues.subjects import Lines, OtherLines, lines_of
from newsletter.issues.subjects import save_subject as save_lines
from newsletter.issues.writing import TooLong
from newsletter.locales import LANGUAGES
from newsletter.mail.publication import sender

SUBJECT = ISSUE + "/subject/<language>"
SHOWN = {"subject": 60, "preheader": 90}  # characters that most inboxes show


@pages.get(SUBJECT)
@may_send
def write_subject(number: int, language: str) -> str:
    """Ask for subject and preheader."""
    issue = find_issue(number)
    lines, version = lines_of(issue, find_language(language))
    return _page(issue, language, lines=lines, version=version)


@pages.post(SUBJECT)
@may_send
@keeps_words
def save_subject(number: int, language: str) -> AnyResponse:
    """Save them, or show those that somebody else saved meanwhile."""
    issue = find_issue(number)
    find_language(language)
    lines = Lines.typed(
        language, request.form.get("subject", ""), request.form.get("preheader", "")
    )
    who = current_editor().address
    version = typed_version()
    try:
        with transaction():
            outcome = save_lines(issue, lines, based_on=version, who=who, now=now())
    except (FrozenIssue, TooLong) as refusal:
        sentence = _why_not(refusal)
        if wants_json():
            return told(sentence, status=refusal.status)
        html = _page(issue, language, lines=lines, version=version, sentence=sentence)
        return Response(html, refusal.status)
    if isinstance(outcome, OtherLines):
        if wants_json():
            return told(gettext("Somebody changed them while you were writing"), two=True)
        html = _page(issue, language, lines=lines, version=outcome.version, others=outcome.lines)
        return Response(html, 409)
    if wants_json():
        return jsonify(version=outcome.version, at=clock(), complaint="")
    flash(gettext("Saved at %(time)s.", time=clock()))
    return redirect(url_for("desk.write_subject", number=number, language=language), 303)


def _why_not(refusal: FrozenIssue | TooLong) -> str:
    if isinstance(refusal, TooLong):
        return why_too_long(refusal)
    sentence: str = gettext("This issue is no draft any more: its texts stay as they are.")
    return sentence


def _page(issue: Issue, language: str, **facts: Any) -> str:
    return render_template(
        "desk/subject.html",
        issue=issue,
        tag=language,
        other_languages=[other for other in LANGUAGES if other != language],
        may_change=issue.state is IssueState.DRAFT,
        longest=LONGEST_TITLE,
        shown=SHOWN,
        sender=sender(),
        **facts,
    )
