"""Ctrl+K: postcodes and premises as they are typed, in QGIS's own locator."""

from __future__ import annotations

from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsLocatorModelBridge, QgsProject, QgsRectangle
from qgis.PyQt.QtCore import QModelIndex
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.known_places import MOST_OF_A_KIND, KnownPlaces
from safestats.qgis_plugin.core.places import PlaceFinder
from safestats.qgis_plugin.gui.go_to_place import go_to
from safestats.qgis_plugin.gui.locator import PlaceLocator

WAIT_MS = 120_000
LIST = """name,licence,postcode
The Synthetic Arms,LN/0001,E16 1ZE
Arms & Anchor,LN/0002,E16 1ZE
Somewhere else,XX/9,not a postcode
"""


@pytest.fixture(scope="module")
def finder() -> PlaceFinder:
    return PlaceFinder()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "premises.csv"
    path.write_text(LIST, encoding="utf-8")
    return path


def titles(places: KnownPlaces, text: str) -> list[str]:
    return [one.title for one in places.find(text).places]


def test_postcodes_are_found_by_their_beginning_in_any_spelling(qgis_app, finder: PlaceFinder) -> None:
    places = KnownPlaces(finder, lambda: None)
    found = titles(places, "e161z")
    assert "E16 1ZE" in found and all(title.startswith("E16 1Z") for title in found)
    assert titles(places, "E16 1ZE") == ["E16 1ZE"]
    assert len(titles(places, "SE1")) == MOST_OF_A_KIND
    assert titles(places, "roads") == [] and titles(places, "E") == [] and titles(places, "") == []


def test_premises_are_found_by_words_and_by_licence(qgis_app, finder: PlaceFinder, listed: Path) -> None:
    places = KnownPlaces(finder, lambda: listed)
    assert titles(places, "arms") == ["The Synthetic Arms", "Arms & Anchor"]
    assert titles(places, "synth ar") == ["The Synthetic Arms"]
    assert titles(places, "ln/0002") == ["Arms & Anchor"]
    assert titles(places, "somewhere") == []  # it has no place
    assert titles(places, "ar") == []


def test_a_list_is_read_again_when_it_changes_and_told_when_it_is_gone(
    qgis_app, finder: PlaceFinder, listed: Path
) -> None:
    places = KnownPlaces(finder, lambda: listed)
    assert titles(places, "newcomer") == []
    listed.write_text(LIST + "The Newcomer,LN/3,E16 1ZE\n", encoding="utf-8")
    assert titles(places, "newcomer") == ["The Newcomer"]
    listed.unlink()
    gone = places.find("newcomer")
    assert gone.places == () and "Options" in gone.lacking and gone.news == gone.lacking
    # At the next key nothing new is told; postcodes are found all the same.
    again = places.find("E16 1ZE")
    assert [one.title for one in again.places] == ["E16 1ZE"]
    assert (again.lacking, again.news) == (gone.lacking, "")
    listed.write_text("no column of places\n", encoding="utf-8")
    bad = places.find("newcomer")
    assert "no column of places" in bad.news and places.find("newcomers").news == ""
    listed.write_text(LIST, encoding="utf-8")
    assert titles(places, "arms") and places.find("arms").lacking == ""
    listed.unlink()
    assert places.find("arms").news == gone.news  # it was there in between: that is new


def test_without_a_list_one_sentence_says_so_and_is_no_warning(qgis_app, finder: PlaceFinder) -> None:
    found = KnownPlaces(finder, lambda: None).find("arms")
    assert found.places == () and found.news == ""
    assert found.lacking.startswith("No list of premises is chosen: choose one in Settings → Options → SafeStats")


def test_reading_a_list_can_be_stopped(qgis_app, finder: PlaceFinder, listed: Path) -> None:
    with pytest.raises(Cancelled):
        KnownPlaces(finder, lambda: listed).find("arms", lambda: True)


@pytest.fixture
def bar(qgis_app):
    """What stands behind QGIS's locator bar: its locator, and the model of what was found."""
    return QgsLocatorModelBridge()


def shown(bar: QgsLocatorModelBridge) -> dict[str, QModelIndex]:
    """What the bar lists, by title; headings stand among the results."""
    model = bar.proxyModel()
    return {index.data().strip(): index for index in (model.index(row, 0) for row in range(model.rowCount()))}


def test_in_the_locator_enter_goes_there_and_the_menu_searches(
    bar: QgsLocatorModelBridge, finder: PlaceFinder, listed: Path, qtbot
) -> None:
    went, searched = [], []
    # Held here as by the plugin: QGIS does not keep its Python half alive.
    places = KnownPlaces(finder, lambda: listed)
    locator = PlaceLocator(places, went.append, searched.append, lambda: None)
    bar.locator().registerFilter(locator)
    bar.performSearch("place arms")
    qtbot.waitUntil(lambda: "Arms & Anchor" in shown(bar) and "The Synthetic Arms" in shown(bar), timeout=WAIT_MS)
    found = shown(bar)
    about = found["The Synthetic Arms"].siblingAtColumn(1).data()
    assert "LN/0001" in about and "Newham" in about and "Premises" in found
    bar.triggerResult(found["The Synthetic Arms"])
    assert [place.postcode for place in went] == ["E16 1ZE"] and searched == []
    bar.triggerResult(found["The Synthetic Arms"], 1)
    assert searched == went


def test_a_list_that_cannot_be_read_is_told_once_and_postcodes_are_found(
    bar: QgsLocatorModelBridge, finder: PlaceFinder, tmp_path: Path, qtbot
) -> None:
    listed: list[Path | None] = [tmp_path / "gone.csv"]
    configured: list[str] = []
    places = KnownPlaces(finder, lambda: listed[0])
    locator = PlaceLocator(places, print, print, lambda: configured.append("asked"))
    bar.locator().registerFilter(locator)
    QgsApplication.messageLog().messageReceived.connect(log := lambda text, *_rest: told.append(text))
    told: list[str] = []
    try:
        for text in ("place E16 1Z", "place E16 1ZE"):
            bar.performSearch(text)
            qtbot.waitUntil(lambda: "E16 1ZE" in shown(bar), timeout=WAIT_MS)
        bar.performSearch("place arms")
        qtbot.waitUntil(lambda: any("gone.csv" in title for title in shown(bar)), timeout=WAIT_MS)
    finally:
        QgsApplication.messageLog().messageReceived.disconnect(log)
    assert len([text for text in told if "gone.csv" in text]) == 1
    listed[0] = None
    bar.performSearch("place anchor")
    qtbot.waitUntil(lambda: any("No list of premises" in title for title in shown(bar)), timeout=WAIT_MS)
    (entry,) = [index for title, index in shown(bar).items() if "No list of premises" in title]
    bar.triggerResult(entry)
    assert configured == ["asked"]


@pytest.mark.parametrize("projection", ["EPSG:27700", "EPSG:3857"])
def test_the_map_goes_there_in_its_own_projection(qgis_canvas, finder: PlaceFinder, projection: str) -> None:
    canvas = qgis_canvas
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem(projection))
    canvas.setExtent(QgsRectangle(0, 0, 1_000_000, 1_000_000))
    place = finder.find("E16 1ZE")
    assert go_to(canvas, QgsProject.instance(), place)
    assert canvas.scale() == pytest.approx(2_500, rel=0.02)
    if projection == "EPSG:27700":
        assert canvas.center().x() == pytest.approx(place.easting) and canvas.center().y() == pytest.approx(
            place.northing
        )
    canvas.zoomScale(1_000)
    go_to(canvas, QgsProject.instance(), place)
    assert canvas.scale() == pytest.approx(1_000, rel=0.02)  # nearer than that it stays
