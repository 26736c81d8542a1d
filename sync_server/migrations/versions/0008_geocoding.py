"""The review queue of described places, the rows that wait, and the decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "place_review",
        sa.Column("review_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("candidates", sa.JSON(), nullable=False),
        sa.Column("first_seen", sa.DateTime(), nullable=False),
        sa.Column("last_seen", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_place_review")),
        sa.UniqueConstraint("dataset", "site", "text", name=op.f("uq_place_review_dataset_site_text")),
    )
    op.create_table(
        "place_decision",
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("place", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_place_decision")),
        sa.UniqueConstraint("dataset", "site", "text", name=op.f("uq_place_decision_dataset_site_text")),
    )
    op.create_table(
        "place_waiting",
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("review_id", sa.Integer(), nullable=True),
        sa.Column("decision_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["review_id"],
            ["place_review.review_id"],
            name=op.f("fk_place_waiting_review_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["place_decision.decision_id"],
            name=op.f("fk_place_waiting_decision_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset", "identity", name=op.f("pk_place_waiting")),
    )
    op.create_index(op.f("ix_place_waiting_review_id"), "place_waiting", ["review_id"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_index(op.f("ix_place_waiting_review_id"), table_name="place_waiting")
    op.drop_table("place_waiting")
    op.drop_table("place_decision")
    op.drop_table("place_review")
