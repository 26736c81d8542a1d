"""Cards follow the agreement, the data and the session: what must go goes, what was stopped goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from qgis.PyQt.QtWidgets import QWidget
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.local_store import Changes
from safestats.qgis_plugin.core.standing import Standing, standing
from safestats.qgis_plugin.gui.conditions_page import ConditionsPage
from safestats.qgis_plugin.gui.layer_card import LayerCard
from safestats.qgis_plugin.gui.layers_dock import LayersDock
from safestats.qgis_plugin.gui.sign_in_dialog import SignInDialog
from safestats.qgis_plugin.gui.sign_in_flow import SignInFlow
from safestats.tests.commands import agreement, ended, organisation, suspended

WAIT_MS = 120_000
EVERYTHING = "--areas london,unplaced,outside --fields core,area,location,place --precision point"
NUMBERS = itertools.count(1)


@pytest.fixture
def dock(desk: Desk, qgis_iface, qtbot) -> LayersDock:
    dock = LayersDock(desk, qgis_iface)
    qtbot.addWidget(dock)
    dock.show()
    return dock


@pytest.fixture
def flow(desk: Desk, dock: LayersDock, qtbot) -> SignInFlow:
    """The dialogs, asked for by the dock as in the plugin."""
    window = QWidget()
    qtbot.addWidget(window)
    flow = SignInFlow(desk, window)
    dock.sign_in_requested.connect(flow.start)
    return flow


def pulled(dock: LayersDock, qtbot, dataset: str = "colp") -> LayerCard:
    qtbot.waitUntil(lambda: dataset in dock.cards, timeout=WAIT_MS)
    card = dock.cards[dataset]
    card.pull_button.click()
    qtbot.waitUntil(lambda: not card.pulling, timeout=WAIT_MS)
    assert dock._desk.copy(dataset) is not None, card.strip.text
    return card


@pytest.fixture
def agreed(live_server) -> Callable[[str], str]:
    """Puts a new agreement on the City's incidents in force for an organisation of its own; its user's name."""

    def act(grant: str) -> str:
        name = f"case{next(NUMBERS)}"
        live_server.run(
            organisation(name, f"Organisation {name}"),
            f"user add {name} --org {name} --password-stdin",
            *agreement(f"DSA-{name}", name, "colp", grant),
        )
        return name

    return act


# ---------------------------------------------------------------- agreement


@pytest.mark.parametrize(("end", "contact"), [("end", "list"), ("suspend", "pull")])
def test_what_an_agreement_no_longer_permits_leaves_map_and_disk(
    dock: LayersDock, desk: Desk, live_server, sign_in, agreed, qtbot, contact: str, end: str
) -> None:
    user = agreed(EVERYTHING)
    sign_in(live_server.url, user)
    card = pulled(dock, qtbot)
    card.open_button.click()
    copy = desk.copy("colp")
    live_server.run(ended(f"DSA-{user}") if end == "end" else suspended(f"DSA-{user}"))
    if contact == "list":
        dock.refresh()
    else:
        card.pull_button.click()
    qtbot.waitUntil(lambda: card.strip.text == "The local copy was deleted and the layer closed.", timeout=WAIT_MS)
    assert ("ended" if end == "end" else "suspended") in card.facts.text()
    qtbot.waitUntil(lambda: not copy.path.exists() and desk.copies.copy("colp") is None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "Not permitted" in card.accessibleName(), timeout=WAIT_MS)
    assert desk.layers() == [] and layers.shown_copies(desk.project) == {}
    assert not card.pull_button.isVisible() and not card.changes_line.isVisible()


def entry_of(card: LayerCard, **changes: Any) -> dict[str, Any]:
    return {**card._entry, **changes}


def test_a_changed_agreement_updates_by_itself(dock: LayersDock, desk: Desk, live_server, sign_in, qtbot) -> None:
    sign_in(live_server.url, "ada")
    card = pulled(dock, qtbot)
    copy = desk.copy("colp")
    begun: list[str] = []
    pull = desk.pull
    desk.pull = lambda dataset, *rest: begun.append(dataset) or pull(dataset, *rest)
    # The copy is one of other rights than the server's.
    desk._watch.known[(desk._account_key(), "colp")] = replace(
        copy, manifest=replace(copy.manifest, fingerprint="another")
    )
    listed = [entry_of(c, fingerprint=copy.manifest.fingerprint) for c in dock.cards.values()]
    dock._listed([entry for entry in listed if entry["dataset"] == "colp"])
    assert begun == ["colp"] and card.pulling
    assert "Your agreement has changed: the local copy is being updated." in card.news.text
    qtbot.waitUntil(lambda: not card.pulling, timeout=WAIT_MS)
    assert card.news.text == ""
    dock._listed([entry_of(card)])
    assert begun == ["colp"]  # once


def test_newer_data_are_told_and_not_fetched_unasked(dock: LayersDock, desk: Desk, live_server, sign_in, qtbot) -> None:
    sign_in(live_server.url, "ada")
    card = pulled(dock, qtbot)
    manifest = desk.copy("colp").manifest
    newer = {"release": manifest.release + 1, "published_at": "2026-11-21T10:00:00Z"}
    dock._listed([entry_of(card, fingerprint=manifest.fingerprint, **newer)])
    assert card.news.text == "Newer data of 21 November 2026: update."
    assert not card.pulling
    dock._listed([entry_of(card, fingerprint=manifest.fingerprint, release=manifest.release)])
    assert card.news.text == ""


def test_an_older_server_that_tells_neither_is_believed_to_be_current(
    dock: LayersDock, desk: Desk, live_server, sign_in, qtbot
) -> None:
    sign_in(live_server.url, "ada")
    card = pulled(dock, qtbot)
    silent = {k: v for k, v in card._entry.items() if k not in ("release", "published_at", "fingerprint")}
    assert standing(silent, desk.copy("colp")) is Standing.CURRENT
    unpublished = {**silent, "permitted": False, "reason_code": "not-published", "reason": "Not yet."}
    assert standing(unpublished, desk.copy("colp")) is Standing.CURRENT
    card.show_entry(silent)
    assert card.news.text == ""


def test_a_copy_of_other_rights_goes_while_the_new_files_are_being_made(
    dock: LayersDock, desk: Desk, live_server, sign_in, qtbot
) -> None:
    sign_in(live_server.url, "ada")
    card = pulled(dock, qtbot)
    path, rights = desk.copy("colp").path, desk.copy("colp").manifest.rights
    assert len(rights) == 64 and rights == card._entry["rights"]
    waiting = entry_of(card, preparing=True, fingerprint="", rights=rights)
    assert standing(waiting, desk.copy("colp")) is Standing.CURRENT
    dock._listed([waiting])
    assert path.exists()
    dock._listed([{**waiting, "rights": "0" * 64}])
    qtbot.waitUntil(lambda: desk.copy("colp") is None and not path.exists())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            Changes("2026-11-03T12:00:00Z", 1204, 35, 12, False),
            "Since 3 November 2026: 1,204 added, 35 changed, 12 with",
        ),
        (Changes("2026-11-03T12:00:00Z", 0, 0, 0, False), "Nothing has changed since 3 November 2026."),
        (Changes("2026-11-03T12:00:00Z", 0, 0, 7, True), "Since 3 November 2026, when your agreement was another: 0 a"),
        (Changes("2026-11-03T12:00:00Z", 0, 0, 0, True), "Your agreement has changed since 3 November 2026;"),
    ],
)
def test_a_card_tells_what_has_changed(
    dock: LayersDock, desk: Desk, live_server, sign_in, qtbot, changes: Changes, words: str
) -> None:
    sign_in(live_server.url, "ada")
    card = pulled(dock, qtbot)
    card.show_copy(replace(desk.copy("colp"), changes=changes))
    assert card.changes_line.text().startswith(words) and card.changes_line.isVisible()
    card.show_copy(replace(desk.copy("colp"), changes=None))
    assert not card.changes_line.isVisible()


def test_an_update_says_what_it_brought_and_goes_on_saying_so(
    dock: LayersDock, desk: Desk, live_server, sign_in, qtbot
) -> None:
    sign_in(live_server.url, "ada")
    pulled(dock, qtbot)
    live_server.publish(("2025-09", 230, 990 + next(NUMBERS)))
    card = pulled(dock, qtbot)
    assert desk.copy("colp").changes is not None
    said = card.changes_line.text()
    assert said.startswith("Since ") and "added" in said
    dock.refresh()
    qtbot.waitUntil(dock.refresh_button.isEnabled, timeout=WAIT_MS)
    assert dock.cards["colp"].changes_line.text() == said


# ---------------------------------------------------------------- session


def sign_in_by_dialog(flow: SignInFlow, live_server, qtbot, accept: bool = True) -> None:
    dialog = flow.dialog
    assert isinstance(dialog, SignInDialog)
    dialog.page.password.setText(live_server.password)
    dialog.action_button.click()
    accept_by_dialog(flow, live_server, qtbot)


def accept_by_dialog(flow: SignInFlow, live_server, qtbot) -> None:
    qtbot.waitUntil(lambda: isinstance(flow.dialog.page, ConditionsPage), timeout=WAIT_MS)
    page = flow.dialog.page
    buttons = page.chooser._purposes.items()
    next(button for button, purpose in buttons if purpose.code == live_server.purpose).click()
    page.agreed.click()
    flow.dialog.action_button.click()
    qtbot.waitUntil(lambda: flow.dialog is None, timeout=WAIT_MS)


def test_a_session_that_ends_in_a_pull_asks_once_and_goes_on(
    dock: LayersDock, flow: SignInFlow, desk: Desk, live_server, sign_in, qtbot
) -> None:
    sign_in(live_server.url, "ada")
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    card = dock.cards["colp"]
    opened: list[Any] = []
    show = flow._show
    flow._show = lambda reason: opened.append(reason) or show(reason)
    desk.session.transport.delete("/v1/session")  # the server ends it
    card.pull_button.click()
    card.follow(desk.pull("colp", "colp", card.pulled, lambda e: dock._pull_failed(card, e)))  # and a second pull
    qtbot.waitUntil(lambda: flow.dialog is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not desk._running, timeout=WAIT_MS)
    assert "Your session ended in the middle of a pull" in flow.dialog.strip.text
    assert len(opened) == 1  # one for both
    assert dock.cards["colp"] is card and dock.pages.currentWidget() is dock.list_page
    assert "What has arrived is kept" in card.strip.text

    sign_in_by_dialog(flow, live_server, qtbot)
    assert dock.cards["colp"] is card
    qtbot.waitUntil(lambda: not card.pulling and desk.copy("colp") is not None, timeout=WAIT_MS)
    assert card.strip.text.startswith("Pulled ")
    assert dock.strip.text == "" and not dock.again_button.isVisible()


def test_whoever_cancels_the_dialog_reads_how_to_go_on(
    dock: LayersDock, flow: SignInFlow, desk: Desk, live_server, sign_in, qtbot
) -> None:
    sign_in(live_server.url, "ada")
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    card = dock.cards["colp"]
    desk.session.transport.delete("/v1/session")
    card.pull_button.click()
    qtbot.waitUntil(lambda: flow.dialog is not None, timeout=WAIT_MS)
    flow.dialog.reject()
    assert flow.dialog is None and dock.cards["colp"] is card
    assert "sign in again and the pull goes on from there" in card.strip.text
    assert dock.again_button.isVisible()
    dock.again_button.click()
    sign_in_by_dialog(flow, live_server, qtbot)
    qtbot.waitUntil(lambda: desk.copy("colp") is not None, timeout=WAIT_MS)


def test_another_user_gets_cards_of_their_own_and_no_pull(
    dock: LayersDock, flow: SignInFlow, desk: Desk, live_server, sign_in, qtbot
) -> None:
    sign_in(live_server.url, "ada")
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    card = dock.cards["colp"]
    desk.session.transport.delete("/v1/session")
    card.pull_button.click()
    qtbot.waitUntil(lambda: flow.dialog is not None, timeout=WAIT_MS)
    flow.dialog.reject()
    sign_in(live_server.url, "carol")
    qtbot.waitUntil(lambda: "colp" in dock.cards, timeout=WAIT_MS)
    assert dock.cards["colp"] is not card and not dock.cards["colp"].pulling
    assert desk.copy("colp") is None


# ---------------------------------------------------------------- several at once


def test_several_layers_are_pulled_at_once_each_with_its_own_progress_and_cancel(
    dock: LayersDock, desk: Desk, live_server, sign_in, qtbot
) -> None:
    user = f"case{next(NUMBERS)}"
    files = live_server.folder / "sample"
    live_server.run(
        f"sample-data {files} --scale 0.01",
        organisation(user, f"Organisation {user}"),
        f"user add {user} --org {user} --password-stdin",
    )
    for dataset in ("btp", "lfb", "mps"):
        file = min(path for path in (files / dataset).rglob("*") if path.is_file())
        live_server.run(
            f"load {dataset} --synthetic {file}",
            f"publish {dataset}",
            *agreement(f"DSA-{user}-{dataset}", user, dataset, EVERYTHING.replace(",place", "")),
        )
    sign_in(live_server.url, user)
    qtbot.waitUntil(lambda: sum(c.pull_button.isEnabled() for c in dock.cards.values()) >= 3, timeout=WAIT_MS)
    cards = [dock.cards[dataset] for dataset in ("btp", "lfb", "mps")]
    for card in cards:
        card.pull_button.click()
    assert all(card.pulling and card.cancel_button.isEnabled() for card in cards)
    cards[1].cancel_button.click()
    qtbot.waitUntil(lambda: not any(card.pulling for card in cards), timeout=WAIT_MS)
    assert [desk.copy(card.dataset) is not None for card in cards] == [True, False, True], [c.strip.text for c in cards]
    assert "Cancelled" in cards[1].strip.text
    for card in (cards[0], cards[2]):
        assert desk.copy(card.dataset).manifest.dataset == card.dataset
        assert card.strip.text.startswith("Pulled ")
    assert dock.update_all_button.isVisible()
    dock.update_all_button.click()
    assert [card.pulling for card in cards] == [True, False, True]
    qtbot.waitUntil(lambda: not any(card.pulling for card in cards), timeout=WAIT_MS)
    assert cards[0].strip.text.startswith("Already up to date")
