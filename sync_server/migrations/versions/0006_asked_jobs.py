"""Publishing jobs say who asked for them and, of a rollback, to which release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. What was asked for before was asked for on the command line."""
    with op.batch_alter_table("publishing_job") as table:
        table.add_column(sa.Column("actor", sa.String(64), nullable=False, server_default="command-line"))
        table.add_column(sa.Column("target", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("publishing_job") as table:
        table.drop_column("target")
        table.drop_column("actor")
