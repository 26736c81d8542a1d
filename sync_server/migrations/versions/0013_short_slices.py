"""Short slices for the newest days: a period may be a day (``2026-11-20``)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_MONTH, _DAY = 7, 10


def upgrade() -> None:
    """Room for days beside slices and files."""
    _name_periods(_MONTH, _DAY)


def downgrade() -> None:
    """Slices of days are built anew, as months, by the next publishing: their files go with it."""
    op.execute(f"DELETE FROM layer_slice WHERE length(period) > {_MONTH}")
    op.execute(f"DELETE FROM artefact WHERE length(period) > {_MONTH}")
    _name_periods(_DAY, _MONTH)


def _name_periods(before: int, after: int) -> None:
    if op.get_context().dialect.name == "sqlite":
        # Nothing refers to a slice; files are referred to, and gain a column in place.
        with op.batch_alter_table("layer_slice") as slices:
            slices.alter_column("period", existing_type=sa.String(before), type_=sa.String(after))
        op.add_column("artefact", sa.Column("of_period", sa.String(after), nullable=True))
        op.execute("UPDATE artefact SET of_period = period")
        op.drop_column("artefact", "period")
        op.execute("ALTER TABLE artefact RENAME COLUMN of_period TO period")
        return
    for table in ("layer_slice", "artefact"):
        op.alter_column(table, "period", existing_type=sa.String(before), type_=sa.String(after))
