"""What each delivery held of a site's month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "measured_return",
        sa.Column("measured_return_id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["delivery.delivery_id"],
            name=op.f("fk_measured_return_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("measured_return_id", name=op.f("pk_measured_return")),
    )
    op.create_index(op.f("ix_measured_return_delivery_id"), "measured_return", ["delivery_id"])
    op.create_index(op.f("ix_measured_return_dataset_month"), "measured_return", ["dataset", "month"])


def downgrade() -> None:
    """Back."""
    op.drop_table("measured_return")
