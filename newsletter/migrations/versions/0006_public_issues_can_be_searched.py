"""Public issues can be searched; those that are public already, at once.

SQLite's index follows its table by triggers: whoever makes the table anew (a batch operation)
makes them anew too.
"""

import sqlalchemy as sa
from alembic import op

from newsletter.issues.search import plain, spaced

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Its cost is honest: the planner takes it for cheap otherwise, and does without the index. (A
# function in SQL would be put in place before that is looked at.)
ON_POSTGRESQL = (
    """
    CREATE FUNCTION search_words(headline text, body text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$
    BEGIN
        RETURN array_to_tsvector(array_remove(string_to_array(headline || body, ' '), ''));
    END $$
    """,
    """
    CREATE INDEX ix_search_entry_words ON search_entry
    USING gin (search_words(headline_words, text_words)) WITH (fastupdate = off)
    """,
)
ON_SQLITE = (
    """
    CREATE VIRTUAL TABLE search_index USING fts5(
        headline_words, text_words,
        content = 'search_entry', content_rowid = 'id', tokenize = 'ascii', detail = 'none')
    """,
    """
    CREATE TRIGGER search_entry_written AFTER INSERT ON search_entry BEGIN
        INSERT INTO search_index (rowid, headline_words, text_words)
        VALUES (new.id, new.headline_words, new.text_words);
    END
    """,
    """
    CREATE TRIGGER search_entry_deleted AFTER DELETE ON search_entry BEGIN
        INSERT INTO search_index (search_index, rowid, headline_words, text_words)
        VALUES ('delete', old.id, old.headline_words, old.text_words);
    END
    """,
)
SUBJECTS = """
SELECT issue_id, NULL AS article_id, language, subject AS headline, preheader AS text
FROM subject JOIN issue ON issue.id = issue_id
WHERE sending_started_at IS NOT NULL ORDER BY issue_id, language
"""
ARTICLES = """
SELECT issue_id, article.id AS article_id, language, headline, body AS text
FROM article JOIN issue ON issue.id = issue_id JOIN section ON section.id = section_id
WHERE sending_started_at IS NOT NULL ORDER BY issue_id, position, article.id
"""
AT_ONCE = 100


def upgrade() -> None:
    entries = op.create_table(
        "search_entry",
        _number("id", nullable=False),
        _number("issue_id", nullable=False),
        _number("article_id", nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("headline_words", sa.Text(), nullable=False),
        sa.Column("text_words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_search_entry_issue_id_issue")
        ),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_search_entry_article_id_article")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_entry")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_search_entry_issue_id", "search_entry", ["issue_id"])
    for statement in ON_SQLITE if _is_sqlite() else ON_POSTGRESQL:
        op.execute(statement)
    for query in (SUBJECTS, ARTICLES):
        _index_public(entries, query)


def downgrade() -> None:
    if _is_sqlite():
        op.execute("DROP TABLE search_index")
    op.drop_table("search_entry")
    if not _is_sqlite():
        op.execute("DROP FUNCTION search_words")


def _index_public(entries: sa.Table, query: str) -> None:
    connection = op.get_bind()
    for rows in connection.execute(sa.text(query)).mappings().partitions(AT_ONCE):
        connection.execute(sa.insert(entries), [_entry(row) for row in rows])


def _entry(row: sa.RowMapping) -> dict[str, object]:
    is_article = row["article_id"] is not None
    text = plain(row["text"]) if is_article else row["text"]
    words = {"headline_words": spaced(row["headline"]), "text_words": spaced(text)}
    return {**row, "text": text, **words}


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _number(name: str, *, nullable: bool) -> "sa.Column[int]":
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=nullable)
