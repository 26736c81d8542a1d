"""Identities that are never loaded again, and recalls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "recall",
        sa.Column("recall_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("of_release", sa.Integer(), nullable=True),
        sa.Column("before_month", sa.String(length=7), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("may_return", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("incidents", sa.Integer(), nullable=False),
        sa.Column("versions", sa.Integer(), nullable=False),
        sa.Column("months", sa.JSON(), nullable=False),
        sa.Column("agreements", sa.JSON(), nullable=False),
        sa.Column("first_release", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("erased_at", sa.DateTime(), nullable=True),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("recall_id", name=op.f("pk_recall")),
    )
    op.create_index(op.f("ix_recall_dataset"), "recall", ["dataset"], unique=False)
    op.create_table(
        "never_load",
        sa.Column("recall_id", sa.String(length=32), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["recall_id"], ["recall.recall_id"], name=op.f("fk_never_load_recall_id")),
        sa.PrimaryKeyConstraint("recall_id", "identity", name=op.f("pk_never_load")),
    )
    op.create_index(op.f("ix_never_load_dataset_identity"), "never_load", ["dataset", "identity"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_index(op.f("ix_never_load_dataset_identity"), table_name="never_load")
    op.drop_table("never_load")
    op.drop_index(op.f("ix_recall_dataset"), table_name="recall")
    op.drop_table("recall")
