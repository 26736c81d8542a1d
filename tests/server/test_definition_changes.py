"""A definition that gains and loses a field: tables and files follow, and until then the layer is being prepared."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.datasets.definitions import read_definition, read_definitions
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.datasets.service import ensure_incident_tables
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.instants import london_today
from safestats.sync_server.publishing.service import lacks_files, publish
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.services import Services, open_database
from safestats.sync_server.settings import PACKAGE_ROOT, Part
from safestats.sync_server.sync.layer import Layer, LayerPreparing, published_layer
from safestats.tests.server.engines import empty_database
from safestats.tests.server.jobs_rig import Commands, eventually
from safestats.tests.server.sync_rig import CAMDEN, CITY, DATASET, Incident, Rig, incidents, open_geopackage
from sqlalchemy import inspect

WEATHER = """
[[fields]]
name = "weather"
alias = "Weather"
type = "text"
group = "core"
"""


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig.make(tmp_path / "server")
    made.organisation("gla")
    made.agree("gla", {"areas": (CAMDEN, CITY, "unplaced")})
    made.stage(*incidents())
    publish(made.services, DATASET)
    return made


def redeclared(rig: Rig, folder: Path, version: int, change: str, drop: str = "") -> Services:
    """The services as they start on changed resources."""
    resources = folder / f"resources-{version}"
    shutil.copytree(PACKAGE_ROOT / "resources", resources)
    path = resources / "datasets" / f"{DATASET}.toml"
    text = path.read_text(encoding="utf-8")
    if drop:
        text = text.replace(f'"{drop}", ', "")  # in the identity
    kept = [part for part in text.split("[[fields]]") if not drop or f'name = "{drop}"' not in part.split("[")[0]]
    bumped = "[[fields]]".join(kept).replace(
        f"version = {rig.services.definitions[DATASET].version}", f"version = {version}", 1
    )
    fields, mark, rest = bumped.partition("[[fields]]")
    path.write_text(fields + change + mark + rest, encoding="utf-8")
    settings = rig.services.settings.model_copy(update={"resources_dir": resources})
    return replace(rig.services, settings=settings, definitions=read_definitions(resources / "datasets"))


def layer(services: Services) -> Layer:
    with services.database.read() as session:
        (scope,) = live_scopes(session, DATASET, services.definitions, london_today())
        return published_layer(session, scope)


def test_a_field_more_and_a_field_less(rig: Rig, tmp_path: Path) -> None:
    before = layer(rig.services)
    gained = redeclared(rig, tmp_path, 2, WEATHER)
    commands = Commands(Rig(gained))
    with pytest.raises(LayerPreparing):
        layer(gained)
    assert layer(rig.services).fingerprint == before.fingerprint, "a server that still runs goes on as it was"
    assert lacks_files(gained, DATASET, london_today())
    commands.run("init")
    assert "weather" in {c["name"] for c in inspect(gained.database.engine).get_columns(f"incident_{DATASET}")}
    assert "release 1 stays as it is (4 files built" in commands.run("publish", DATASET)
    after = layer(gained)
    old, new = ({artefact.name for _, artefact in shown.slices} for shown in (before, after))
    assert not old & new and after.rows == before.rows and after.fingerprint != before.fingerprint
    assert after.snapshot is not None
    rows = open_geopackage(rig.store.path(after.snapshot.name).read_bytes(), tmp_path)
    assert rows.execute(f"SELECT count(*), count(weather), count(street) FROM {DATASET}").fetchone() == (11, 0, 11)

    lost = redeclared(rig, tmp_path, 3, "", drop="street")
    with pytest.raises(LayerPreparing):
        layer(lost)
    # A worker asks for what is missing when it starts.
    with Commands(Rig(lost)).running("worker"):
        eventually(lambda: not lacks_files(lost, DATASET, london_today()), "what is missing is not built")
    shown = layer(lost)
    assert shown.snapshot is not None and shown.rows == before.rows
    rows = open_geopackage(rig.store.path(shown.snapshot.name).read_bytes(), tmp_path)
    assert "street" not in [row[1] for row in rows.execute(f"PRAGMA table_info({DATASET})")]
    # A field that comes back finds what it held.
    again = redeclared(rig, tmp_path, 4, "")
    publish(again, DATASET)
    found = layer(again)
    assert found.snapshot is not None
    rows = open_geopackage(rig.store.path(found.snapshot.name).read_bytes(), tmp_path)
    assert rows.execute(f"SELECT count(street) FROM {DATASET}").fetchone() == (11,)


def test_a_field_of_another_type_is_refused(rig: Rig, tmp_path: Path) -> None:
    numbers = WEATHER.replace('"weather"', '"street"').replace('type = "text"', 'type = "integer"')
    changed = redeclared(rig, tmp_path, 2, numbers, drop="street")
    with pytest.raises(SafeStatsError, match="“street” of mps is declared as integer"):
        ensure_incident_tables(changed.database, changed.definitions)


def test_rows_of_the_gained_field_are_published(rig: Rig, tmp_path: Path) -> None:
    gained = redeclared(rig, tmp_path, 2, WEATHER)
    if not gained.database.embedded:
        with pytest.raises(SafeStatsError, match="“?safestats init”?, which works as the owner"):
            ensure_incident_tables(gained.database, gained.definitions)
    owner = open_database(gained.settings, Part.OWNER)
    prepare_database(owner, gained.settings, gained.definitions)
    owner.engine.dispose()
    rig.stage(Incident(50, CITY, "2025-02"))
    with rig.services.database.write() as session:
        session.connection().exec_driver_sql(f"UPDATE incident_{DATASET} SET weather = 'fog' WHERE identity = '50'")
    assert publish(gained, DATASET).release == 2
    shown = layer(gained)
    assert shown.snapshot is not None and shown.rows == 12
    rows = open_geopackage(rig.store.path(shown.snapshot.name).read_bytes(), tmp_path)
    assert rows.execute(f"SELECT count(*) FROM {DATASET} WHERE weather = 'fog'").fetchone() == (1,)


def test_a_new_field_becomes_a_column_and_rows_stay(tmp_path: Path) -> None:
    database = open_database(empty_database(tmp_path), Part.OWNER)
    supplied = PACKAGE_ROOT / "resources" / "datasets"
    text = (supplied / "lfb.toml").read_text(encoding="utf-8")
    (tmp_path / "lfb.toml").write_text(text[: text.index('[[fields]]\nname = "pumps"')], encoding="utf-8")
    new = read_definition(supplied / "lfb.toml")
    for definition in (read_definition(tmp_path / "lfb.toml"), new, new):
        ensure_incident_tables(database, {"lfb": definition})
    there = {column["name"] for column in inspect(database.engine).get_columns("incident_lfb")}
    assert there == {column.name for column in incident_table(new).columns}
