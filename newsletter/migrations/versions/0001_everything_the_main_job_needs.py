"""Everything the main job needs."""

import sqlalchemy as sa
from alembic import op

import newsletter.database

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "editor",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "author",
                "editor",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("created_at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_login_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editor")),
        sa.UniqueConstraint("address_key", name=op.f("uq_editor_address_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "issue",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "scheduled",
                "sending",
                "sent",
                "paused",
                "cancelled",
                name="issuestate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("created_at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revised_at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "sending_started_at", newsletter.database.UtcDateTime(timezone=True), nullable=True
        ),
        sa.Column("completed_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("message_key", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "state <> 'sent' OR completed_at IS NOT NULL", name=op.f("ck_issue_is_complete")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'scheduled', 'cancelled') OR sending_started_at IS NOT NULL",
            name=op.f("ck_issue_sending_has_begun"),
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_issue_number_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue")),
        sa.UniqueConstraint("number", name=op.f("uq_issue_number")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "confirmation",
                "welcome",
                "goodbye",
                "issue_test",
                name="noticekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sending",
                "sent",
                "failed",
                name="noticestate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("message", sa.LargeBinary(), nullable=True),
        sa.Column("counting_key", sa.Text(), nullable=True),
        sa.Column("created_at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("due_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lease_until", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("marked_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("settled_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state <> 'sending' OR marked_at IS NOT NULL", name=op.f("ck_notice_is_marked")
        ),
        sa.CheckConstraint(
            "state IN ('sent', 'failed') OR "
            "(recipient IS NOT NULL AND message IS NOT NULL AND due_at IS NOT NULL)",
            name=op.f("ck_notice_can_be_sent"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notice_counting_key_created_at"),
            ["counting_key", "created_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_notice_due_at"),
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )

    op.create_table(
        "section",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("retired_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id BETWEEN 1 AND 62", name=op.f("ck_section_fits_a_choice")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_section")),
        sa.UniqueConstraint("slug", name=op.f("uq_section_slug")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subscriber",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "confirmed",
                "unsubscribed",
                name="subscriberstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("created_at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("unsubscribed_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("suppressed_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state <> 'confirmed' OR confirmed_at IS NOT NULL", name=op.f("ck_subscriber_is_proved")
        ),
        sa.CheckConstraint(
            "state <> 'unsubscribed' OR unsubscribed_at IS NOT NULL",
            name=op.f("ck_subscriber_has_left"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("address_key", name=op.f("uq_subscriber_address_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("subscriber", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subscriber_state"), ["state"], unique=False)

    op.create_table(
        "suppression",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "hard_bounce",
                "complaint",
                "manual",
                "never_again",
                name="suppressionreason",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("suppressed_at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
        sa.UniqueConstraint("address_hash", name=op.f("uq_suppression_address_hash")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "article",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "section_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("section_title", sa.Text(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_article_issue_id_issue")),
        sa.ForeignKeyConstraint(
            ["section_id"], ["section.id"], name=op.f("fk_article_section_id_section")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article")),
        sa.UniqueConstraint(
            "issue_id",
            "section_id",
            "language",
            name=op.f("uq_article_issue_id_section_id_language"),
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("article", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_article_section_id"), ["section_id"], unique=False)

    op.create_table(
        "consent_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "kind",
            sa.Enum(
                "asked",
                "confirmed",
                "imported",
                "changed",
                "unsubscribed",
                "suppressed",
                name="consentkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("choice", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("signup_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_consent_event_issue_id_issue")
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_consent_event_subscriber_id_subscriber"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_event")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("consent_event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_consent_event_issue_id"),
            ["issue_id"],
            unique=False,
            postgresql_where=sa.text("issue_id IS NOT NULL"),
            sqlite_where=sa.text("issue_id IS NOT NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_consent_event_subscriber_id"), ["subscriber_id"], unique=False
        )

    op.create_table(
        "edition",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("choice", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "format",
            sa.Enum(
                "html", "text", name="format", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("template", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("choice > 0", name=op.f("ck_edition_choice_is_explicit")),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_edition_issue_id_issue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition")),
        sa.UniqueConstraint(
            "issue_id",
            "language",
            "choice",
            "format",
            name=op.f("uq_edition_issue_id_language_choice_format"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "section_title",
        sa.Column(
            "section_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("invitation", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["section_id"], ["section.id"], name=op.f("fk_section_title_section_id_section")
        ),
        sa.PrimaryKeyConstraint("section_id", "language", name=op.f("pk_section_title")),
    )
    op.create_table(
        "sender_slot",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("alive_until", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("slot > 0", name=op.f("ck_sender_slot_slot_is_positive")),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_sender_slot_issue_id_issue")
        ),
        sa.PrimaryKeyConstraint("issue_id", "slot", name=op.f("pk_sender_slot")),
    )
    op.create_table(
        "signup",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("nonce", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("choice", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("asked_at", newsletter.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("answered_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_signup_subscriber_id_subscriber")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signup")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("signup", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_signup_answered_at"),
            ["answered_at"],
            unique=False,
            postgresql_where=sa.text("confirmed_at IS NULL"),
            sqlite_where=sa.text("confirmed_at IS NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_signup_subscriber_id"), ["subscriber_id"], unique=False
        )

    op.create_table(
        "subject",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preheader", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_subject_issue_id_issue")),
        sa.PrimaryKeyConstraint("issue_id", "language", name=op.f("pk_subject")),
    )
    op.create_table(
        "subscription",
        sa.Column(
            "subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("choice", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column(
            "format",
            sa.Enum(
                "html", "text", name="format", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.CheckConstraint("choice >= 0", name=op.f("ck_subscription_choice_is_no_complement")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_subscription_subscriber_id_subscriber"),
        ),
        sa.PrimaryKeyConstraint("subscriber_id", name=op.f("pk_subscription")),
    )
    op.create_table(
        "tally",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("queued", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sending", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sent", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("failed", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("skipped", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("in_doubt", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_tally_issue_id_issue")),
        sa.PrimaryKeyConstraint("issue_id", "slot", name=op.f("pk_tally")),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "edition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("ordinal", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lease_until", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("finished_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_batch_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_batch_issue_id_issue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_issue_id"),
            ["issue_id"],
            unique=False,
            postgresql_where=sa.text("finished_at IS NULL"),
            sqlite_where=sa.text("finished_at IS NULL"),
        )

    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "edition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sending",
                "sent",
                "failed",
                "skipped",
                "in_doubt",
                name="deliverystate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dated_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("marked_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("due_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("settled_at", newsletter.database.UtcDateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state <> 'in_doubt' OR marked_at IS NOT NULL",
            name=op.f("ck_delivery_doubt_was_marked"),
        ),
        sa.CheckConstraint(
            "state <> 'sending' OR marked_at IS NOT NULL", name=op.f("ck_delivery_is_marked")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_delivery_batch_id_batch")
        ),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_delivery_edition_id_edition")
        ),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_delivery_issue_id_issue")
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_delivery_subscriber_id_subscriber")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "issue_id", "subscriber_id", name=op.f("uq_delivery_issue_id_subscriber_id")
        ),
        postgresql_with={"fillfactor": 50},
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_delivery_batch_id"), ["batch_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_delivery_due_at"),
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_delivery_subscriber_id"), ["subscriber_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_delivery_subscriber_id"))
        batch_op.drop_index(
            batch_op.f("ix_delivery_due_at"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_delivery_batch_id"))

    op.drop_table("delivery")
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_batch_issue_id"),
            postgresql_where=sa.text("finished_at IS NULL"),
            sqlite_where=sa.text("finished_at IS NULL"),
        )

    op.drop_table("batch")
    op.drop_table("tally")
    op.drop_table("subscription")
    op.drop_table("subject")
    with op.batch_alter_table("signup", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_signup_subscriber_id"))
        batch_op.drop_index(
            batch_op.f("ix_signup_answered_at"),
            postgresql_where=sa.text("confirmed_at IS NULL"),
            sqlite_where=sa.text("confirmed_at IS NULL"),
        )

    op.drop_table("signup")
    op.drop_table("sender_slot")
    op.drop_table("section_title")
    op.drop_table("edition")
    with op.batch_alter_table("consent_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_event_subscriber_id"))
        batch_op.drop_index(
            batch_op.f("ix_consent_event_issue_id"),
            postgresql_where=sa.text("issue_id IS NOT NULL"),
            sqlite_where=sa.text("issue_id IS NOT NULL"),
        )

    op.drop_table("consent_event")
    with op.batch_alter_table("article", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_article_section_id"))

    op.drop_table("article")
    op.drop_table("suppression")
    with op.batch_alter_table("subscriber", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subscriber_state"))

    op.drop_table("subscriber")
    op.drop_table("section")
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_notice_due_at"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_notice_counting_key_created_at"))

    op.drop_table("notice")
    op.drop_table("issue")
    op.drop_table("editor")
