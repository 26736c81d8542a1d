"""How far a back-catalogue is loaded; and what was signed on paper elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "migration_step",
        sa.Column("migration_step_id", sa.Integer(), primary_key=True),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_migration_step_plan_kind", "migration_step", ["plan", "kind"])
    op.create_table(
        "migration_file",
        sa.Column("migration_file_id", sa.Integer(), primary_key=True),
        sa.Column("migration_step_id", sa.Integer(), sa.ForeignKey("migration_step.migration_step_id"), nullable=False),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("dataset", sa.String(32), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.UniqueConstraint("plan", "dataset", "site", "name"),
    )
    op.create_index("ix_migration_file_migration_step_id", "migration_file", ["migration_step_id"])
    # What was signed before was signed as the schedule that is kept.
    op.add_column("agreement_signature", sa.Column("paper", sa.String(200), nullable=False, server_default=""))


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("agreement_signature") as table:
        table.drop_column("paper")
    op.drop_table("migration_file")
    op.drop_table("migration_step")
