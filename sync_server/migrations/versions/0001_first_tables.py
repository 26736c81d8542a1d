"""The tables of the first release; incident tables are made from the dataset definitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "area_edition",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("attribution", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_area_edition")),
    )
    op.create_table(
        "artefact",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("chunks", sa.JSON(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("unreferenced_since", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_artefact")),
    )
    op.create_index(op.f("ix_artefact_dataset"), "artefact", ["dataset"], unique=False)

    op.create_table(
        "conditions_of_use",
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("published_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_conditions_of_use")),
    )
    op.create_table(
        "delivery",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=16), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("area_edition", sa.String(length=32), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("rows_in", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_delivery")),
    )
    op.create_index(op.f("ix_delivery_dataset"), "delivery", ["dataset"], unique=False)

    op.create_table(
        "organisation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("code", name=op.f("uq_organisation_code")),
        sa.UniqueConstraint("name", name=op.f("uq_organisation_name")),
    )
    op.create_table(
        "release",
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("staged_at", sa.DateTime(), nullable=False),
        sa.Column("published_at", sa.DateTime(), nullable=True),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("periods", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "number", name=op.f("pk_release")),
    )
    op.create_table(
        "agreement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=True),
        sa.CheckConstraint("starts <= ends", name="ck_agreement_dates"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_agreement_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
        sa.UniqueConstraint("reference", name=op.f("uq_agreement_reference")),
    )
    op.create_index(
        "uq_agreement_one_active",
        "agreement",
        ["organisation_id", "dataset"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )

    op.create_table(
        "area",
        sa.Column("edition", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("parent", sa.String(length=16), nullable=True),
        sa.Column("shape", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["edition"], ["area_edition.code"], name=op.f("fk_area_edition")),
        sa.PrimaryKeyConstraint("edition", "code", name=op.f("pk_area")),
    )
    op.create_index(op.f("ix_area_edition_level"), "area", ["edition", "level"], unique=False)

    op.create_table(
        "layer_slice",
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("release", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("artefact", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["artefact"], ["artefact.name"], name=op.f("fk_layer_slice_artefact")),
        sa.PrimaryKeyConstraint("dataset", "release", "fingerprint", "period", name=op.f("pk_layer_slice")),
    )
    op.create_index(op.f("ix_layer_slice_artefact"), "layer_slice", ["artefact"], unique=False)

    op.create_table(
        "rejected_row",
        sa.Column("rejected_row_id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("fate", sa.String(length=16), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["delivery.delivery_id"],
            name=op.f("fk_rejected_row_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("rejected_row_id", name=op.f("pk_rejected_row")),
    )
    op.create_index(op.f("ix_rejected_row_delivery_id"), "rejected_row", ["delivery_id"], unique=False)

    op.create_table(
        "user_account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_user_account_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("username", name=op.f("uq_user_account_username")),
    )
    op.create_table(
        "agreement_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agreement_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("groups", sa.String(), nullable=False),
        sa.Column("precision", sa.String(length=8), nullable=False),
        sa.Column("grid_m", sa.Integer(), nullable=False),
        sa.Column("from_month", sa.String(length=7), nullable=False),
        sa.Column("to_month", sa.String(length=7), nullable=False),
        sa.Column("last_months", sa.Integer(), nullable=False),
        sa.Column("may_view", sa.Boolean(), nullable=False),
        sa.Column("may_sync", sa.Boolean(), nullable=False),
        sa.Column("may_export", sa.Boolean(), nullable=False),
        sa.Column("may_publish", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_grant_agreement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_grant")),
        sa.UniqueConstraint("agreement_id", "position", name=op.f("uq_agreement_grant_agreement_id_position")),
    )
    op.create_table(
        "sign_in",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("conditions_version", sa.String(length=32), nullable=False),
        sa.Column("conditions_sha256", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("purpose_detail", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_sign_in_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_in_token_hash")),
    )
    op.create_table(
        "grant_area",
        sa.Column("grant_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["grant_id"], ["agreement_grant.id"], name=op.f("fk_grant_area_grant_id")),
        sa.PrimaryKeyConstraint("grant_id", "code", name=op.f("pk_grant_area")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("grant_area")
    op.drop_table("sign_in")
    op.drop_table("agreement_grant")
    op.drop_table("user_account")
    op.drop_index(op.f("ix_rejected_row_delivery_id"), table_name="rejected_row")

    op.drop_table("rejected_row")
    op.drop_index(op.f("ix_layer_slice_artefact"), table_name="layer_slice")

    op.drop_table("layer_slice")
    op.drop_index(op.f("ix_area_edition_level"), table_name="area")

    op.drop_table("area")
    op.drop_index(
        "uq_agreement_one_active",
        table_name="agreement",
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )

    op.drop_table("agreement")
    op.drop_table("release")
    op.drop_table("organisation")
    op.drop_index(op.f("ix_delivery_dataset"), table_name="delivery")

    op.drop_table("delivery")
    op.drop_table("conditions_of_use")
    op.drop_index(op.f("ix_artefact_dataset"), table_name="artefact")

    op.drop_table("artefact")
    op.drop_table("area_edition")
