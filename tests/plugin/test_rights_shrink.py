"""Rights that shrink while a copy is on a desk: at the next contact it is what is still permitted, or gone."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import AgreementRefused, SignInRefused
from safestats.qgis_plugin.core.uses import Use
from safestats.qgis_plugin.gui.layer_card import LayerCard
from safestats.qgis_plugin.gui.layers_dock import LayersDock
from safestats.tests.commands import agreement, amended, organisation, suspended

ROOT = Path(__file__).resolve().parents[2]
WAIT_MS = 120_000
EVERYTHING = "--areas london,unplaced,outside --fields core,area,location,place --precision point"
NARROW = "--areas london,unplaced,outside --fields core,area --precision area"
FOR_VIEWING = f"{EVERYTHING} --uses view,sync"
NUMBERS = itertools.count(1)


@pytest.fixture
def dock(desk: Desk, qgis_iface, qtbot) -> LayersDock:
    dock = LayersDock(desk, qgis_iface)
    qtbot.addWidget(dock)
    dock.show()
    return dock


@pytest.fixture
def agreed(live_server) -> Callable[..., str]:
    """Puts an agreement on the City's incidents in force for an organisation of its own; its and its user's name."""

    def act(grant: str = EVERYTHING, purposes: str = "") -> str:
        name = f"shrink{next(NUMBERS)}"
        live_server.run(
            organisation(name, f"Organisation {name}"),
            f"user add {name} --org {name} --password-stdin",
            *agreement(f"DSA-{name}", name, "colp", grant, purposes=purposes),
        )
        return name

    return act


@pytest.fixture
def holding(dock: LayersDock, desk: Desk, live_server, sign_in, qtbot) -> Callable[[str], LayerCard]:
    """Signs the user in, who pulls the layer and opens it; its card."""

    def act(user: str) -> LayerCard:
        sign_in(live_server.url, user)
        qtbot.waitUntil(lambda: "colp" in dock.cards, timeout=WAIT_MS)
        card = dock.cards["colp"]
        qtbot.waitUntil(card.pull_button.isEnabled, timeout=WAIT_MS)
        card.pull_button.click()
        qtbot.waitUntil(lambda: not card.pulling, timeout=WAIT_MS)
        assert desk.copy("colp") is not None, card.strip.text
        card.open_button.click()
        assert len(desk.layers()) == 1
        return card

    return act


def gone(desk: Desk, path: Path) -> bool:
    """Whether neither map nor disk hold the layer any more."""
    return desk.layers() == [] and not path.exists() and layers.shown_copies(desk.project) == {}


def test_a_suspended_agreement_takes_the_copy_away(agreed, holding, dock, desk, live_server, qtbot) -> None:
    user = agreed()
    card = holding(user)
    path = desk.copy("colp").path
    live_server.run(suspended(f"DSA-{user}"))
    dock.refresh()
    qtbot.waitUntil(lambda: gone(desk, path), timeout=WAIT_MS)
    assert card.strip.text == "The local copy was deleted and the layer closed."
    assert "suspended" in card.facts.text()


def test_an_amended_agreement_replaces_the_copy_by_what_it_still_shows(
    agreed, holding, dock, desk, live_server, qtbot
) -> None:
    user = agreed()
    card = holding(user)
    path = desk.copy("colp").path
    live_server.run(*amended(f"DSA-{user}", NARROW), "publish colp")
    dock.refresh()
    qtbot.waitUntil(lambda: not path.exists() and not card.pulling, timeout=WAIT_MS)
    copy = desk.copy("colp")
    assert copy is not None and copy.manifest.geometry == "none"
    assert "street" not in {column.name for column in copy.manifest.columns}
    assert copy.changes is None or copy.changes.rights_changed


def test_tightened_terms_of_the_supplier_reach_the_copy(
    agreed, holding, dock, desk, live_server, qtbot, tmp_path
) -> None:
    card = holding(agreed())
    path = desk.copy("colp").path
    as_supplied = (ROOT / "resources" / "terms" / "colp.toml").read_text(encoding="utf-8")
    for version, fields in ((2, '["core", "area"]'), (3, '["core", "area", "location", "place"]')):
        changed = tmp_path / f"terms-{version}.toml"
        text = as_supplied.replace("version = 1", f"version = {version}")
        changed.write_text(text.replace('["core", "area", "location", "place"]', fields), encoding="utf-8")
        live_server.run(f"terms load {changed}", "publish colp")
        if version == 2:
            dock.refresh()
            qtbot.waitUntil(lambda: not path.exists() and not card.pulling, timeout=WAIT_MS)
            names = {column.name for column in desk.copy("colp").manifest.columns}
            assert "category" in names and not names & {"street", "place", "location"}
            assert desk.copy("colp").manifest.geometry == "none"


def test_a_role_that_sees_no_records_any_more_loses_the_copy(
    agreed, holding, dock, desk, live_server, sign_in, qtbot
) -> None:
    user = agreed()
    holding(user)
    path = desk.copy("colp").path
    live_server.run(f"user role {user} licensing-officer")
    dock.refresh()
    qtbot.waitUntil(lambda: not desk.signed_in, timeout=WAIT_MS)  # a changed role ends the sessions
    sign_in(live_server.url, user)
    qtbot.waitUntil(lambda: gone(desk, path), timeout=WAIT_MS)
    card = dock.cards["colp"]
    assert not card.pull_button.isVisible() and "counts around the centre of a postcode" in card.questions.text
    card.counts_button.click()
    dialog = dock.counts_dialog
    dialog.ask_button.click()
    assert "Enter a postcode" in dialog.strip.text
    dialog.postcode.setText("ec2v 7hh")  # Guildhall
    dialog.first.setText("2025-8")
    dialog.ask_button.click()
    qtbot.waitUntil(lambda: "could not make sense" in dialog.strip.text, timeout=WAIT_MS)  # our words, no program's
    dialog.first.setText("2025-08")
    dialog.last.setText("2025-09")
    dialog.ask_button.click()
    qtbot.waitUntil(lambda: "by fixed questions only" in dialog.strip.text, timeout=WAIT_MS)
    # The newest month is what the tests before this one published.
    newest = re.search(r"over (\d{4}-\d\d) to (\d{4}-\d\d) or", dialog.strip.text)
    assert newest is not None and not dialog.table.topLevelItemCount()
    dialog.first.clear()
    dialog.last.clear()
    dialog.ask_button.click()
    qtbot.waitUntil(lambda: dialog.table.topLevelItemCount() == 4, timeout=WAIT_MS)
    shown = [dialog.table.topLevelItem(row).text(0) for row in range(3)]
    assert shown == ["within 100 m", "within 250 m", "within 500 m"]
    figures = [dialog.table.topLevelItem(row).text(1) for row in range(3)]
    assert all(figure.startswith("fewer than") or int(figure) % 5 == 0 for figure in figures), figures
    assert f"From {newest[1]} to {newest[2]}." in dialog.notes.text()
    dialog.reject()


def test_a_closed_account_loses_its_copies_at_the_next_sign_in(
    agreed, holding, dock, desk, live_server, sign_in, qtbot
) -> None:
    user = agreed()
    holding(user)
    path = desk.copy("colp").path
    live_server.run(f"user deactivate {user}")
    dock.refresh()
    qtbot.waitUntil(lambda: not desk.signed_in, timeout=WAIT_MS)
    told: list[str] = []
    desk.told.connect(told.append)
    ends: list[object] = []
    desk.steps.sign_in(live_server.url, user.upper(), live_server.password, ends.append, ends.append)
    qtbot.waitUntil(lambda: bool(ends), timeout=WAIT_MS)
    assert isinstance(ends[0], SignInRefused) and ends[0].code == "account-inactive"
    qtbot.waitUntil(lambda: gone(desk, path), timeout=WAIT_MS)
    assert len(told) == 1 and "deleted" in told[0]


def test_another_purpose_than_the_agreed_one_takes_the_copy_away(
    agreed, holding, dock, desk, live_server, qtbot
) -> None:
    card = holding(agreed(purposes="needs-assessment"))
    path = desk.copy("colp").path
    done: list[object] = []
    desk.steps.change_purpose("research", "", done.append, done.append)
    qtbot.waitUntil(lambda: bool(done) and gone(desk, path), timeout=WAIT_MS)
    assert "purpose" in card.facts.text().lower() and not card.pull_button.isVisible()
    desk.steps.change_purpose("needs-assessment", "", done.append, done.append)
    qtbot.waitUntil(card.pull_button.isEnabled, timeout=WAIT_MS)


# ---------------------------------------------------------------- uses


def test_uses_that_are_not_granted_are_told_and_kept(agreed, holding, desk, dock, qtbot) -> None:
    card = holding(agreed(FOR_VIEWING))
    assert "neither export nor publication is granted" in card.uses_line.text()
    assert set(desk.copy("colp").uses) == {"sync", "view"}
    for use, words in ((Use.EXPORT, "does not grant its export"), (Use.PUBLISH, "does not grant publication")):
        with pytest.raises(AgreementRefused, match=words):
            desk.require_use("colp", "City of London Police", use)
    desk.require_use("a layer of somebody else", "Trees", Use.EXPORT)


def test_uses_that_are_granted_are_told(agreed, holding, desk) -> None:
    card = holding(agreed())
    assert card.uses_line.text() == "Export and publication are granted."
    desk.require_use("colp", "City of London Police", Use.PUBLISH)


def test_uses_hold_at_the_desk_without_a_session_too(agreed, holding, desk, live_server, qtbot) -> None:
    holding(agreed(FOR_VIEWING))
    desk._listed.clear()  # as after a restart of QGIS
    with pytest.raises(AgreementRefused):
        desk.require_use("colp", "City of London Police", Use.EXPORT)


def test_processing_keeps_no_file_of_a_layer_whose_export_is_not_granted(
    agreed, holding, desk, store, tmp_path, qgis_processing, monkeypatch
) -> None:
    import processing
    from safestats.qgis_plugin.core.settings import LOCAL_ROOT_VARIABLE
    from safestats.qgis_plugin.processing.provider import SafeStatsProvider

    holding(agreed(FOR_VIEWING))
    monkeypatch.setenv(LOCAL_ROOT_VARIABLE, str(store.root))
    provider = SafeStatsProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    try:
        (layer,) = desk.layers()
        wanted = {"INPUT": [layer], "POINT": "532500,181400 [EPSG:27700]", "RADII": "500"}
        context = QgsProcessingContext()
        kept = tmp_path / "table.csv"
        told = QgsProcessingFeedback()
        with pytest.raises(QgsProcessingException):
            processing.run("safestats:proximitysearch", {**wanted, "TABLE": str(kept)}, context=context, feedback=told)
        assert "does not grant its export" in told.textLog() and not kept.exists()
        done = processing.run("safestats:proximitysearch", {**wanted, "TABLE": "TEMPORARY_OUTPUT"}, context=context)
        assert done["TABLE"].featureCount() > 0
    finally:
        QgsApplication.processingRegistry().removeProvider(provider)


def test_an_older_servers_silence_forbids_nothing(agreed, holding, desk) -> None:
    holding(agreed())
    key = (desk._account_key(), "colp")
    del desk._listed[key]["uses"]
    desk._watch.known[key] = replace(desk.copy("colp"), uses=None)
    desk.require_use("colp", "City of London Police", Use.EXPORT)
