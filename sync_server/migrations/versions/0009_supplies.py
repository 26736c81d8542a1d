"""What suppliers send and have received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "supply_receipt",
        sa.Column("receipt_id", sa.Integer(), primary_key=True),
        sa.Column("number", sa.String(16), nullable=False, unique=True),
        sa.Column("organisation", sa.String(64), nullable=False),
        sa.Column("dataset", sa.String(32), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime()),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("idempotency", sa.String(64)),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("synthetic", sa.Boolean()),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.Column("rows_in", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("withdrawn_for_good", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("delivery_id", sa.Integer()),
        sa.Column("release", sa.Integer()),
        sa.Column("published_at_once", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("organisation", "dataset", "site", "idempotency"),
    )
    op.create_index("ix_supply_receipt_dataset_site", "supply_receipt", ["dataset", "site"])
    op.create_index("ix_supply_receipt_state", "supply_receipt", ["state"])


def downgrade() -> None:
    """Back."""
    op.drop_table("supply_receipt")
