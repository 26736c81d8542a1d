"""The doctor names what is broken, and what to do, however broken it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.doctor import host
from safestats.sync_server.doctor.commands import commands
from safestats.sync_server.doctor.findings import State
from safestats.sync_server.doctor.service import examine
from safestats.sync_server.identity.conditions import publish_conditions
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import open_database, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import ON_POSTGIS, break_audit, copied, empty_database, environment, settings_for
from sqlalchemy import text
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_for(tmp_path_factory.mktemp("well") / "server")
    services = open_services(settings, Part.PUBLISHER)
    create_schema(services.database)
    with services.database.write() as session:
        load_supplied_areas(session, settings.resources_dir / "boundaries" / "london-lsoa-2011.gpkg")
        publish_conditions(session, "test", "Be good.")
    services.close()
    return settings


@pytest.fixture
def well(prepared: Settings, tmp_path: Path) -> Settings:
    settings = copied(prepared, tmp_path / "server")
    settings.data_dir.chmod(0o700)
    return settings


def troubles(settings: Settings) -> dict[str, str]:
    """What fails, by subject, with what to do."""
    return {
        finding.subject: f"{finding.told} → {finding.advice}"
        for finding in examine(settings)
        if finding.state == State.FAIL
    }


@pytest.fixture
def as_owner(well: Settings) -> Iterator[Callable[[str], None]]:
    database = open_database(well, Part.OWNER)

    def run(statement: str) -> None:
        with database.write() as session:
            session.execute(text(statement))

    yield run
    database.engine.dispose()


def test_a_server_that_is_well(well: Settings) -> None:
    findings = list(examine(well))
    assert [finding for finding in findings if finding.state == State.FAIL] == []
    assert all(finding.advice for finding in findings if finding.state != State.OK)
    looked_at = {finding.subject for finding in findings}
    assert {"folder", "keys", "disk", "datasets", "engine", "migrations", "audit", "clock", "worker"} <= looked_at
    if ON_POSTGIS:
        assert {"extensions", "row-level security", "partitions", "audit's tables"} <= looked_at


def test_the_command_ends_with_status_one_where_something_fails(
    well: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(well).items():
        monkeypatch.setenv(name, value)
    good = CliRunner().invoke(commands)
    assert good.exit_code == 0 and " 0 to put right." in good.output
    well.keys_path.chmod(0o644)
    bad = CliRunner().invoke(commands)
    assert bad.exit_code == 1 and "fail  keys: others than its owner" in bad.output and "chmod 600" in bad.output
    well.keys_path.unlink()
    assert "restore it from its backup" in troubles(well)["keys"]


def test_a_folder_that_others_read(well: Settings) -> None:
    well.data_dir.chmod(0o755)
    assert "chmod 700" in troubles(well)["folder"]


def test_no_folder_and_no_database(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "nowhere")
    found = troubles(settings)
    assert "safestats init" in found["folder"] and "safestats init" in found["database"]
    assert not settings.data_dir.exists(), "looking makes nothing"


def test_no_postgresql_that_answers(well: Settings, tmp_path: Path) -> None:
    nobody = f"postgresql+psycopg://safestats_app@/safestats?host={tmp_path}"
    found = list(examine(well.model_copy(update={"database_url": nobody, "publisher_url": nobody, "owner_url": ""})))
    told = [finding.told for finding in found if finding.subject == "database"]
    assert len(told) == 2 and all("does not get in" in line and "\n" not in line for line in told)
    (unset,) = (
        finding.told
        for finding in examine(well.model_copy(update={"database_url": nobody, "publisher_url": "", "owner_url": ""}))
        if finding.subject == "database" and "publisher" in finding.told
    )
    assert "SAFESTATS_PUBLISHER_URL is not set" in unset


def test_a_database_before_init(tmp_path: Path) -> None:
    settings = empty_database(tmp_path / "server")
    settings.data_dir.mkdir()
    open_database(settings, Part.PUBLISHER).engine.connect().close()
    assert "safestats init" in troubles(settings)["migrations"]


def test_an_audit_that_takes_nothing(well: Settings) -> None:
    break_audit(well)
    assert "gives out nothing" in troubles(well)["audit"]


def test_a_full_disk(well: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_LEAST_BYTES", 1 << 60)
    assert "free some space" in troubles(well)["disk"]


def test_a_definition_that_cannot_be_read(well: Settings, tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "mps.toml").write_text("nonsense", encoding="utf-8")
    assert "mps.toml" in troubles(well.model_copy(update={"resources_dir": tmp_path}))["datasets"]


@pytest.mark.embedded
def test_a_damaged_file(well: Settings) -> None:
    content = bytearray(well.database_path.read_bytes())
    for place in range(40_960, len(content) - 4_096, 40_960):
        content[place : place + 2_048] = b"\xff" * 2_048
    well.database_path.write_bytes(content)
    found = troubles(well)
    assert "file" in found or "engine" in found


@pytest.mark.postgis
@pytest.mark.parametrize(
    ("statement", "subject"),
    [
        ("GRANT SELECT ON incident_mps_other TO safestats_app", "partitions"),
        ("ALTER TABLE incident_mps NO FORCE ROW LEVEL SECURITY", "row-level security"),
        ("ALTER TABLE incident_mps DISABLE ROW LEVEL SECURITY", "row-level security"),
        ("GRANT UPDATE ON audit_event TO safestats_app", "audit's tables"),
        ("REVOKE INSERT ON audit_event FROM safestats_app", "audit's tables"),
        ("GRANT CREATE ON SCHEMA public TO safestats_app", "role safestats_app"),
    ],
)
def test_rights_that_are_not_as_they_must_be(
    well: Settings, as_owner: Callable[[str], None], statement: str, subject: str
) -> None:
    as_owner(statement)
    assert "safestats init" in troubles(well)[subject] or "administrator" in troubles(well)[subject]


@pytest.mark.postgis
def test_a_policy_that_lets_everybody_in(well: Settings, as_owner: Callable[[str], None]) -> None:
    services = open_services(well, Part.PUBLISHER)
    with services.database.write() as session:
        session.execute(
            text(
                "INSERT INTO incident_mps (identity, content, delivery_id, from_release, fid_point, fid_grid, "
                "fid_area, period, area_code) VALUES ('a', '', 1, 1, 1, 1, 1, '', 'unplaced')"
            )
        )
    services.close()
    assert troubles(well) == {}
    as_owner("CREATE POLICY everybody ON incident_mps FOR SELECT USING (true)")
    assert "without a scope" in troubles(well)["row-level security"]
