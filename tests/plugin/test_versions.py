"""Plugin and server of different ages: told at the sign-in, in the list of layers, and at a pull."""

from __future__ import annotations

from typing import Any

import pytest
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.desk_session import DeskSession
from safestats.qgis_plugin.core.errors import DeskError, PluginTooOld, ServerTrouble
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.transport import Transport

WAIT_MS = 120_000
ABOUT = {"name": "SafeStats", "version": "9.9", "api_version": 1, "synthetic": False, "lease_days": 14}
ANSWER = {
    "token": "t",
    "state": "pending",
    "user": {"username": "ada", "display_name": "Ada", "organisation": "Camden"},
    "conditions": {"version": "1", "sha256": "x", "text": "Be good."},
    "purposes": [],
}
LAYER = {
    **dict.fromkeys(("supplier", "description", "reason", "newest", "precision", "agreement"), ""),
    "dataset": "colp",
    "title": "City",
    "permitted": True,
    "preparing": False,
    "rows": 1,
    "size": 1,
    "agreement_until": "2099-12-31",
}


@pytest.fixture
def session(qgis_app, scripted_server) -> DeskSession:
    """Active at a server of this version, which may become another one."""
    scripted_server.json("/v1/about", ABOUT)
    scripted_server.json("/v1/session", ANSWER)
    scripted_server.json("/v1/session/accept", {"token": "u"})
    session = DeskSession(Transport(scripted_server.url, QgisNetwork(), "0.1.0"))
    session.sign_in("ada", "secret")
    session.accept("p")
    return session


@pytest.mark.parametrize(
    ("version", "kind", "code"), [(2, PluginTooOld, "plugin-too-old"), (0, ServerTrouble, "server-too-old")]
)
def test_a_sign_in_tells_who_is_too_old(scripted_server, qgis_app, version: int, kind: type, code: str) -> None:
    scripted_server.json("/v1/about", {**ABOUT, "api_version": version})
    with pytest.raises(kind) as caught:
        DeskSession(Transport(scripted_server.url, QgisNetwork(), "0.1.0")).sign_in("ada", "secret")
    assert caught.value.code == code


def test_a_server_that_hears_newer_plugins_only_says_so_in_its_own_words(scripted_server, qgis_app) -> None:
    sentence = "Your SafeStats plugin is version 0.1.0 and this server needs 0.2.0 or newer: update it."
    scripted_server.json("/v1/about", {**ABOUT, "oldest_client": "0.2.0"})
    scripted_server.problem("/v1/session", 426, "client-too-old", sentence)
    with pytest.raises(PluginTooOld) as caught:
        DeskSession(Transport(scripted_server.url, QgisNetwork(), "0.1.0")).sign_in("ada", "secret")
    assert caught.value.sentence == sentence


@pytest.mark.parametrize("answer", [{"datasets": []}, {"layers": [{"dataset": "colp"}]}, {"layers": "none"}])
@pytest.mark.parametrize(("version", "code"), [(2, "plugin-too-old"), (0, "server-too-old"), (1, "unreadable")])
def test_a_list_that_cannot_be_read_tells_who_is_too_old(
    session: DeskSession, scripted_server, answer: dict[str, Any], version: int, code: str
) -> None:
    scripted_server.json("/v1/layers", answer)
    scripted_server.json("/v1/about", {**ABOUT, "api_version": version})
    with pytest.raises(DeskError) as caught:
        session.layers()
    assert caught.value.code == code


def test_a_list_of_an_older_or_newer_server_is_read_as_far_as_it_goes(session: DeskSession, scripted_server) -> None:
    scripted_server.json("/v1/layers", {"layers": [LAYER, {**LAYER, "fingerprint": "f", "something": "new"}]})
    assert [layer["dataset"] for layer in session.layers()] == ["colp", "colp"]


@pytest.mark.parametrize(("version", "code"), [(2, "plugin-too-old"), (0, "server-too-old"), (1, "unreadable")])
def test_a_pull_tells_who_is_too_old(
    desk: Desk, session: DeskSession, scripted_server, qtbot, version: int, code: str
) -> None:
    desk.session = session
    scripted_server.json("/v1/layers/colp/manifest", {"a manifest": "of another kind"})
    scripted_server.json("/v1/about", {**ABOUT, "api_version": version})
    ended: list[Any] = []
    desk.pull("colp", "City", ended.append, ended.append)
    qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
    assert ended[0].code == code


def test_a_manifest_of_a_newer_server_asks_for_a_newer_plugin(
    desk: Desk, session: DeskSession, scripted_server, qtbot
) -> None:
    desk.session = session
    scripted_server.json("/v1/layers/colp/manifest", {"api_version": 2})
    ended: list[Any] = []
    desk.pull("colp", "City", ended.append, ended.append)
    qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
    assert isinstance(ended[0], PluginTooOld)
