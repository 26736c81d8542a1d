"""``safestats audit``: what an auditor types, and how trouble is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safestats.sync_server.audit.events import EventType
from safestats.sync_server.audit.opening import open_audit
from safestats.sync_server.cli import app
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import initialise, settings_for
from typer.testing import CliRunner


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server's folder, named in the environment, its seals exported elsewhere."""
    settings = settings_for(tmp_path / "server")
    monkeypatch.setenv("SAFESTATS_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("SAFESTATS_AUDIT_EXPORT_DIR", str(tmp_path / "elsewhere"))
    for part, name in ((Part.APPLICATION, "DATABASE"), (Part.PUBLISHER, "PUBLISHER"), (Part.OWNER, "OWNER")):
        monkeypatch.setenv(f"SAFESTATS_{name}_URL", settings.url(part))
    initialise(settings)
    return tmp_path


def done(*words: str) -> str:
    result = CliRunner().invoke(app, ["audit", *words])
    assert result.exit_code == 0, (words, result.output, repr(result.exception))
    return result.output


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["audit", *words])
    assert result.exit_code == 1 and isinstance(result.exception, SafeStatsError), (words, result.output)
    assert "\n" not in str(result.exception)
    return str(result.exception)


def record(number: int, organisation: str) -> None:
    settings = Settings()
    audit = open_audit(settings, settings.url(Part.APPLICATION))
    for _ in range(number):
        audit.record(EventType.LAYER_PULL, actor="a1", organisation=organisation, dataset="mps", rows=3)
    audit.store.close()


def test_from_sealing_to_proving_elsewhere(folder: Path) -> None:
    record(3, "camden")
    assert "1 seal(s) made." in done("seal")
    assert "0 seal(s) made." in done("seal")
    record(2, "brent")
    keys = folder / "keys"
    (line,) = done("keys", "--export-to", str(keys)).splitlines()
    assert line.endswith("in use") and len(list(keys.glob("*.pem"))) == 1
    # Whatever this process does is sealed when it ends; a copy made before that is what an auditor would have.
    told = done("verify", "--seals", str(folder / "elsewhere"), "--public-key", str(keys))
    assert "are in place and unaltered. Up to event" in told and "--seals" not in told
    assert "Name a folder that was kept elsewhere with --seals." in done("verify")
    exported = folder / "exported"
    assert "holds events 1 to" in done("export", str(exported))
    told = done("verify", "--archive", str(exported))
    assert f"{exported}: events 1 to" in told
    (exported / "events.jsonl").write_text("{}\n")
    assert "is not the file that was signed for" in refused("verify", "--archive", str(exported))
    assert "There is no folder" in refused("verify", "--seals", str(folder / "nowhere"))
    assert "cannot be read as a public key" in refused("verify", "--public-key", str(exported / "events.jsonl"))


def test_the_seals_of_another_server_do_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(3, "camden")
    done("seal")
    shutil.copytree(folder / "elsewhere", folder / "mine")
    lines = (folder / "mine" / "seals-000000.jsonl").read_text()
    (folder / "mine" / "seals-000000.jsonl").write_text(lines.replace("mps", "lfb").replace('"count', '"kount'))
    assert "The audit is not intact." in refused("verify", "--seals", str(folder / "mine"))


def test_search_and_list(folder: Path) -> None:
    record(3, "camden")
    record(2, "brent")
    rows = [json.loads(line) for line in done("search", "--organisation", "brent", "--json").splitlines()]
    assert [row["organisation"] for row in rows] == ["brent", "brent"]
    first = CliRunner().invoke(app, ["audit", "search", "--event", "layer.pull", "--size", "3", "--json"])
    assert len(first.stdout.splitlines()) == 3
    assert "There is more: add --before" in first.stderr
    assert "audit.search" in done("list", "--last", "1")
    assert done("search", "--since", "2999").count("\n") == 1  # the headings


def test_the_list_of_events_tells_of_each(folder: Path) -> None:
    told = done("events")
    for event in EventType:
        assert str(event) in told


def test_rotation_and_retention(folder: Path) -> None:
    record(1, "camden")
    done("seal")
    lines = done("keys", "--rotate").splitlines()
    assert len(lines) == 2 and [line.endswith("in use") for line in lines].count(True) == 1
    assert "are in place" in done("verify")
    assert "No time is set" in refused("retention", str(folder / "archive"))
    assert "No sealed batch is that old" in done("retention", str(folder / "archive"), "--months", "1")


def test_seals_that_cannot_be_exported_are_told(folder: Path) -> None:
    (folder / "elsewhere").write_text("")
    record(1, "camden")
    assert f"The seals could not be exported to {folder / 'elsewhere'}" in refused("seal")
