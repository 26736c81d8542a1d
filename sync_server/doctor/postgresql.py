"""PostgreSQL's database: versions, roles, row-level security. What must be refused is tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ..database import Database
from ..datasets.definitions import DatasetDefinition
from ..spatial.rights import APPENDED, parents_of
from .findings import Finding, fail, ok, warn

_INIT = "run “safestats init”, which grants what is needed and nothing else"
_NO_RIGHT = "42501"
_LEAST_POSTGRESQL, _LEAST_POSTGIS = 15, (3, 3)


def look_at_engine(database: Database) -> Iterator[Finding]:
    """Versions and the database's ways."""
    with database.read() as session:
        number = int(session.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        version = session.execute(text("SHOW server_version")).scalar_one()
        postgis = session.execute(text("SELECT extversion FROM pg_extension WHERE extname = 'postgis'")).scalar()
        encoding, order = session.execute(
            text("SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()")
        ).one()
        encrypted = session.execute(
            text("SELECT ssl, inet_server_addr() IS NULL FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        ).one()
    if number < _LEAST_POSTGRESQL:
        yield fail("engine", f"PostgreSQL {version}", f"upgrade it to {_LEAST_POSTGRESQL} or later")
    else:
        yield ok("engine", f"PostgreSQL {version}")
    if postgis is None:
        yield fail("extensions", "PostGIS is missing", "let an administrator run CREATE EXTENSION postgis in it")
    elif tuple(int(part) for part in postgis.split(".")[:2]) < _LEAST_POSTGIS:
        yield warn("extensions", f"PostGIS {postgis}", "upgrade it to 3.3 or later, on which SafeStats is tested")
    else:
        yield ok("extensions", f"PostGIS {postgis}")
    if encoding != "UTF8":
        yield fail("encoding", f"the database is in {encoding}", "make a new one with ENCODING 'UTF8'")
    else:
        yield ok("encoding", f"UTF-8, ordered by {order}")
    secure, local = encrypted
    if not secure and not local:
        yield fail(
            "connection",
            "it goes to another address without TLS",
            "add sslmode=verify-full to the addresses and give the database a certificate",
        )
    else:
        yield ok("connection", "by TLS" if secure else "within this machine")


def look_at_roles(databases: Mapping[str, Database]) -> Iterator[Finding]:
    """That the application and the publisher are no more than they should be."""
    for part, database in databases.items():
        with database.read() as session:
            role, owner = session.execute(
                text(
                    "SELECT current_user, pg_get_userbyid(relowner) FROM pg_class "
                    "WHERE oid = to_regclass('public.alembic_version')"
                )
            ).one()
            too_much = session.execute(
                text(
                    "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, "
                    "has_schema_privilege('public', 'CREATE'), pg_has_role(:owner, 'MEMBER'), "
                    "EXISTS (SELECT FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
                    "        WHERE r.rolname = current_user AND c.relpersistence <> 't') "
                    "FROM pg_roles WHERE rolname = current_user"
                ),
                {"owner": owner},
            ).one()
            temporary = session.execute(
                text("SELECT has_database_privilege(current_database(), 'TEMPORARY')")
            ).scalar_one()
        names = ("a superuser", "free of row-level security", "a maker of roles", "a maker of databases")
        more = ("a maker of tables", f"a member of {owner}", "an owner of tables")
        found = [name for name, has in zip((*names, *more), too_much, strict=True) if has]
        if found:
            yield fail(
                f"role {role}",
                f"the {part} is {' and '.join(found)}",
                "let an administrator take that from it (docs/operator.md lists the statements)",
            )
        else:
            yield ok(f"role {role}", f"the {part} owns nothing and passes by nothing")
        if part == "publisher" and not temporary:
            yield fail(
                f"role {role}",
                "the publisher may not make temporary tables, through which it loads",
                f'let an administrator run GRANT TEMPORARY ON DATABASE … TO "{role}"',
            )


def look_at_audit_rights(application: Database) -> Iterator[Finding]:
    """That events can be added and nothing else."""
    wrong = []
    with application.read() as session:
        for table in APPENDED:
            rights = session.execute(
                text(
                    "SELECT "
                    + ", ".join(f"has_table_privilege(:name, '{right}')" for right in ("INSERT", "SELECT"))
                    + ", has_table_privilege(:name, 'UPDATE') OR has_table_privilege(:name, 'DELETE') "
                    "OR has_table_privilege(:name, 'TRUNCATE')"
                ),
                {"name": table},
            ).one()
            if tuple(rights) != (True, True, False):
                wrong.append(table)
    if wrong:
        yield fail(
            "audit's tables", f"the application's rights on {' and '.join(wrong)} are not INSERT and SELECT", _INIT
        )
    else:
        yield ok("audit's tables", "the application may add to them and read them, no more")


def look_at_incidents(application: Database, definitions: Mapping[str, DatasetDefinition]) -> Iterator[Finding]:
    """Row-level security of every dataset: there, forced, and closed to whoever names no scope."""
    trouble = False
    for table in parents_of(definitions):
        for finding in _look_at_table(application, table):
            trouble = True
            yield finding
    if not trouble:
        yield ok("row-level security", f"forced in {len(definitions)} datasets; without a scope nothing is found")
        yield ok("partitions", "the application is refused")


def _look_at_table(application: Database, table: str) -> Iterator[Finding]:
    with application.read() as session:
        state = session.execute(
            text(
                "SELECT relrowsecurity, relforcerowsecurity, relkind FROM pg_class "
                "WHERE oid = to_regclass('public.' || :name)"
            ),
            {"name": table},
        ).one_or_none()
        partitions = list(
            session.scalars(
                text(
                    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                    "WHERE i.inhparent = to_regclass('public.' || :name) ORDER BY 1"
                ),
                {"name": table},
            )
        )
    if state is None:
        yield fail("datasets' tables", f"{table} is missing", "run “safestats init”")
        return
    if tuple(state) != (True, True, "p"):
        yield fail("row-level security", f"it is not forced on {table}", _INIT)
    if _finds(application, f'SELECT FROM "{table}" LIMIT 1'):
        yield fail("row-level security", f"the application reads {table} without a scope", _INIT)
    for partition in partitions:
        if not _refused(application, f'SELECT FROM "{partition}" LIMIT 1'):
            yield fail("partitions", f"the application reads {partition}, past the policy of {table}", _INIT)


def _finds(database: Database, statement: str) -> bool:
    """Whether it finds a row. Where nothing names a scope PostgreSQL fails, or on a used connection finds none."""
    with database.read() as session:
        try:
            return session.execute(text(statement)).first() is not None
        except DBAPIError:
            return False


def _refused(database: Database, statement: str) -> bool:
    """Whether the role lacks the right, whatever there is to be found."""
    with database.read() as session:
        try:
            session.execute(text(statement))
        except DBAPIError as error:
            return getattr(error.orig, "sqlstate", "") == _NO_RIGHT
    return False
