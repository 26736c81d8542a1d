"""Holding some months of a layer: a real server, real copies, the window that asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import DeskError, LocalCopyTrouble
from safestats.qgis_plugin.core.local_store import LocalCopy
from safestats.qgis_plugin.core.pull import PullKind, PullResult
from safestats.qgis_plugin.core.pull_period import EVERYTHING, PullPeriod
from safestats.qgis_plugin.gui import layers_dock
from safestats.qgis_plugin.gui.layers_dock import LayersDock

WAIT_MS = 120_000
AUGUST, SEPTEMBER = "2025-08", "2025-09"

Pull = Callable[..., PullResult]


@pytest.fixture
def pull(desk: Desk, live_server, sign_in, qtbot) -> Pull:
    sign_in(live_server.url, "carol")

    def act(period: PullPeriod | None = None) -> PullResult:
        ended: list[Any] = []
        desk.pull("colp", "colp", ended.append, ended.append, period)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        if isinstance(ended[0], DeskError):
            raise ended[0]
        return ended[0]

    return act


@pytest.fixture
def publish(live_server) -> Iterator[Callable[..., None]]:
    """Publishes, and afterwards what other tests expect."""
    yield live_server.publish
    live_server.publish(("2025-08", 300, 1), ("2025-09", 200, 2))


def months_in(copy: LocalCopy) -> dict[str, int]:
    with closing(sqlite3.connect(copy.path)) as file:
        found = dict(file.execute("SELECT month, count(*) FROM colp GROUP BY 1"))
        (indexed,) = file.execute('SELECT count(*) FROM "rtree_colp_geom"').fetchone()
    assert indexed == sum(found.values()) == copy.manifest.rows
    return found


def offered(copy: LocalCopy) -> dict[str, int]:
    return {part.period: part.rows for part in copy.manifest.slices}


def test_only_the_months_that_were_chosen_come_and_updates_keep_to_them(pull: Pull) -> None:
    whole = offered(pull().copy)
    assert set(whole) == {AUGUST, SEPTEMBER}
    narrowed = pull(PullPeriod(first=SEPTEMBER))
    assert months_in(narrowed.copy) == {SEPTEMBER: whole[SEPTEMBER]}
    assert narrowed.downloaded == 0  # taken out of the copy that was here
    assert (narrowed.copy.manifest.first_period, narrowed.copy.manifest.newest_period) == (SEPTEMBER, SEPTEMBER)
    changes = narrowed.copy.changes
    assert changes is not None and (changes.added, changes.changed, changes.withdrawn) == (0, 0, 0)

    again = pull()
    assert again.kind is PullKind.UNCHANGED and again.copy.period == PullPeriod(first=SEPTEMBER)

    widened = pull(EVERYTHING)
    assert months_in(widened.copy) == whole and widened.copy.period.everything
    changes = widened.copy.changes
    assert changes is not None and (changes.added, changes.changed, changes.withdrawn) == (0, 0, 0)


def test_a_first_pull_of_one_month_downloads_that_month_alone(pull: Pull) -> None:
    copy = pull(PullPeriod(last=AUGUST)).copy
    assert set(months_in(copy)) == {AUGUST}
    assert copy.manifest.snapshot is None and [part.period for part in copy.manifest.slices] == [AUGUST]


def test_corrections_in_the_months_held_are_told_apart_from_months_that_come(pull: Pull, publish) -> None:
    publish((AUGUST, 300, 1), (SEPTEMBER, 200, 2))  # whatever other tests left
    former = pull(PullPeriod(first=AUGUST, last=AUGUST)).copy
    publish((AUGUST, former.manifest.rows + 25, 1), (SEPTEMBER, 200, 2))
    changes = pull(EVERYTHING).copy.changes
    assert changes is not None and (changes.added, changes.withdrawn) == (25, 0)


def test_a_period_without_data_is_told_and_the_copy_stays(pull: Pull, desk: Desk) -> None:
    copy = pull().copy
    with pytest.raises(LocalCopyTrouble) as caught:
        pull(PullPeriod(first="2030-01"))
    assert caught.value.code == "empty-period" and "January 2030 on" in caught.value.sentence
    assert desk.copy("colp") == copy and copy.path.is_file()


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (EVERYTHING, ""),
        (PullPeriod("2024-01"), "January 2024 on"),
        (PullPeriod(last="2025-03"), "until March 2025"),
        (PullPeriod("2024-01", "2024-01"), "January 2024"),
        (PullPeriod("2024-01", "2025-03"), "January 2024 to March 2025"),
    ],
)
def test_a_period_in_words(period: PullPeriod, words: str) -> None:
    assert period.words == words


@pytest.mark.parametrize("wrong", [{"first": "2024"}, {"last": "2024-13"}, {"first": "2024-1"}])
def test_what_is_no_month_is_no_period(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no period"):
        PullPeriod(**wrong)


# ---------------------------------------------------------------- the window


@pytest.fixture
def dock(desk: Desk, live_server, sign_in, qgis_iface, qtbot) -> LayersDock:
    dock = LayersDock(desk, qgis_iface)
    qtbot.addWidget(dock)
    dock.resize(400, 700)
    dock.show()
    sign_in(live_server.url, "carol")
    qtbot.waitUntil(lambda: bool(dock.cards), timeout=WAIT_MS)
    return dock


def test_months_are_chosen_before_the_pull(dock: LayersDock, desk: Desk, qtbot) -> None:
    card = dock.cards["colp"]
    card.months_button.click()
    dialog = dock.period_dialog
    assert dialog is not None and not dialog.pull_button.isEnabled()
    qtbot.waitUntil(dialog.pull_button.isEnabled, timeout=WAIT_MS)
    assert [dialog.first.itemText(n) for n in range(3)] == ["the beginning", "September 2025", "August 2025"]
    whole = dialog.told.text()
    dialog.first.setCurrentIndex(dialog.first.findData(SEPTEMBER))
    assert dialog.told.text() != whole and "rows; at most" in dialog.told.text()
    dialog.last.setCurrentIndex(dialog.last.findData(AUGUST))
    assert not dialog.pull_button.isEnabled() and "before the first" in dialog.told.text()
    dialog.last.setCurrentIndex(0)
    dialog.pull_button.click()
    assert card.pulling
    qtbot.waitUntil(lambda: not card.pulling, timeout=WAIT_MS)
    copy = desk.copy("colp")
    assert copy is not None and set(months_in(copy)) == {SEPTEMBER}
    assert "September 2025 on" in card.copy_line.text() and "here" in card.copy_line.text()

    # The next time it shows what is held, and a preset goes back to everything.
    card.months_action.trigger()
    dialog = dock.period_dialog
    qtbot.waitUntil(dialog.pull_button.isEnabled, timeout=WAIT_MS)
    assert dialog.period == PullPeriod(first=SEPTEMBER)
    dialog.presets[-1].click()
    assert dialog.period == EVERYTHING
    dialog.reject()
    assert dock.period_dialog is None and not card.pulling


def test_a_very_large_layer_is_asked_about_first(dock: LayersDock, qtbot, monkeypatch: pytest.MonkeyPatch) -> None:
    card = dock.cards["colp"]
    assert layers_dock.ASK_ABOVE_ROWS == 5_000_000
    monkeypatch.setattr(layers_dock, "ASK_ABOVE_ROWS", card.rows - 1)
    card.pull_button.click()
    assert not card.pulling and dock.period_dialog is not None
    assert f"This layer has {card.rows:,} rows" in dock.period_dialog.strip.text
    dialog = dock.period_dialog
    qtbot.waitUntil(dialog.pull_button.isEnabled, timeout=WAIT_MS)
    dialog.pull_button.click()
    qtbot.waitUntil(lambda: card.has_copy and not card.pulling, timeout=WAIT_MS)
    card.pull_button.click()  # an update asks nothing
    assert card.pulling
    qtbot.waitUntil(lambda: not card.pulling, timeout=WAIT_MS)
