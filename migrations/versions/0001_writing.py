"""Drafts, versions, generations, the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("writer_id", sa.String(length=36), nullable=False),
        sa.Column("draft_id", sa.String(length=36), nullable=True),
        sa.Column("recorder", sa.String(length=36), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("client_ms", sa.BigInteger(), nullable=True),
        sa.Column("server_ms", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("recorder", "seq", name="uq_event_recorder_seq"),
    )
    op.create_index("ix_event_draft_id", "event", ["draft_id"])
    op.create_index("ix_event_writer_id", "event", ["writer_id"])

    op.create_table(
        "writer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_writer"),
        sa.UniqueConstraint("token_hash", name="uq_writer_token_hash"),
    )
    op.create_table(
        "draft",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("writer_id", sa.String(length=36), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["writer_id"], ["writer.id"], name="fk_draft_writer_id_writer"),
        sa.PrimaryKeyConstraint("id", name="pk_draft"),
    )
    op.create_index("ix_draft_writer_id", "draft", ["writer_id"])

    op.create_table(
        "idempotency",
        sa.Column("writer_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("route", sa.String(length=300), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("response", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["writer_id"], ["writer.id"], name="fk_idempotency_writer_id_writer"),
        sa.PrimaryKeyConstraint("writer_id", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])

    op.create_table(
        "paragraph",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("draft_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("on_canvas", sa.Boolean(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("head_version_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name="fk_paragraph_draft_id_draft"),
        sa.ForeignKeyConstraint(
            ["head_version_id"], ["version.id"], name="fk_paragraph_head_version_id_version", use_alter=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_paragraph"),
    )
    op.create_index("ix_paragraph_draft_id", "paragraph", ["draft_id"])

    op.create_table(
        "generation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("draft_id", sa.String(length=36), nullable=False),
        sa.Column("paragraph_id", sa.String(length=36), nullable=False),
        sa.Column("parent_version_id", sa.String(length=36), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("strategy", sa.String(length=80), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("partial", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("ranking", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("moved", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name="fk_generation_draft_id_draft"),
        sa.ForeignKeyConstraint(["paragraph_id"], ["paragraph.id"], name="fk_generation_paragraph_id_paragraph"),
        sa.ForeignKeyConstraint(
            ["parent_version_id"], ["version.id"], name="fk_generation_parent_version_id_version", use_alter=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_generation"),
    )
    op.create_index("ix_generation_draft_id", "generation", ["draft_id"])
    op.create_index("ix_generation_status", "generation", ["status"])

    op.create_table(
        "version",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("draft_id", sa.String(length=36), nullable=False),
        sa.Column("paragraph_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=True),
        sa.Column("strategy", sa.String(length=80), nullable=True),
        sa.Column("prompt", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("prompt_hash", sa.String(length=64), nullable=True),
        sa.Column("sampling", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("tuned_id", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("exposition", sa.Float(), nullable=True),
        sa.Column("engagement", sa.Float(), nullable=True),
        sa.Column("spread", sa.Float(), nullable=True),
        sa.Column("scorer_id", sa.String(length=120), nullable=True),
        sa.Column("human_placement", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("flags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("generation_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name="fk_version_draft_id_draft"),
        sa.ForeignKeyConstraint(["generation_id"], ["generation.id"], name="fk_version_generation_id_generation"),
        sa.ForeignKeyConstraint(["paragraph_id"], ["paragraph.id"], name="fk_version_paragraph_id_paragraph"),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
        sa.UniqueConstraint("draft_id", "number", name="uq_version_draft_id_number"),
    )
    op.create_index("ix_version_generation_id", "version", ["generation_id"])
    op.create_index("ix_version_paragraph_id", "version", ["paragraph_id"])

    op.create_table(
        "version_parent",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["version.id"], name="fk_version_parent_parent_id_version"),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name="fk_version_parent_version_id_version"),
        sa.PrimaryKeyConstraint("version_id", "ordinal", name="pk_version_parent"),
    )
    op.create_index("ix_version_parent_parent_id", "version_parent", ["parent_id"])

    # Two tables that point at each other: SQLite has these keys from the start, PostgreSQL gets them now.
    if op.get_bind().dialect.name != "sqlite":
        for table, column in (("paragraph", "head_version_id"), ("generation", "parent_version_id")):
            op.create_foreign_key(f"fk_{table}_{column}_version", table, "version", [column], ["id"])


def downgrade() -> None:
    raise NotImplementedError("The way back is `spatialbalancing db restore` of a backup.")
