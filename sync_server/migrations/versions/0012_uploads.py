"""What publishers upload, and the loads that are jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "upload",
        sa.Column("job_id", sa.Integer(), sa.ForeignKey("publishing_job.id"), primary_key=True, autoincrement=False),
        sa.Column("dataset", sa.String(32), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=True),
        sa.Column("accept_withdrawals", sa.Boolean(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=True),
        sa.Column(
            "delivery_id", sa.Integer(), sa.ForeignKey("delivery.delivery_id", ondelete="SET NULL"), nullable=True
        ),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("comparison", sa.JSON(), nullable=True),
    )


def downgrade() -> None:
    """Back. The jobs of loads go with what they were to load."""
    op.drop_table("upload")
    op.execute("DELETE FROM publishing_job WHERE kind = 'load'")
