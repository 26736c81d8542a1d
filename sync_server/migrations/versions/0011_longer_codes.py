"""Codes of datasets of up to 24 characters beside deliveries, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Deliveries name their dataset as all other tables do."""
    _name_datasets(16, 32)


def downgrade() -> None:
    """Codes that are longer must be gone."""
    _name_datasets(32, 16)


def _name_datasets(before: int, after: int) -> None:
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("delivery", "dataset", existing_type=sa.String(before), type_=sa.String(after))
        return
    # Not a table made anew, as batches do: its rejected rows would go with the old one.
    op.drop_index("ix_delivery_dataset", table_name="delivery")
    op.add_column("delivery", sa.Column("named", sa.String(after), nullable=False, server_default=""))
    op.execute("UPDATE delivery SET named = dataset")
    op.drop_column("delivery", "dataset")
    op.execute("ALTER TABLE delivery RENAME COLUMN named TO dataset")
    op.create_index("ix_delivery_dataset", "delivery", ["dataset"])
