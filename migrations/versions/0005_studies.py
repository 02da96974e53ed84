"""Studies: facilitators, studies, participants, their steps and answers; who, where and when beside each event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
JSON = sa.JSON(none_as_null=True)
TIME = sa.DateTime(timezone=True)


def _id() -> sa.Column[str]:
    return sa.Column("id", ID, nullable=False)


def _key(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")


def upgrade() -> None:
    with op.batch_alter_table("writer") as table:
        table.add_column(sa.Column("setting", JSON, nullable=True))
    with op.batch_alter_table("draft") as table:
        table.add_column(sa.Column("stamp", JSON, nullable=True))
    with op.batch_alter_table("event") as table:
        table.add_column(sa.Column("participant_id", ID, nullable=True))
        table.add_column(sa.Column("condition", sa.String(length=40), nullable=True))
        table.add_column(sa.Column("topic", sa.String(length=40), nullable=True))
        table.add_column(sa.Column("step", sa.String(length=40), nullable=True))
    op.create_index("ix_event_participant_id", "event", ["participant_id"])

    op.create_table(
        "facilitator",
        _id(),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("disabled_at", TIME, nullable=True),
        _key("facilitator"),
        sa.UniqueConstraint("name", name="uq_facilitator_name"),
    )
    op.create_table(
        "facilitator_session",
        _id(),
        sa.Column("facilitator_id", ID, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        _of("facilitator_session", "facilitator_id", "facilitator"),
        _key("facilitator_session"),
        sa.UniqueConstraint("token_hash", name="uq_facilitator_session_token_hash"),
    )
    op.create_index("ix_facilitator_session_facilitator_id", "facilitator_session", ["facilitator_id"])
    op.create_table(
        "study",
        _id(),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("frozen", JSON, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("created_by", ID, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("opened_at", TIME, nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        _of("study", "created_by", "facilitator"),
        _key("study"),
        sa.UniqueConstraint("name", name="uq_study_name"),
    )
    op.create_table(
        "participant",
        _id(),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("link_hash", sa.String(length=64), nullable=False),
        sa.Column("link_revoked_at", TIME, nullable=True),
        sa.Column("writer_id", ID, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("cell", sa.Integer(), nullable=True),
        sa.Column("arms", JSON, nullable=False),
        sa.Column("replaces", ID, nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("holder", ID, nullable=True),
        sa.Column("recorders", JSON, nullable=False),
        sa.Column("excluded", sa.Boolean(), nullable=False),
        sa.Column("excluded_why", sa.Text(), nullable=True),
        sa.Column("completion_code", sa.String(length=40), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("joined_at", TIME, nullable=True),
        sa.Column("seen_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        _of("participant", "study_id", "study"),
        _of("participant", "writer_id", "writer"),
        _key("participant"),
        sa.UniqueConstraint("study_id", "code", name="uq_participant_study_id_code"),
        sa.UniqueConstraint("link_hash", name="uq_participant_link_hash"),
        sa.UniqueConstraint("writer_id", name="uq_participant_writer_id"),
    )
    op.create_index("ix_participant_study_id", "participant", ["study_id"])
    op.create_table(
        "progress",
        _id(),
        sa.Column("participant_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("period", sa.Integer(), nullable=True),
        sa.Column("condition", sa.String(length=40), nullable=True),
        sa.Column("topic", sa.String(length=40), nullable=True),
        sa.Column("draft_id", ID, nullable=True),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("warned", sa.Boolean(), nullable=False),
        sa.Column("load", ID, nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("entered_at", TIME, nullable=False),
        sa.Column("left_at", TIME, nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        _of("progress", "participant_id", "participant"),
        _of("progress", "draft_id", "draft"),
        _key("progress"),
        sa.UniqueConstraint("participant_id", "number", "attempt", name="uq_progress_participant_id_number_attempt"),
    )
    op.create_index("ix_progress_participant_id", "progress", ["participant_id"])
    op.create_table(
        "pause",
        _id(),
        sa.Column("progress_id", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        _of("pause", "progress_id", "progress"),
        _key("pause"),
    )
    op.create_index("ix_pause_progress_id", "pause", ["progress_id"])
    op.create_table(
        "answer",
        _id(),
        sa.Column("participant_id", ID, nullable=False),
        sa.Column("progress_id", ID, nullable=False),
        sa.Column("instrument", sa.String(length=40), nullable=False),
        sa.Column("instrument_version", sa.String(length=40), nullable=False),
        sa.Column("item", sa.String(length=40), nullable=False),
        sa.Column("value", JSON, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _of("answer", "participant_id", "participant"),
        _of("answer", "progress_id", "progress"),
        _key("answer"),
        sa.UniqueConstraint(
            "progress_id", "instrument", "item", "revision", name="uq_answer_progress_id_instrument_item_revision"
        ),
    )
    op.create_index("ix_answer_participant_id", "answer", ["participant_id"])
    op.create_table(
        "consent",
        _id(),
        sa.Column("participant_id", ID, nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _of("consent", "participant_id", "participant"),
        _key("consent"),
    )
    op.create_index("ix_consent_participant_id", "consent", ["participant_id"])
    op.create_table(
        "note",
        _id(),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("participant_id", ID, nullable=True),
        sa.Column("facilitator_id", ID, nullable=True),
        sa.Column("step", sa.String(length=40), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _of("note", "study_id", "study"),
        _of("note", "participant_id", "participant"),
        _of("note", "facilitator_id", "facilitator"),
        _key("note"),
    )
    op.create_index("ix_note_study_id", "note", ["study_id"])
    op.create_index("ix_note_participant_id", "note", ["participant_id"])
    op.create_table(
        "receipt",
        _id(),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _of("receipt", "study_id", "study"),
        _key("receipt"),
        sa.UniqueConstraint("code", name="uq_receipt_code"),
    )
    op.create_index("ix_receipt_study_id", "receipt", ["study_id"])


def downgrade() -> None:
    raise NotImplementedError("The way back is `spatialbalancing db restore` of a backup.")
