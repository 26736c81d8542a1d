"""How places compare with the postcodes of their borough, worked out once a release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "rank_table",
        sa.Column("rank_table_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("rights", sa.String(length=64), nullable=False),
        sa.Column("borough", sa.String(length=16), nullable=False),
        sa.Column("first", sa.String(length=7), nullable=False),
        sa.Column("last", sa.String(length=7), nullable=False),
        sa.Column("band", sa.String(length=32), nullable=False),
        sa.Column("left_out", sa.String(length=200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("rank_table_id", name=op.f("pk_rank_table")),
        sa.UniqueConstraint(
            *("dataset", "release", "rights", "borough", "first", "last", "band", "left_out"),
            name="uq_rank_table_question",
        ),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("rank_table")
