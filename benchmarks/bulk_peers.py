"""``python -m safestats.benchmarks.bulk_peers WHAT FILE [CONNINFO]``: others on a police CSV, each in its own process.

``copy`` takes the file into a bare table of PostgreSQL, ``index`` makes indexes like ours afterwards, ``duckdb`` reads
it and counts the rows that are valid, keeping none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import psycopg

_TABLE = "bare_incident"
_COLUMNS = (
    "crime_id text, month text, reported_by text, falls_within text, longitude double precision, "
    "latitude double precision, location text, lsoa_code text, lsoa_name text, crime_type text, outcome text, "
    "context text"
)
_INDEXES = ("crime_id", "month, lsoa_code", "lsoa_code, month", "longitude, latitude")
_BLOCK = 1024 * 1024
_VALID = """
SELECT count(*) FROM read_csv(?, header = true, all_varchar = true) WHERE
    regexp_full_match("Month", '\\d{4}-(0[1-9]|1[0-2])') AND "Crime type" <> '' AND "Location" <> ''
    AND ("Longitude" IS NULL OR TRY_CAST("Longitude" AS DOUBLE) BETWEEN -9 AND 2.5)
    AND ("Latitude" IS NULL OR TRY_CAST("Latitude" AS DOUBLE) BETWEEN 49 AND 61.5)
"""


def copy(file: Path, conninfo: str, *, index: bool = False) -> None:
    """One transaction, on the disk when it ends."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {_TABLE}")
        connection.execute(f"CREATE TABLE {_TABLE} ({_COLUMNS})")
        statement = f"COPY {_TABLE} FROM STDIN (FORMAT csv, HEADER)"
        with connection.cursor().copy(statement) as copying, file.open("rb") as rows:
            while block := rows.read(_BLOCK):
                copying.write(block)
        if index:
            for columns in _INDEXES:
                connection.execute(f"CREATE INDEX ON {_TABLE} ({columns})")
            connection.execute(f"ANALYZE {_TABLE}")


def count_valid(file: Path) -> int:
    """The rows that are valid, as far as a statement can tell."""
    ((valid,),) = duckdb.sql(_VALID, params=[str(file)]).fetchall()
    return int(valid)


if __name__ == "__main__":
    _, what, path, *rest = sys.argv
    if what == "duckdb":
        print(count_valid(Path(path)))
    else:
        copy(Path(path), rest[0], index=what == "index")
