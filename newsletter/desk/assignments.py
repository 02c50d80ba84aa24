"""Who writes which section of an issue."""

from collections.abc import Collection

from sqlalchemy import delete, insert, literal, select

from newsletter.database import db
from newsletter.desk.models import Assignment, Editor
from newsletter.issues.models import Section


def may_write(editor: Editor, issue_id: int, section_id: int) -> bool:
    """Whether a section's texts are theirs to write: an author's own, an editor's all."""
    if editor.may_send:
        return True
    mine = select(Assignment.editor_id).where(
        Assignment.issue_id == issue_id,
        Assignment.section_id == section_id,
        Assignment.editor_id == editor.id,
    )
    return db.session.scalar(mine) is not None


def people() -> list[Editor]:
    """Everybody who works at the desk today, by what they are called."""
    found = db.session.scalars(select(Editor).where(Editor.ended_at.is_(None)))
    return sorted(found, key=lambda editor: (editor.called.casefold(), editor.id))


def writers_of(issue_id: int) -> dict[int, list[Editor]]:
    """By section, who writes it in this issue; who was let go is left out."""
    found: dict[int, list[Editor]] = {}
    rows = db.session.scalars(select(Assignment).where(Assignment.issue_id == issue_id))
    for row in rows:
        if row.editor.ended_at is None:
            found.setdefault(row.section_id, []).append(row.editor)
    for editors in found.values():
        editors.sort(key=lambda editor: (editor.called.casefold(), editor.id))
    return found


def assign(issue_id: int, section_id: int, editor_ids: Collection[int]) -> None:
    """Let these write a section, and nobody else."""
    db.session.execute(
        delete(Assignment).where(
            Assignment.issue_id == issue_id, Assignment.section_id == section_id
        )
    )
    db.session.add_all(
        Assignment(issue_id=issue_id, section_id=section_id, editor_id=editor_id)
        for editor_id in editor_ids
    )
    db.session.flush()


def hand_on(last_id: int, next_id: int) -> None:
    """Give an issue the writers of another, in the sections and with the people of today."""
    db.session.execute(
        insert(Assignment).from_select(
            ["issue_id", "section_id", "editor_id"],
            select(literal(next_id), Assignment.section_id, Assignment.editor_id)
            .join(Editor, Editor.id == Assignment.editor_id)
            .join(Section, Section.id == Assignment.section_id)
            .where(
                Assignment.issue_id == last_id,
                Editor.ended_at.is_(None),
                Section.retired_at.is_(None),
            ),
        )
    )
