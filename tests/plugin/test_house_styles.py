"""House style and base map from the server to the desk: asked for, kept for the time without it, fetched by range."""

from __future__ import annotations

import subprocess
import time
from base64 import b64encode
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QBuffer, QIODevice
from qgis.PyQt.QtGui import QImage
from safestats.qgis_plugin.core.base_source import BaseKind
from safestats.qgis_plugin.core.errors import LocalCopyTrouble
from safestats.qgis_plugin.core.events import EventKind
from safestats.qgis_plugin.core.house_styles import HouseRules, HouseStyles
from safestats.tests.plugin.conftest import SERVER_PYTHON, WAIT_MS, server_environment
from safestats.tests.zoomstack import write_zoomstack

SET = """
import base64, sys
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.house_style.service import Look, MapService, set_style
from safestats.sync_server.identity.service import find_organisation
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Settings
services = open_services(Settings())
with services.database.read() as session:
    home = find_organisation(session, "camden").id
service = MapService("https://maps.camden.example/wmts", "street", "grid", "image/png", "(c) Camden")
set_style(services, COMMAND_LINE, home, Look("#aa0011", "Noto Sans", "Camden", service), base64.b64decode(sys.argv[1]))
services.close()
"""


def logo() -> bytes:
    image = QImage(30, 20, QImage.Format.Format_RGB32)
    image.fill(0xFF102030)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data())


@pytest.fixture
def styled(live_server, tmp_path):
    """Camden has a house style, and the server a base map."""
    subprocess.run(
        [SERVER_PYTHON, "-c", SET, b64encode(logo()).decode()],
        check=True,
        env=server_environment(live_server.folder),
    )
    source = write_zoomstack(tmp_path / "zoomstack.gpkg")
    said = live_server.run(f"basemap {source} --edition 'October 2026' --year 2026")
    assert "names: 1" in said
    return live_server


def asked(desk, qtbot) -> HouseRules:
    answers: list[HouseRules] = []
    desk.ask_house_rules(answers.append)
    qtbot.waitUntil(lambda: bool(answers), timeout=WAIT_MS)
    return answers[0]


def test_the_house_style_comes_and_stays_without_the_server(styled, desk, sign_in, qtbot, store):
    assert desk.house_rules == HouseRules()
    sign_in(styled.url, "ada")
    rules = asked(desk, qtbot)
    assert (rules.colour, rules.font, rules.logo_words) == ("#aa0011", "Noto Sans", "Camden")
    assert rules.logo.read_bytes().startswith(b"\x89PNG")
    assert rules.service.kind is BaseKind.SERVICE and "maps.camden.example" in rules.service.uri
    assert rules.service.attribution == "(c) Camden"
    assert desk.house_rules == rules  # as it is without the server
    assert desk.house_rules.logo.stat().st_mode & 0o77 == 0

    got: list[object] = []
    styles = desk.house_styles
    transport = desk.transport
    desk.run("fetch", lambda _task: styles.fetch_base_map(transport, rules, lambda _n: None), got.append, got.append)
    qtbot.waitUntil(lambda: bool(got), timeout=WAIT_MS)
    assert got[0].title == "OS Open Zoomstack, October 2026"
    assert got[0].attribution == "Contains OS data © Crown copyright and database right 2026."
    assert styles.base_map_path.stat().st_size == rules.base_map.size
    assert not list(styles.base_map_path.parent.glob("*.part"))


def test_another_organisation_has_its_own(styled, desk, sign_in, qtbot):
    sign_in(styled.url, "bob")
    rules = asked(desk, qtbot)
    assert (rules.organisation, rules.colour, rules.logo, rules.service) == ("Greater London Authority", "", None, None)
    assert rules.base_map is not None  # open data, for all


def test_an_answer_that_cannot_be_kept_is_still_the_answer(tmp_path):
    class Answering:
        def get_json(self, path, **_options):
            assert path == "/v1/house-style"
            return {"organisation": "Camden", "colour": "#aa0011", "logo": b64encode(b"no picture").decode()}

    (tmp_path / "house-style").write_text("in the way")
    styles = HouseStyles(tmp_path)
    rules = styles.ask(Answering(), "account")
    assert rules.colour == "#aa0011" and rules.logo_told and rules.logo is None
    assert styles.kept("account") == HouseRules()
    offered = HouseRules(base_map=rules.base_map or HouseStyles(tmp_path)._rules(OFFERED, "a").base_map)
    with pytest.raises(LocalCopyTrouble, match="The base map cannot be kept in"):
        styles.fetch_base_map(Answering(), offered, lambda _n: None)


OFFERED = {"base_map": {"size": 1, "sha256": "0" * 64, "chunks": ["0" * 64], "title": "x"}}


def test_the_note_of_an_export_reaches_the_audit(styled, desk, sign_in, qtbot, tmp_path):
    sign_in(styled.url, "ada")
    files = [{"format": "pdf", "sha256": "ab" * 32, "size": 12}]
    noted = {"product": "hotspot-map", "mode": "publication", "template": "one-map-a4-landscape", "files": files}
    desk.note_leaving(EventKind.MAP_EXPORT, [("colp", noted, 7)])
    assert Path(desk.store.events_path).read_text(encoding="utf-8").count("ab" * 32) == 1  # on the disk at once
    began = time.monotonic()
    while not (found := [e for e in styled.events("map.export") if e["filter"].get("files") == files]):
        assert time.monotonic() - began < WAIT_MS / 1000
        qtbot.wait(100)
    assert found[0]["filter"]["template"] == "one-map-a4-landscape"
    assert found[0]["rows"] == 7
