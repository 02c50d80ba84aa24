"""What an article has said: its revisions, how they differ, and going back to one."""

from flask import abort, flash, redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.desk.door import current_editor, pages
from newsletter.desk.lookup import now
from newsletter.desk.places import ARTICLE, find_article, names_of
from newsletter.issues import revisions as kept
from newsletter.issues import writing
from newsletter.issues.differences import by_word
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.sections import title_in

REVISION = ARTICLE + "/revisions/<int(max=999999999):version>"


@pages.get(ARTICLE + "/revisions")
def revisions(number: int, slug: str, language: str) -> str:
    """The revisions of an article, the newest first."""
    at = find_article(number, slug, language)
    found = kept.history(at.place)
    return render_template(
        "desk/revisions.html",
        at=at,
        title=title_in(at.issue, at.section, at.language),
        revisions=found,
        standing=writing.standing_at(at.place).version,
        names=names_of(revision.written_by for revision in found),
    )


@pages.get(REVISION)
def revision(number: int, slug: str, language: str, version: int) -> str:
    """One revision, and how it differs from the one before it."""
    at = find_article(number, slug, language)
    shown = kept.find(at.place, version) or abort(404)
    before = kept.before(at.place, version)
    old = kept.words_of(before or shown)
    standing = writing.standing_at(at.place)
    return render_template(
        "desk/revision.html",
        at=at,
        title=title_in(at.issue, at.section, at.language),
        revision=shown,
        before=before,
        is_standing=standing.version == version,
        may_restore=at.issue.state is IssueState.DRAFT and kept.words_of(shown) != standing.words,
        names=names_of([shown.written_by]),
        headline_pieces=by_word(old.headline, shown.headline),
        body_pieces=by_word(old.body, shown.body),
    )


@pages.post(REVISION + "/restore")
def restore(number: int, slug: str, language: str, version: int) -> AnyResponse:
    """Let the article say again what it said in a revision."""
    at = find_article(number, slug, language)
    if kept.find(at.place, version) is None:
        abort(404)
    with transaction():
        writing.restore_article(at.place, version, who=current_editor().address, now=now())
    flash(gettext("Revision %(version)s stands again.", version=version))
    return redirect(url_for("desk.write", **at.address), 303)
