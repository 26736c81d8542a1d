"""How organisations' pages look, and the base map that each offers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "house_style",
        sa.Column("organisation_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("colour", sa.String(length=7), nullable=False),
        sa.Column("font", sa.String(length=100), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=False),
        sa.Column("logo_words", sa.String(length=200), nullable=False),
        sa.Column("map_address", sa.String(length=500), nullable=False),
        sa.Column("map_layer", sa.String(length=200), nullable=False),
        sa.Column("map_matrix_set", sa.String(length=200), nullable=False),
        sa.Column("map_format", sa.String(length=50), nullable=False),
        sa.Column("map_attribution", sa.String(length=500), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_house_style_organisation_id")),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_house_style")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("house_style")
