"""Learning: writers' consent, and what was put in service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "learn_consent",
        sa.Column("writer_id", ID, nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["writer_id"], ["writer.id"], name="fk_learn_consent_writer_id_writer"),
        sa.PrimaryKeyConstraint("writer_id", name="pk_learn_consent"),
    )
    op.create_table(
        "learn_service",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("choice", sa.String(length=80), nullable=False),
        sa.Column("writer_id", ID, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["writer_id"], ["writer.id"], name="fk_learn_service_writer_id_writer"),
        sa.PrimaryKeyConstraint("id", name="pk_learn_service"),
    )


def downgrade() -> None:
    raise NotImplementedError("The way back is `spatialbalancing db restore` of a backup.")
