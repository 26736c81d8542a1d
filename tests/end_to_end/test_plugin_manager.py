"""Rolled out: QGIS's own plugin manager takes the plugin from the server, upgrades, disables and uninstalls it.

A real QGIS with the settings file that docs/deploying.md tells IT to write; nothing of SafeStats stays, in the window
or in the log.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from safestats.tests.end_to_end.rig import ROOT, LiveServer, ServerFolder

QGIS_SECONDS = 240
NEWER = "0.1.1"
# As docs/deploying.md has it, with the address of the server at hand.
SETTINGS = re.compile(r"```ini\n(\[app\].*?)```", re.DOTALL)
UNATTENDED = re.compile(r"```ini\n(\[PythonPlugins\].*?)```", re.DOTALL)
TELL = """
import json, os
from pathlib import Path
from qgis.PyQt.QtCore import QTimer
from qgis.utils import active_plugins, iface, pluginMetadata
def tell():
    found = {name: pluginMetadata(name, "version") for name in active_plugins}
    Path(os.environ["SAFESTATS_TEST_RESULT"]).write_text(json.dumps(found))
    iface.actionExit().trigger()
QTimer.singleShot(500, tell)
"""
# What QGIS itself logs in a fresh profile on a machine without a session of a user.
OF_QGIS = ("QStandardPaths", "QXcbConnection")


@pytest.fixture(scope="module")
def package() -> Path:
    done = subprocess.run([ROOT / "scripts" / "package.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ROOT / "build" / "safestats.zip"


def newer(package: Path, path: Path) -> Path:
    """The same plugin as version ``NEWER``."""
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "safestats/metadata.txt":
                content = re.sub(rb"(?m)^version=.*$", b"version=" + NEWER.encode(), content)
            new.writestr(entry, content)
    return path


def qgis(folder: Path, settings: Path, code: Path, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A QGIS with a new profile that runs ``code`` and ends; what it tells lies in ``result.json``."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    local = {"HOME": str(folder), "SAFESTATS_LOCAL_ROOT": str(folder / "copies")}
    return subprocess.run(
        ["xvfb-run", "-a", "qgis", "--profiles-path", folder / "profiles", "--globalsettingsfile", settings]
        + ["--nologo", "--noversioncheck", "--code", code],
        env={**keep, **local, "SAFESTATS_TEST_RESULT": str(folder / "result.json"), **more},
        capture_output=True,
        text=True,
        timeout=QGIS_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def told(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a QGIS told that installed, upgraded, disabled and uninstalled the plugin."""
    folder = tmp_path_factory.mktemp("rolled-out")
    home = ServerFolder(folder / "server").initialise()
    served = home.path / "plugin" / "safestats.zip"
    served.parent.mkdir()
    shutil.copyfile(package, served)
    server = LiveServer(home)
    server.start()
    try:
        documented = SETTINGS.search((ROOT / "docs" / "deploying.md").read_text(encoding="utf-8"))
        assert documented is not None
        settings = folder / "qgis_global_settings.ini"
        settings.write_text(documented[1].replace("https://safestats.example.org", server.url), encoding="utf-8")
        result = folder / "result.json"
        more = {
            "SAFESTATS_TEST_NEWER": str(newer(package, folder / "newer.zip")),
            "SAFESTATS_TEST_SERVED": str(served),
        }
        done = qgis(folder, settings, Path(__file__).parent / "plugin_manager.py", more)
        assert result.is_file(), done.stderr[-2000:]
        found = json.loads(result.read_text(encoding="utf-8"))
        return {**found, "server": server.url, "printed": done.stdout + done.stderr, "status": done.returncode}
    finally:
        server.stop()


NOTHING = {
    "widgets": [],
    "menu": [],
    "provider": False,
    "browser": 0,
    "expressions": False,
    "modules": 0,
    "top_levels": [],
    "options": False,
}


def test_every_step_was_taken(told: dict[str, Any]) -> None:
    assert "failed" not in told["steps"], told["steps"]["failed"]
    assert told["steps"]["unloaded"] and told["steps"]["started"]


def test_the_servers_list_is_read_by_the_settings_that_the_docs_give(told: dict[str, Any]) -> None:
    listed = told["steps"]["listed"]
    assert listed["repositories"] == {"SafeStats": ""}
    assert listed["status_exp"] == "not installed" and listed["version_available"] == "0.1.0"


def test_it_installs_and_is_all_there(told: dict[str, Any]) -> None:
    installed = told["steps"]["installed"]
    assert installed["version"] == "0.1.0" and installed["menu"] and installed["provider"]
    assert "SafeStatsToolbar" in installed["widgets"] and len(installed["widgets"]) >= 4
    assert installed["browser"] == 1 and installed["expressions"] and installed["options"]
    assert told["steps"]["server"] == told["server"]  # the address that IT has set


def test_a_newer_one_on_the_server_is_an_upgrade(told: dict[str, Any]) -> None:
    again, upgraded = told["steps"]["listed again"], told["steps"]["upgraded"]
    assert again["status_exp"] == "upgradeable"
    assert upgraded["version"] == NEWER
    assert {**upgraded, "version": ""} == {**told["steps"]["installed"], "version": ""}


def test_disabled_nothing_of_it_is_left_in_the_window(told: dict[str, Any]) -> None:
    assert told["steps"]["disabled"] == NOTHING


def test_uninstalled_its_files_are_gone_too(told: dict[str, Any]) -> None:
    assert told["steps"]["uninstalled"] == {**NOTHING, "files": False}


def test_the_log_has_no_trace_of_it(told: dict[str, Any]) -> None:
    ours = [
        line for line in told["logged"] if "safestats" in f"{line[0]} {line[2]}".lower() or line[0] == "Python error"
    ]
    worse = [line for line in ours if line[1] in (1, 2)]
    assert worse == []
    printed = [line for line in told["printed"].splitlines() if line.strip() and not any(of in line for of in OF_QGIS)]
    assert [line for line in printed if "Traceback" in line or "safestats" in line.lower()] == []
    assert told["status"] == 0


def test_unpacked_for_everybody_it_is_there_without_anybodys_doing(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as zipped:
        zipped.extractall(tmp_path / "plugins")
    documented = UNATTENDED.search((ROOT / "docs" / "deploying.md").read_text(encoding="utf-8"))
    assert documented is not None
    settings, code = tmp_path / "qgis_global_settings.ini", tmp_path / "tell.py"
    settings.write_text(documented[1], encoding="utf-8")
    code.write_text(TELL, encoding="utf-8")
    done = qgis(tmp_path, settings, code, {"QGIS_PLUGINPATH": str(tmp_path / "plugins")})
    active = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert active.get("safestats") == "0.1.0", done.stderr[-2000:]
