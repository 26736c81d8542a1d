"""The plugin that the server hands out to QGIS's plugin manager, and how old a plugin may be that speaks to it."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from safestats.sync_server.clients.oldest import OLDEST_CLIENT
from safestats.sync_server.clients.plugin_package import NoPlugin, read_package
from safestats.tests.server.trust_rig import PASSWORD, USERNAME, Server

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

METADATA = """[general]
name=SafeStats
version={version}
qgisMinimumVersion=3.40
qgisMaximumVersion=4.99
description=Pull, search & print: <London>
about=100 % of it
author=The SafeStats project
email=safestats@example.org
experimental=True
"""


def packed(path: Path, version: str = "0.1.0", metadata: str = METADATA) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("safestats/metadata.txt", metadata.format(version=version))
        package.writestr("safestats/__init__.py", "")
    path.write_bytes(content.getvalue())
    return content.getvalue()


def test_the_list_names_the_zip_and_the_zip_is_the_one_that_lies_there(server: Server) -> None:
    content = packed(server.services.settings.plugin_path)
    answer = server.client.get("/plugins/plugins.xml?qgis=3.40")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/xml")
    (plugin,) = ElementTree.fromstring(answer.content)
    assert plugin.attrib["name"] == "SafeStats" and plugin.attrib["version"] == "0.1.0"
    told = {child.tag: child.text for child in plugin}
    assert told["qgis_minimum_version"] == "3.40" and told["qgis_maximum_version"] == "4.99"
    assert told["description"] == "Pull, search & print: <London>" and told["about"] == "100 % of it"
    assert told["file_name"] == "safestats.0.1.0.zip"
    fetched = server.client.get(told["download_url"])
    assert fetched.content == content and fetched.headers["content-type"] == "application/zip"


def test_another_zip_is_another_version_at_once(server: Server) -> None:
    path = server.services.settings.plugin_path
    packed(path)
    server.client.get("/plugins/plugins.xml")
    packed(path, "0.2.0")
    assert b'version="0.2.0"' in server.client.get("/plugins/plugins.xml").content
    assert server.client.get("/plugins/safestats.0.2.0.zip").status_code == 200
    assert server.client.get("/plugins/safestats.0.1.0.zip").status_code == 404


def test_a_server_without_a_zip_says_so(server: Server) -> None:
    answer = server.client.get("/plugins/plugins.xml")
    assert answer.status_code == 404 and answer.json()["code"] == "no-plugin"
    assert str(server.services.settings.data_dir) not in answer.text


@pytest.mark.engineless
@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("name=SafeStats", "no zip of the plugin"),
        ("[general]\nname=SafeStats\n", "no zip of the plugin"),
        ("[general]\nname=Something else\nversion=1.0\n", "another plugin"),
        ('[general]\nname=SafeStats\nversion=1.0"/><x\n', "no version"),
        ("[general]\nname=SafeStats\nversion=1.0\nabout=" + "a" * 200_000, "far too long"),
    ],
)
def test_a_zip_of_something_else_is_refused(tmp_path: Path, metadata: str, words: str) -> None:
    path = tmp_path / "safestats.zip"
    packed(path, metadata=metadata.replace("{", "{{"))
    with pytest.raises(NoPlugin, match=words):
        read_package(path)


@pytest.mark.engineless
def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "safestats.zip"
    path.write_bytes(os.urandom(100))
    with pytest.raises(NoPlugin, match="make package"):
        read_package(path)


@pytest.mark.parametrize("version", ["0.0.9", "0.0"])
def test_a_plugin_that_is_too_old_is_told_so_and_may_ask_what_the_server_is(server: Server, version: str) -> None:
    headers = {"X-SafeStats-Client": f"qgis/{version}"}
    answer = server.client.post("/v1/session", json={"username": USERNAME, "password": PASSWORD}, headers=headers)
    problem = answer.json()
    assert answer.status_code == problem["status"] == 426 and problem["code"] == "client-too-old"
    assert problem["oldest_client"] == OLDEST_CLIENT and "Manage and Install Plugins" in problem["detail"]
    assert server.client.get("/v1/about", headers=headers).json()["oldest_client"] == OLDEST_CLIENT


@pytest.mark.parametrize("client", [f"qgis/{OLDEST_CLIENT}", "qgis/0.10.0", "qgis/1.0", "curl/8", "qgis/", ""])
def test_others_are_heard(server: Server, client: str) -> None:
    headers = {"X-SafeStats-Client": client} if client else {}
    answer = server.client.post("/v1/session", json={"username": USERNAME, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 201
