"""Denominators by edition, and needs-assessment packs that were asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "denominator_edition",
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("edition", sa.String(length=60), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("loaded_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "edition", name=op.f("pk_denominator_edition")),
    )
    op.create_table(
        "denominator",
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("edition", sa.String(length=60), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kind", "edition"],
            ["denominator_edition.kind", "denominator_edition.edition"],
            name=op.f("fk_denominator_kind"),
        ),
        sa.PrimaryKeyConstraint("kind", "edition", "level", "code", name=op.f("pk_denominator")),
    )
    op.create_table(
        "needs_request",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("requested_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_needs_request")),
    )
    op.create_index(op.f("ix_needs_request_state"), "needs_request", ["state"])


def downgrade() -> None:
    """Back."""
    op.drop_table("needs_request")
    op.drop_table("denominator")
    op.drop_table("denominator_edition")
