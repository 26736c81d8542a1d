"""Identity: roles, links, second factors, single sign-on, machine keys, purposes that need a decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _organisation_columns() -> list[sa.Column]:
    return [
        sa.Column("kind", sa.String(length=32), nullable=False, server_default=""),
        sa.Column("remit", sa.Text(), nullable=False, server_default=""),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("oidc_issuer", sa.String(), nullable=False, server_default=""),
        sa.Column("oidc_client_id", sa.String(), nullable=False, server_default=""),
        sa.Column("oidc_client_secret", sa.Text(), nullable=False, server_default=""),
    ]


def _user_columns() -> list[sa.Column]:
    return [
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=True),
        sa.Column("last_sign_in_at", sa.DateTime(), nullable=True),
        sa.Column("totp_secret", sa.String(), nullable=False, server_default=""),
        sa.Column("totp_confirmed_at", sa.DateTime(), nullable=True),
        sa.Column("totp_last_step", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("oidc_subject", sa.String(length=255), nullable=False, server_default=""),
        sa.Column("sso_only", sa.Boolean(), nullable=False, server_default=sa.false()),
    ]


def _sign_in_columns() -> list[sa.Column]:
    return [
        sa.Column("replaced_token_hash", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("channel", sa.String(length=8), nullable=False, server_default="desk"),
        sa.Column("client", sa.String(length=100), nullable=False, server_default=""),
        sa.Column("address", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("factor_failures", sa.Integer(), nullable=False, server_default="0"),
    ]


def upgrade() -> None:
    """Forward."""
    # Columns are added, tables that others refer to never made anew: SQLite would see their rows vanish.
    for table, columns in (("organisation", _organisation_columns()), ("user_account", _user_columns())):
        for column in columns:
            op.add_column(table, column)
    op.add_column("delivery", sa.Column("site", sa.String(length=64), nullable=False, server_default=""))
    op.create_index("uq_user_account_email", "user_account", ["email"], unique=True)
    op.execute("UPDATE user_account SET role = 'system-admin' WHERE role = 'team'")
    with op.batch_alter_table("sign_in") as sign_in:
        sign_in.alter_column(
            "state", existing_type=sa.String(length=8), type_=sa.String(length=16), existing_nullable=False
        )
        for column in _sign_in_columns():
            sign_in.add_column(column)
    op.create_index(op.f("ix_sign_in_user_id"), "sign_in", ["user_id"], unique=False)
    op.create_index(op.f("ix_sign_in_replaced_token_hash"), "sign_in", ["replaced_token_hash"], unique=False)
    # Who signed in before there were second factors signs in again.
    op.execute("UPDATE sign_in SET state = 'ended'")

    op.create_table(
        "organisation_area",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_organisation_area_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "code", name=op.f("pk_organisation_area")),
    )
    op.create_table(
        "user_site",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_user_site_user_id")),
        sa.PrimaryKeyConstraint("user_id", "dataset", "site", name=op.f("pk_user_site")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_recovery_code_user_id")),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "account_link",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.Column("superseded_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_account_link_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_account_link_token_hash")),
    )
    op.create_index(op.f("ix_account_link_user_id"), "account_link", ["user_id"], unique=False)
    op.create_table(
        "machine_key",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_machine_key_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machine_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_machine_key_prefix")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_machine_key_key_hash")),
    )
    op.create_table(
        "oidc_attempt",
        sa.Column("handle_hash", sa.String(length=64), nullable=False),
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(), nullable=False),
        sa.Column("loopback_port", sa.Integer(), nullable=True),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_oidc_attempt_organisation_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_oidc_attempt_user_id")),
        sa.PrimaryKeyConstraint("handle_hash", name=op.f("pk_oidc_attempt")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_oidc_attempt_state_hash")),
    )
    op.create_table(
        "purpose_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_at", sa.DateTime(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_purpose_request_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purpose_request")),
    )
    op.create_index(op.f("ix_purpose_request_user_id"), "purpose_request", ["user_id"], unique=False)
    op.create_table(
        "steering_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.String(length=32), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_steering_decision_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steering_decision")),
        sa.UniqueConstraint("reference", name=op.f("uq_steering_decision_reference")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("steering_decision")
    op.drop_index(op.f("ix_purpose_request_user_id"), table_name="purpose_request")
    op.drop_table("purpose_request")
    op.drop_table("oidc_attempt")
    op.drop_table("machine_key")
    op.drop_index(op.f("ix_account_link_user_id"), table_name="account_link")
    op.drop_table("account_link")
    op.drop_table("recovery_code")
    op.drop_table("user_site")
    op.drop_table("organisation_area")

    op.execute("DELETE FROM sign_in")
    op.drop_index(op.f("ix_sign_in_replaced_token_hash"), table_name="sign_in")
    op.drop_index(op.f("ix_sign_in_user_id"), table_name="sign_in")
    with op.batch_alter_table("sign_in") as sign_in:
        for column in _sign_in_columns():
            sign_in.drop_column(column.name)
        sign_in.alter_column(
            "state", existing_type=sa.String(length=16), type_=sa.String(length=8), existing_nullable=False
        )
    op.drop_index("uq_user_account_email", table_name="user_account")
    op.execute("UPDATE user_account SET role = 'team' WHERE role = 'system-admin'")
    for table, columns in (("user_account", _user_columns()), ("organisation", _organisation_columns())):
        for column in columns:
            # SQLite has it since 3.35, and leaves the rows that refer to the table in peace.
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column.name}")
    op.execute("ALTER TABLE delivery DROP COLUMN site")
