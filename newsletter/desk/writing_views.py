"""Write an article: the page, its saving, and what is shown when two write at once."""

from dataclasses import replace

from flask import Response, abort, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import format_datetime, gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.desk.door import current_editor, pages
from newsletter.desk.kept_words import keeps_words, told, wants_json, why_too_long
from newsletter.desk.lookup import now, typed_id
from newsletter.desk.places import ARTICLE, At, find_article, names_of
from newsletter.issues import writing
from newsletter.issues.differences import by_word
from newsletter.issues.front_matter import LONGEST_TITLE
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.revisions import Words
from newsletter.issues.sections import title_in
from newsletter.issues.writing import Conflict, Frozen, Saved, Standing, TooLong
from newsletter.locales import LANGUAGES

TIME = "HH:mm"


@pages.get(ARTICLE)
def write(number: int, slug: str, language: str) -> str:
    """Write the article of a section, with the preview or another language beside it."""
    at = find_article(number, slug, language)
    standing = writing.standing_at(at.place)
    return _page(at, standing, standing.words)


@pages.post(ARTICLE)
@keeps_words
def save(number: int, slug: str, language: str) -> AnyResponse:
    """Save the article, or show the text that somebody else saved meanwhile."""
    at = find_article(number, slug, language)
    words = Words.typed(request.form.get("headline", ""), request.form.get("body", ""))
    who = current_editor().address
    try:
        if "theirs" in request.form:
            return _take_theirs(at, words)
        with transaction():
            outcome = writing.save_article(
                at.place, words, based_on=typed_version(), who=who, now=now()
            )
    except TooLong as error:
        return _too_long(at, words, error)
    match outcome:
        case Saved():
            return _saved(at, words, outcome)
        case Conflict():
            return _conflict(at, words, outcome)
        case Frozen():
            return _frozen(at)


def typed_version() -> int:
    """The version that the form was made from; 400 if it says none."""
    version = typed_id(request.form.get("based_on", ""))
    return abort(400) if version is None else version


def _saved(at: At, words: Words, saved: Saved) -> AnyResponse:
    complaint = writing.complaint(words)
    if wants_json():
        return jsonify(version=saved.version, at=clock(), complaint=complaint)
    flash(gettext("Saved at %(time)s.", time=clock()))
    return redirect(url_for("desk.write", **at.address), 303)


def _conflict(at: At, mine: Words, conflict: Conflict) -> AnyResponse:
    theirs = conflict.standing
    names = names_of([theirs.by])
    if wants_json():
        return told(
            gettext(
                "%(name)s saved this article meanwhile. Your text is kept: compare the two.",
                name=names.get(theirs.by or "", gettext("Somebody")),
            ),
            two=True,
        )
    html = render_template(
        "desk/conflict.html",
        at=at,
        title=title_in(at.issue, at.section, at.language),
        mine=mine,
        theirs=theirs,
        names=names,
        headline_pieces=by_word(theirs.words.headline, mine.headline),
        body_pieces=by_word(theirs.words.body, mine.body),
        longest_headline=LONGEST_TITLE,
    )
    return Response(html, 409)


def _frozen(at: At) -> AnyResponse:
    """Say that nothing can be changed, and where the text went."""
    sentence = gettext(
        "This issue is no draft any more, so the text was not changed."
        " What you wrote is kept among the revisions."
    )
    if wants_json():
        return told(sentence)
    standing = writing.standing_at(at.place)
    return Response(_page(at, standing, standing.words, complaint=sentence), 409)


def _take_theirs(at: At, mine: Words) -> AnyResponse:
    with transaction():
        writing.keep_aside(at.place, mine, who=current_editor().address, now=now())
    flash(gettext("The other text stands. Yours is kept among the revisions."))
    if wants_json():
        return jsonify({})
    return redirect(url_for("desk.write", **at.address), 303)


def _too_long(at: At, words: Words, error: TooLong) -> AnyResponse:
    sentence = why_too_long(error)
    if wants_json():
        return told(sentence, status=error.status)
    standing = replace(writing.standing_at(at.place), version=typed_version())
    return Response(_page(at, standing, words, complaint=sentence), error.status)


def _page(at: At, standing: Standing, words: Words, *, complaint: str = "") -> str:
    others = [language for language in LANGUAGES if language != at.language]
    beside = request.args.get("beside")
    beside = beside if beside in others else None
    return render_template(
        "desk/write.html",
        at=at,
        title=title_in(at.issue, at.section, at.language),
        standing=standing,
        words=words,
        may_change=at.issue.state is IssueState.DRAFT,
        saves_itself=at.issue.state is IssueState.DRAFT and words == standing.words,
        names=names_of([standing.by, standing.approved_by, at.issue.approved_by]),
        others=others,
        beside=beside,
        other=writing.standing_at(at.in_language(beside).place) if beside else None,
        complaint=complaint or writing.complaint(words),
        longest_headline=LONGEST_TITLE,
    )


def clock() -> str:
    """The time of day, by the clock of whoever writes."""
    return str(format_datetime(now(), TIME))
