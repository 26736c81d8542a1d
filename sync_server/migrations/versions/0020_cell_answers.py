"""Answers to questions about rows that are only counted, worked out once a release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "cell_answer",
        sa.Column("cell_answer_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("rights", sa.String(length=64), nullable=False),
        sa.Column("easting", sa.Integer(), nullable=False),
        sa.Column("northing", sa.Integer(), nullable=False),
        sa.Column("first", sa.String(length=7), nullable=False),
        sa.Column("last", sa.String(length=7), nullable=False),
        sa.Column("left_out", sa.String(length=200), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("answered_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cell_answer_id", name=op.f("pk_cell_answer")),
        sa.UniqueConstraint(
            "dataset",
            "release",
            "rights",
            "easting",
            "northing",
            "first",
            "last",
            "left_out",
            name=op.f("uq_cell_answer_question"),
        ),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("cell_answer")
