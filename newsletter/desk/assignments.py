"""Who writes which section of an issue."""

from sqlalchemy import select

from newsletter.database import db
from newsletter.desk.models import Assignment, Editor


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
