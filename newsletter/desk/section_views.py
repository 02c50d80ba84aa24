"""The sections at the desk: what they are called, their order, which ones stand. For admins."""

from collections.abc import Callable, Mapping

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import db, transaction
from newsletter.desk.door import current_editor, for_admins, pages
from newsletter.desk.lookup import now
from newsletter.issues import section_changes
from newsletter.issues.models import Section
from newsletter.issues.section_changes import Called, Flaw, UnfitSection, Words, version_of
from newsletter.locales import LANGUAGES
from newsletter.subscribers.counts import readers_of_one_alone

ONE = "/sections/<slug>"


@pages.get("/sections")
@for_admins
def sections() -> str:
    """All sections in their order, and a form for another."""
    return _all()


@pages.post("/sections")
@for_admins
def add_section() -> AnyResponse:
    """Add a section after the others."""
    slug, words = request.form.get("slug", "").strip(), _typed()
    try:
        with transaction():
            section_changes.add_section(slug, words, who=_who(), now=now())
    except UnfitSection as error:
        return Response(_all(slug=slug, words=words, flaws=error.flaws), error.status)
    flash(gettext("The section is added. It is part of the next issue that has a text in it."))
    return _back()


@pages.get(ONE)
@for_admins
def section(slug: str) -> str:
    """What one section is called in each language."""
    found = _find(slug)
    words = section_changes.words_of(found)
    return _one(found, words, seen=version_of(words))


@pages.post(ONE)
@for_admins
def save_section(slug: str) -> AnyResponse:
    """Call it so from now on."""
    found, words, seen = _find(slug), _typed(), request.form.get("seen", "")
    try:
        with transaction():
            others = section_changes.rename_section(slug, words, seen=seen, who=_who(), now=now())
    except UnfitSection as error:
        return Response(_one(found, words, seen=seen, flaws=error.flaws), error.status)
    if others is not None:
        return Response(_one(found, words, seen=version_of(others), others=others), 409)
    flash(gettext("Saved. Articles keep the titles they were written under."))
    return _back()


@pages.post(ONE + "/move")
@for_admins
def move_section(slug: str) -> AnyResponse:
    """Let it change places with the one before or after it."""
    with transaction():
        section_changes.move_section(
            _find(slug).slug, up="up" in request.form, who=_who(), now=now()
        )
    return _back()


@pages.post(ONE + "/retire")
@for_admins
def retire_section(slug: str) -> AnyResponse:
    """Let no new issue have it."""
    return _act(slug, section_changes.retire_section)


@pages.post(ONE + "/back")
@for_admins
def bring_section_back(slug: str) -> AnyResponse:
    """Let a retired one stand again."""
    return _act(slug, section_changes.bring_back)


def _act(slug: str, verb: Callable[..., None]) -> AnyResponse:
    found = _find(slug)
    with transaction():
        verb(found.slug, who=_who(), now=now())
    return _back()


def _all(
    slug: str = "",
    words: Mapping[str, Called] | None = None,
    flaws: Mapping[str, Flaw] | None = None,
) -> str:
    found = list(db.session.scalars(select(Section).order_by(Section.position)))
    return render_template(
        "desk/sections.html",
        standing=[section for section in found if section.retired_at is None],
        retired=[section for section in found if section.retired_at is not None],
        alone=readers_of_one_alone(section.id for section in found),
        slug=slug,
        words=_in_all_languages(words or {}),
        flaws=flaws or {},
    )


def _one(
    section: Section,
    words: Words,
    *,
    seen: str,
    flaws: Mapping[str, Flaw] | None = None,
    others: Words | None = None,
) -> str:
    """The form; with what is wrong, or the `others` that it is called since it was opened."""
    return render_template(
        "desk/section.html",
        section=section,
        words=_in_all_languages(words),
        seen=seen,
        flaws=flaws or {},
        others=others,
    )


def _typed() -> dict[str, Called]:
    """What was typed in each language; those left empty are left out."""
    form = request.form
    typed = {
        tag: Called.typed(form.get(f"title-{tag}", ""), form.get(f"invitation-{tag}", ""))
        for tag in LANGUAGES
    }
    return {tag: called for tag, called in typed.items() if called != Called()}


def _in_all_languages(words: Mapping[str, Called]) -> dict[str, Called]:
    return {tag: words.get(tag, Called()) for tag in LANGUAGES}


def _find(slug: str) -> Section:
    return db.session.scalar(select(Section).where(Section.slug == slug)) or abort(404)


def _who() -> str:
    return current_editor().address


def _back() -> AnyResponse:
    return redirect(url_for("desk.sections"), 303)
