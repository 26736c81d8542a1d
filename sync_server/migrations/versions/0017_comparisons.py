"""What each release changes against the one before it, and which uploads were sent together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. The worker counts what earlier releases changed."""
    op.create_table(
        "release_comparison",
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("release", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.Column("staged_at", sa.DateTime(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "release", name=op.f("pk_release_comparison")),
    )
    op.add_column("upload", sa.Column("batch", sa.Integer(), nullable=True))
    op.add_column("upload", sa.Column("recognised", sa.String(length=16), nullable=True))


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("upload") as upload:
        upload.drop_column("recognised")
        upload.drop_column("batch")
    op.drop_table("release_comparison")
