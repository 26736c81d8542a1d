"""Agreements: their whole life, parties and documents, and the suppliers' terms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _agreement_columns() -> list[sa.Column]:
    return [
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("predecessor", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("lawful_basis", sa.Text(), nullable=False, server_default=""),
        sa.Column("purposes", sa.Text(), nullable=False, server_default=""),
        sa.Column("onward_sharing", sa.Text(), nullable=False, server_default=""),
        sa.Column("retention", sa.Text(), nullable=False, server_default=""),
        sa.Column("review_on", sa.Date(), nullable=True),
        sa.Column("schedule", sa.Text(), nullable=False, server_default=""),
        sa.Column("schedule_sha256", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("document_sha256", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("document_name", sa.String(), nullable=False, server_default=""),
        sa.Column("state_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("state_since", sa.DateTime(), nullable=True),
    ]


def _grant_columns() -> list[sa.Column]:
    return [
        sa.Column("officer_records", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("named_areas", sa.Text(), nullable=False, server_default=""),
        sa.Column("edge_m", sa.Integer(), nullable=False, server_default="0"),
    ]


def upgrade() -> None:
    """Forward."""
    for column in _agreement_columns():
        op.add_column("agreement", column)
    for column in _grant_columns():
        op.add_column("agreement_grant", column)
    op.create_index("ix_agreement_organisation_id_dataset", "agreement", ["organisation_id", "dataset"], unique=False)
    _resize_precision(16)
    op.create_table(
        "agreement_party",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agreement_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_party_agreement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_party")),
        sa.UniqueConstraint("agreement_id", "name", name=op.f("uq_agreement_party_agreement_id_name")),
    )
    op.create_table(
        "agreement_contact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agreement_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_contact_agreement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_contact")),
    )
    op.create_index(op.f("ix_agreement_contact_agreement_id"), "agreement_contact", ["agreement_id"], unique=False)
    op.create_table(
        "agreement_signature",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agreement_id", sa.Integer(), nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("signed_by", sa.String(), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("schedule_sha256", sa.String(length=64), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_signature_agreement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_signature")),
        sa.UniqueConstraint("agreement_id", "party", name=op.f("uq_agreement_signature_agreement_id_party")),
    )
    op.create_table(
        "supplier_terms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.String(), nullable=False),
        sa.Column("groups", sa.String(), nullable=False),
        sa.Column("precision", sa.String(length=16), nullable=False),
        sa.Column("grid_m", sa.Integer(), nullable=False),
        sa.Column("uses", sa.String(), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("suppression_threshold", sa.Integer(), nullable=False),
        sa.Column("retention_months", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("loaded_by", sa.String(length=64), nullable=False),
        sa.Column("loaded_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier_terms")),
        sa.UniqueConstraint("dataset", "version", name=op.f("uq_supplier_terms_dataset_version")),
    )


def downgrade() -> None:
    """Back. What the older tables have no words for must not become more than it was: such grants go."""
    for table in ("supplier_terms", "agreement_signature", "agreement_contact", "agreement_party"):
        op.drop_table(table)
    op.drop_index("ix_agreement_organisation_id_dataset", table_name="agreement")
    op.execute("UPDATE agreement SET state = 'draft' WHERE state = 'signed'")
    # It would still hide its rows from later grants: an area without uses says the same.
    op.execute(
        "UPDATE agreement_grant SET precision = 'area', may_view = false, may_sync = false, may_export = false, "
        "may_publish = false WHERE precision = 'aggregate'"
    )
    _resize_precision(8)
    for column in _grant_columns():
        op.drop_column("agreement_grant", column.name)
    for column in _agreement_columns():
        op.drop_column("agreement", column.name)


def _resize_precision(length: int) -> None:
    """By way of a new column: SQLite alters none, and a table that others refer to is not lightly made anew."""
    op.add_column("agreement_grant", sa.Column("resized", sa.String(length=length), nullable=False, server_default=""))
    op.execute("UPDATE agreement_grant SET resized = precision")
    op.drop_column("agreement_grant", "precision")
    op.execute("ALTER TABLE agreement_grant RENAME COLUMN resized TO precision")
