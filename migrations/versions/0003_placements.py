"""Placements by earlier scorers, and measuring again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
JSON = sa.JSON(none_as_null=True)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "earlier_placement",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("exposition", sa.Float(), nullable=False),
        sa.Column("engagement", sa.Float(), nullable=False),
        sa.Column("spread", sa.Float(), nullable=False),
        sa.Column("scorer_id", sa.String(length=120), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name="fk_earlier_placement_version_id_version"),
        sa.PrimaryKeyConstraint("id", name="pk_earlier_placement"),
    )
    op.create_index("ix_earlier_placement_version_id", "earlier_placement", ["version_id"])
    op.create_table(
        "rescore",
        sa.Column("id", ID, nullable=False),
        sa.Column("draft_id", ID, nullable=False),
        sa.Column("scorer_id", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("problem", JSON, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name="fk_rescore_draft_id_draft"),
        sa.PrimaryKeyConstraint("id", name="pk_rescore"),
    )
    op.create_index("ix_rescore_draft_id", "rescore", ["draft_id"])


def downgrade() -> None:
    raise NotImplementedError("The way back is `spatialbalancing db restore` of a backup.")
