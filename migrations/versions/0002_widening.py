"""Combining, undo, sources, kept prompts, goals, Muse, archived versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
JSON = sa.JSON(none_as_null=True)
TIME = sa.DateTime(timezone=True)


def _of_draft(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name=f"fk_{table}_draft_id_draft")


def upgrade() -> None:
    with op.batch_alter_table("version") as table:
        table.add_column(sa.Column("archived", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("version") as table:
        table.alter_column("archived", server_default=None)
    with op.batch_alter_table("generation") as table:
        table.add_column(sa.Column("other_version_id", ID, nullable=True))
        table.add_column(sa.Column("mix", sa.Float(), nullable=True))
        table.create_foreign_key("fk_generation_other_version_id_version", "version", ["other_version_id"], ["id"])

    op.create_table(
        "step",
        sa.Column("id", ID, nullable=False),
        sa.Column("draft_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("paragraph_id", ID, nullable=True),
        sa.Column("changes", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        _of_draft("step"),
        sa.ForeignKeyConstraint(["paragraph_id"], ["paragraph.id"], name="fk_step_paragraph_id_paragraph"),
        sa.PrimaryKeyConstraint("id", name="pk_step"),
        sa.UniqueConstraint("draft_id", "number", name="uq_step_draft_id_number"),
    )
    op.create_table(
        "source",
        sa.Column("id", ID, nullable=False),
        sa.Column("draft_id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _of_draft("source"),
        sa.PrimaryKeyConstraint("id", name="pk_source"),
    )
    op.create_index("ix_source_draft_id", "source", ["draft_id"])
    op.create_table(
        "saved_prompt",
        sa.Column("id", ID, nullable=False),
        sa.Column("writer_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["writer_id"], ["writer.id"], name="fk_saved_prompt_writer_id_writer"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_prompt"),
    )
    op.create_index("ix_saved_prompt_writer_id", "saved_prompt", ["writer_id"])
    op.create_table(
        "goal",
        sa.Column("id", ID, nullable=False),
        sa.Column("draft_id", ID, nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("engagement_low", sa.Float(), nullable=False),
        sa.Column("engagement_high", sa.Float(), nullable=False),
        sa.Column("exposition_low", sa.Float(), nullable=False),
        sa.Column("exposition_high", sa.Float(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _of_draft("goal"),
        sa.PrimaryKeyConstraint("id", name="pk_goal"),
    )
    op.create_index("ix_goal_draft_id", "goal", ["draft_id"])
    op.create_table(
        "muse_card",
        sa.Column("id", ID, nullable=False),
        sa.Column("draft_id", ID, nullable=False),
        sa.Column("topic", sa.String(length=120), nullable=False),
        sa.Column("observation", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("cites", JSON, nullable=False),
        sa.Column("action", JSON, nullable=True),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("tuned_id", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        _of_draft("muse_card"),
        sa.PrimaryKeyConstraint("id", name="pk_muse_card"),
    )
    op.create_index("ix_muse_card_draft_id", "muse_card", ["draft_id"])


def downgrade() -> None:
    raise NotImplementedError("The way back is `spatialbalancing db restore` of a backup.")
