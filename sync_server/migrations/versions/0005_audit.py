"""The audit on PostgreSQL: events and seals. The embedded audit is a file of its own and makes its tables itself."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Texts compare as their bytes: instants and codes, whatever the database's language.
_TABLES = """
CREATE TABLE audit_event (
    number bigint CONSTRAINT pk_audit_event PRIMARY KEY,
    once text COLLATE "C" CONSTRAINT uq_audit_event_once UNIQUE,
    at text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    organisation text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    body text NOT NULL,
    hash text COLLATE "C" NOT NULL
);
CREATE INDEX ix_audit_event_at ON audit_event (at);
CREATE INDEX ix_audit_event_actor ON audit_event (actor);
CREATE INDEX ix_audit_event_organisation ON audit_event (organisation);
CREATE INDEX ix_audit_event_dataset ON audit_event (dataset);
CREATE TABLE audit_seal (
    number bigint CONSTRAINT pk_audit_seal PRIMARY KEY,
    body text NOT NULL,
    signature text COLLATE "C" NOT NULL
);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit is append-only.';
END
$$;
CREATE TRIGGER audit_event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_seal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
"""


def upgrade() -> None:
    """Forward."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_TABLES)


def downgrade() -> None:
    """Back. Events are not thrown away: an audit that holds any stops it."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT 1 FROM audit_event) THEN
                RAISE EXCEPTION 'The audit holds events: export it before going back.';
            END IF;
        END $$;
        DROP TABLE audit_seal;
        DROP TABLE audit_event;
        DROP FUNCTION audit_is_append_only();
        """
    )
