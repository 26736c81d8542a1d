"""Who may do what in PostgreSQL's database: the one place that grants.

The owner owns the tables, the publisher loads and publishes, the application answers people: it reads incidents only
through the policy below, of the parent tables, and never what a supplier's rejected row held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError
from ..settings import Part, Settings
from .postgis import AREAS, BEGIN_YEAR, DATASET, FINISH_YEAR, PARTITION_FUNCTION, RELEASE

# What both roles may only add to: what was recorded stays.
APPENDED = ("audit_event", "audit_seal", "conditions_of_use")
# What the publisher may only add to, and the application only read.
RECORDED = ("supplier_terms",)
# What the application reads and never writes: loading and publishing are the publisher's.
READ_BY_APPLICATION = (
    "alembic_version",
    "area",
    "area_edition",
    "artefact",
    "delivery",
    "denominator",
    "denominator_edition",
    "layer_slice",
    "measured_return",
    "migration_file",
    "migration_step",
    "never_load",
    "rank_table",
    "recall",
    "release",
    "release_comparison",
)
# What it reads but for these columns: they hold what suppliers sent.
HIDDEN_COLUMNS = {"rejected_row": ("content",)}


@dataclass(frozen=True)
class Roles:
    """The names of the roles under which the parts work."""

    application: str
    publisher: str
    owner: str

    @classmethod
    def of(cls, settings: Settings) -> Roles:
        """Those that the addresses name; raises ``SafeStatsError`` where one is not set or two are the same."""
        names = {part: make_url(settings.url(part)).username for part in Part if settings.url(part)}
        missing = [part for part in Part if not names.get(part)]
        if missing:
            raise SafeStatsError(
                "With PostgreSQL, “safestats init” needs the addresses of all three roles, with their names: set "
                "SAFESTATS_DATABASE_URL, SAFESTATS_PUBLISHER_URL and SAFESTATS_OWNER_URL."
            )
        if len(set(names.values())) < len(names):
            raise SafeStatsError("The application, the publisher and the owner need a role of the database each.")
        return cls(str(names[Part.APPLICATION]), str(names[Part.PUBLISHER]), str(names[Part.OWNER]))


def set_rights(session: Session, roles: Roles, definitions: Mapping[str, DatasetDefinition]) -> None:
    """Give the roles exactly what they need, in the session's transaction: whatever they had besides goes.

    Raises ``SafeStatsError`` where a role does not exist.
    """
    known = set(session.scalars(text("SELECT rolname FROM pg_roles")))
    for role in (roles.application, roles.publisher):
        if role not in known:
            raise SafeStatsError(f"The database has no role “{role}”: have it made (docs/operator.md says how).")
    application, publisher = _quoted(roles.application), _quoted(roles.publisher)
    for function, body in ((PARTITION_FUNCTION, _ADD_YEAR), (BEGIN_YEAR, _BEGIN_YEAR), (FINISH_YEAR, _FINISH_YEAR)):
        session.execute(text(body))
        session.execute(text(f"REVOKE ALL ON FUNCTION {function}(text, integer) FROM PUBLIC"))
        session.execute(text(f"GRANT EXECUTE ON FUNCTION {function}(text, integer) TO {publisher}"))
    session.execute(text(f"GRANT USAGE ON SCHEMA public TO {application}, {publisher}"))
    for name, kind, partition in session.execute(text(_OWNED)).all():
        table = _quoted(name)
        session.execute(text(f"REVOKE ALL ON {table} FROM PUBLIC, {application}, {publisher}"))
        # A year that was begun and never finished is nobody's to read.
        if partition or (kind == "r" and name.startswith("incident_")):
            continue
        if kind == "S":
            session.execute(text(f"GRANT USAGE ON SEQUENCE {table} TO {application}, {publisher}"))
        elif name in APPENDED:
            session.execute(text(f"GRANT SELECT, INSERT ON {table} TO {application}, {publisher}"))
        elif name in RECORDED:
            session.execute(text(f"GRANT SELECT ON {table} TO {application}, {publisher}"))
            session.execute(text(f"GRANT INSERT ON {table} TO {publisher}"))
        elif kind == "p":
            session.execute(text(f"GRANT SELECT ON {table} TO {application}"))
            session.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {publisher}"))
        elif name in HIDDEN_COLUMNS:
            shown = ", ".join(map(_quoted, _columns(session, name, without=HIDDEN_COLUMNS[name])))
            session.execute(text(f"GRANT SELECT ({shown}) ON {table} TO {application}"))
            session.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {publisher}"))
        else:
            writes = "" if name in READ_BY_APPLICATION else ", INSERT, UPDATE, DELETE"
            session.execute(text(f"GRANT SELECT{writes} ON {table} TO {application}"))
            session.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {publisher}"))
    for definition in definitions.values():
        for statement in _policies(definition, application, publisher):
            session.execute(text(statement))


def parents_of(definitions: Mapping[str, DatasetDefinition]) -> list[str]:
    """The tables that bear the policies, by dataset."""
    return [incident_table(definition).name for definition in definitions.values()]


def _policies(definition: DatasetDefinition, application: str, publisher: str) -> Iterable[str]:
    """Rows of the areas, at the release, that ``admit`` has named for this transaction.

    Where nothing was named PostgreSQL fails (the setting is unknown) or, on a connection that is used again, finds
    the setting empty: no row has an area or a release of that name. The lists are made once a query, not once a row.
    """
    table = _quoted(incident_table(definition).name)
    areas = f"(SELECT unnest(string_to_array(current_setting('{AREAS}'), ',')))"
    release = f"(SELECT nullif(current_setting('{RELEASE}'), '')::integer)"
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    for name in ("admitted", "publishing"):
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
    yield (
        f"CREATE POLICY admitted ON {table} FOR SELECT TO {application} USING ("
        f"current_setting('{DATASET}') = '{definition.code}' "
        f"AND from_release <= {release} AND (to_release IS NULL OR to_release > {release}) "
        f"AND (area_code IN {areas} OR borough_code IN {areas}))"
    )
    yield f"CREATE POLICY publishing ON {table} FOR ALL TO {publisher} USING (true) WITH CHECK (true)"


def _columns(session: Session, table: str, without: tuple[str, ...]) -> list[str]:
    found = session.scalars(
        text("SELECT attname FROM pg_attribute WHERE attrelid = :name ::regclass AND attnum > 0 AND NOT attisdropped"),
        {"name": _quoted(table)},
    )
    return [name for name in found if name not in without]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_OWNED = """
SELECT c.relname, c.relkind, c.relispartition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE n.nspname = 'public' AND r.rolname = current_user AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
ORDER BY c.relname
"""

# Stops whoever names another table than a dataset's, or a year that is none.
_ONLY_YEARS = """
    IF year NOT BETWEEN 1900 AND 2199 OR NOT EXISTS (
        SELECT FROM pg_class WHERE oid = to_regclass('public.' || quote_ident(parent)) AND relkind = 'p'
            AND relname LIKE 'incident\\_%'
    ) THEN
        RAISE EXCEPTION 'There is no room to be made for % in %.', year, parent;
    END IF;
"""

# Whether the year has its partition, or rows of it wait among the others.
_IS_TAKEN = """
    taken := to_regclass('public.' || quote_ident(parent || '_' || year)) IS NOT NULL;
    IF NOT taken THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE period >= %L AND period < %L)',
            parent || '_other', year::text, (year + 1)::text) INTO taken;
    END IF;
"""

# The publisher makes partitions through this, without the right to make or alter tables. Rows that a year has among
# the others stay there, and so do those that come: they are found all the same.
_ADD_YEAR = f"""
CREATE OR REPLACE FUNCTION {PARTITION_FUNCTION}(parent text, year integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $body$
DECLARE
    made text := parent || '_' || year;
    taken boolean;
BEGIN
    {_ONLY_YEARS}
    {_IS_TAKEN}
    IF taken THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
        made, parent, year::text, (year + 1)::text);
    RETURN true;
END
$body$
"""

# Very many rows of a year that has no partition go into a bare table, which becomes the partition in the same
# transaction: PostgreSQL copies into it at once, and sorts an index of all rows sooner than it adds them one by one.
# Who begins a year may add rows to it and nothing else, until it is finished. Gives the bare table's name; null where
# there is a partition, or where rows of the year wait among the others.
_BEGIN_YEAR = f"""
CREATE OR REPLACE FUNCTION {BEGIN_YEAR}(parent text, year integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $body$
DECLARE
    bare text := parent || '_' || year;
    taken boolean;
BEGIN
    {_ONLY_YEARS}
    {_IS_TAKEN}
    IF taken THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', bare, parent);
    EXECUTE format('ALTER TABLE public.%I ALTER row_id SET DEFAULT nextval(%L)', bare,
        pg_get_serial_sequence('public.' || quote_ident(parent), 'row_id'));
    EXECUTE format('GRANT INSERT ON public.%I TO %I', bare, session_user);
    RETURN bare;
END
$body$
"""

# One step a call, so that whoever waits may be told, or give up: one index of the parent's after the other, then the
# bare table is made the year's partition. Whether there is more to be done.
_FINISH_YEAR = rf"""
CREATE OR REPLACE FUNCTION {FINISH_YEAR}(parent text, year integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $body$
DECLARE
    bare text := parent || '_' || year;
    begun regclass := to_regclass('public.' || quote_ident(bare));
    made integer;
    wanted record;
BEGIN
    {_ONLY_YEARS}
    IF begun IS NULL OR NOT EXISTS (
        SELECT FROM pg_class WHERE oid = begun AND relkind = 'r' AND NOT relispartition
            AND relowner = current_user::regrole
    ) THEN
        RAISE EXCEPTION 'The year % of % was not begun.', year, parent;
    END IF;
    SELECT count(*) INTO made FROM pg_index WHERE indrelid = begun;
    SELECT indisprimary, pg_get_indexdef(indexrelid) AS definition INTO wanted FROM pg_index
        WHERE indrelid = to_regclass('public.' || quote_ident(parent)) ORDER BY indexrelid OFFSET made LIMIT 1;
    IF FOUND THEN
        IF wanted.indisprimary THEN
            EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY %s', begun, substring(wanted.definition FROM '\(.*\)$'));
        ELSE
            EXECUTE format('CREATE INDEX ON %s USING %s', begun, substring(wanted.definition FROM ' USING (.*)$'));
        END IF;
        RETURN true;
    END IF;
    EXECUTE format('REVOKE ALL ON %s FROM %I', begun, session_user);
    EXECUTE format('ALTER TABLE %s ALTER row_id DROP DEFAULT', begun);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
        parent, begun, year::text, (year + 1)::text);
    RETURN false;
END
$body$
"""
