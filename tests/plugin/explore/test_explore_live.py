"""The explore dock with a real server: a pulled copy's counts against the server's own rows, wards, shared queries."""

from __future__ import annotations

import csv
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from osgeo import ogr, osr
from qgis.core import QgsCoordinateReferenceSystem, QgsProject
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import Qt
from safestats.qgis_plugin.core.explore.elsewhere import ask_elsewhere
from safestats.qgis_plugin.core.explore.saved_queries import list_queries, remove_query, save_query
from safestats.qgis_plugin.core.explore.selection import By, Selection, Within
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.gui import saved_queries_row
from safestats.qgis_plugin.gui.explore_dock import ExploreDock
from safestats.tests.plugin.conftest import WAIT_MS, LiveServer
from safestats.tests.plugin.explore.conftest import CITY

NAME = "Robbery around the Refuge in Invented Street"
WARDS = {"E05009288": (531000, 532400), "E05009289": (532400, 534500)}  # east of, west of, in metres


def write_wards(path: Path) -> None:
    """Two wards of the City, divided by a line."""
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(27700)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("wards", reference, ogr.wkbPolygon)
    for name in ("code", "name"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTString))
    for code, (west, east) in WARDS.items():
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["code"], feature["name"] = code, f"Ward {code}"
        ring = f"{west} 180000, {east} 180000, {east} 183000, {west} 183000, {west} 180000"
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({ring}))"))
        layer.CreateFeature(feature)


@pytest.fixture(scope="module")
def furnished(live_server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> LiveServer:
    """The server with wards, denominators, and a licensing officer."""
    folder = tmp_path_factory.mktemp("furniture")
    write_wards(folder / "wards.gpkg")
    with (folder / "residents.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("kind", "edition", "source", "level", "code", "value"))
        rows.writerow(("residents", "mid-2023", "Made up", "borough", CITY, 8600))
        rows.writerows(("residents", "mid-2023", "Made up", "ward", code, 4300) for code in WARDS)
    live_server.run(
        f"areas load {folder / 'wards.gpkg'} --level ward --edition ward-2022 --code-field code --name-field name",
        f"denominators load {folder / 'residents.csv'}",
        "user add olive --org camden --role licensing-officer --password-stdin",
        "org add islington 'London Borough of Islington' --remit 'Section 17 of the Crime and Disorder Act 1998.'",
        "user add ian --org islington --password-stdin",
        "agreement add DSA-ISLINGTON --org islington --dataset colp --from 2025-01-01 --to 2099-12-31 "
        "--basis 'Public task: section 17 of the Crime and Disorder Act 1998.' "
        "--contact 'data-protection:D. Officer:dpo@example.org'",
        "agreement grant DSA-ISLINGTON --areas E01000001,E01032739,E01032740 --fields core,area,location,place "
        "--precision point",
        "agreement grant DSA-ISLINGTON --areas london --fields core,area,location --precision aggregate --uses view",
        "agreement sign DSA-ISLINGTON --by 'A. Director'",
        "agreement activate DSA-ISLINGTON",
    )
    return live_server


@pytest.fixture
def dock(desk, qtbot, qgis_new_project) -> Iterator[ExploreDock]:
    canvas = QgsMapCanvas()
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:27700"))
    qtbot.addWidget(canvas)

    class Window:
        def mapCanvas(self) -> QgsMapCanvas:
            return canvas

    made = ExploreDock(desk, Window())
    qtbot.addWidget(made)
    yield made
    made.close_down()


def pull(desk, qtbot, dock: ExploreDock) -> None:
    done: list[object] = []
    desk.list_layers(done.append, done.append)
    qtbot.waitUntil(lambda: len(done) == 1, timeout=WAIT_MS)
    desk.pull("colp", "City", done.append, done.append)
    qtbot.waitUntil(lambda: len(done) == 2, timeout=WAIT_MS)
    desk.open_layer("colp")
    qtbot.waitUntil(lambda: dock.choices.tree.topLevelItemCount() > 0, timeout=WAIT_MS)


def counted(dock: ExploreDock, qtbot) -> None:
    dock.count_button.click()
    qtbot.waitUntil(lambda: not dock.progress.running, timeout=WAIT_MS)
    assert dock.counted is not None, dock.message.text


def names(dock: ExploreDock) -> list[str]:
    return [dock.queries.box.itemText(at) for at in range(1, dock.queries.box.count())]


def rows_of_server(server: LiveServer, query: str) -> list[tuple]:
    with closing(sqlite3.connect(server.folder / "safestats.sqlite")) as database:
        return database.execute(query).fetchall()


def test_a_pulled_copy_counts_what_the_server_holds(furnished, desk, dock, sign_in, qtbot) -> None:
    sign_in(furnished.url, "ada")
    pull(desk, qtbot, dock)
    counted(dock, qtbot)
    expected = rows_of_server(
        furnished,
        "SELECT borough_code, category, month, count(*) FROM incident_colp"
        " WHERE to_release IS NULL AND borough_code NOTNULL GROUP BY 1, 2, 3",
    )
    found = dock.counted
    cells = {
        (place.code, path[0], month): int(found.cells[a, c, m])
        for a, place in enumerate(found.places)
        for c, path in enumerate(found.categories)
        for m, month in enumerate(found.months)
        if found.cells[a, c, m] and place.code.startswith("E09")
    }
    assert cells == {row[:3]: row[3] for row in expected} and cells
    qtbot.waitUntil(lambda: dock.results.base_box.count() == 2, timeout=WAIT_MS)
    dock.results.base_box.setCurrentIndex(1)
    (city,) = [line for line in _lines(dock) if line[0] == "City of London *"]
    number = sum(count for (code, _kind, _month), count in cells.items() if code == CITY)
    assert city[1:3] == [f"{number:,}", f"{1000 * number / 8600:,.1f}"]
    # Of the wards that the server has loaded, with their edition and their own denominator.
    dock.choices.by_box.setCurrentIndex(dock.choices.by_box.findData(By.WARD))
    counted(dock, qtbot)
    of_wards = dict(zip([place.code for place in dock.counted.places], dock.counted.of_places().tolist()))
    for code, (west, east) in WARDS.items():
        ((inside,),) = rows_of_server(
            furnished,
            "SELECT count(*) FROM incident_colp WHERE to_release IS NULL"
            f" AND easting BETWEEN {west + (code == 'E05009289')} AND {east} AND northing BETWEEN 180000 AND 183000",
        )
        assert of_wards[code] == inside > 0
    assert "ward-2022" in dock.results.notes.text() and dock.results.base.by is By.WARD
    before = len(furnished.events("explore.run"))
    desk.settle()
    qtbot.waitUntil(lambda: len(furnished.events("explore.run")) >= max(before, 2), timeout=WAIT_MS)
    event = furnished.events("explore.run")[-1]
    assert (event["dataset"], event["filter"]["by"], event["rows"]) == ("colp", "ward", dock.counted.total)


def test_a_shared_query_runs_with_the_rights_of_who_opens_it(furnished, desk, dock, sign_in, qtbot) -> None:
    sign_in(furnished.url, "ada")
    pull(desk, qtbot, dock)
    tree = dock.choices.tree
    robbery = next(tree.topLevelItem(at) for at in range(4) if tree.topLevelItem(at).text(0) == "Robbery")
    robbery.setCheckState(0, Qt.CheckState.Checked)
    dock.choices.area_box.setCurrentIndex(dock.choices.area_box.findData(Within.BOROUGHS.value))
    box = dock.choices.borough_box
    box.setItemCheckState(next(at for at in range(33) if box.itemData(at) == CITY), Qt.CheckState.Checked)
    dock.queries.save_button.click()
    dock._dialog.name.setText(NAME)
    dock._dialog.shared.setChecked(True)
    dock._dialog.accept()
    qtbot.waitUntil(lambda: names(dock) == [f"{NAME} – shared"], timeout=WAIT_MS)
    assert "own rights" in dock.message.text
    counted(dock, qtbot)
    of_ada = dock.counted.total
    assert of_ada > 0

    def sign_out() -> None:
        gone: list[None] = []
        desk.sign_out(lambda: gone.append(None))
        qtbot.waitUntil(lambda: bool(gone), timeout=WAIT_MS)

    sign_out()
    assert dock.counted is None and not dock.results.isVisible() and names(dock) == []
    # A colleague of the same rights opens it: the form asks the same, of the colleague's own copy.
    sign_in(furnished.url, "carol")
    qtbot.waitUntil(lambda: names(dock) == [f"{NAME} – Ada Okafor"], timeout=WAIT_MS)
    dock.queries.box.setCurrentIndex(1)
    assert not dock.queries.delete_button.isEnabled()
    dock.queries.open_button.click()
    qtbot.waitUntil(lambda: "pull and open that layer" in dock.message.text, timeout=WAIT_MS)
    pull(desk, qtbot, dock)
    dock.queries.box.setCurrentIndex(1)
    dock.queries.open_button.click()
    qtbot.waitUntil(lambda: dock.choices.borough_box.checkedItemsData() == [CITY], timeout=WAIT_MS)
    counted(dock, qtbot)
    assert dock.counted.asked.categories == (("Robbery",),) and dock.counted.total == of_ada
    sign_out()
    # Who gets counts alone is not told its name, let alone what it asks.
    sign_in(furnished.url, "olive")
    qtbot.waitUntil(lambda: len(names(dock)) == 1, timeout=WAIT_MS)
    assert "Refuge" not in names(dock)[0] and names(dock)[0].startswith("A query of Ada Okafor on City of London")
    dock.queries.box.setCurrentIndex(1)
    dock.queries.open_button.click()
    assert "cannot be shown to you" in dock.message.text and "not its records" in dock.message.text
    assert not QgsProject.instance().mapLayers()
    sign_out()
    sign_in(furnished.url, "ada")
    qtbot.waitUntil(lambda: len(names(dock)) == 1, timeout=WAIT_MS)
    dock.queries.box.setCurrentIndex(1)
    dock.queries.delete_button.click()
    qtbot.waitUntil(lambda: names(dock) == [], timeout=WAIT_MS)
    kinds = [furnished.events(kind) for kind in ("query.save", "query.open", "query.remove")]
    assert [len(found) for found in kinds] == [1, 2, 1]


def test_london_and_neighbours_come_from_the_server_where_it_lets_them_be_counted(
    furnished, desk, dock, sign_in, qtbot, monkeypatch
) -> None:
    sign_in(furnished.url, "ian")
    pull(desk, qtbot, dock)
    year = Selection("colp", Period("2024-10", "2025-09"), within=Within.BOROUGHS, codes=(CITY,))
    monkeypatch.setattr(dock.choices, "question", lambda: year)
    counted(dock, qtbot)
    qtbot.waitUntil(lambda: any(line.about for line in dock.results.beside), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: dock.results.base_box.count() == 2, timeout=WAIT_MS)
    dock.results.base_box.setCurrentIndex(1)
    items = [dock.results.compared.topLevelItem(at) for at in range(dock.results.compared.topLevelItemCount())]
    lines = {item.text(0): (item.text(1), item.text(2)) for item in items}
    ((in_city, in_london),) = rows_of_server(
        furnished,
        f"SELECT sum(borough_code = '{CITY}'), count(*) FROM incident_colp WHERE to_release IS NULL"
        " AND borough_code NOTNULL AND month BETWEEN '2024-10' AND '2025-09'",
    )
    for name, exact in (("City of London *", in_city), ("London *", in_london)):
        number = lines[name][0]
        assert number.startswith("≈ ") and number.endswith(("0", "5"))
        assert abs(int(number[2:].replace(",", "")) - exact) < 5 * (exact / 2) ** 0.5 + 5
    assert lines["City of London *"][1].startswith("≈ ")
    # A year that the server does not answer: its sentence says which it does.
    other = Selection("colp", Period("2024-09", "2025-08"), within=Within.BOROUGHS, codes=(CITY,))
    assert ask_elsewhere(desk.transport, other).counts
    older = Selection("colp", Period("2020-01", "2020-12"), within=Within.BOROUGHS, codes=(CITY,))
    assert "2024-10 to 2025-09" in ask_elsewhere(desk.transport, older).why


def test_what_comes_after_the_sign_out_is_not_shown_and_wards_are_the_server_s_own(
    furnished, desk, dock, sign_in, qtbot, monkeypatch
) -> None:
    sign_in(furnished.url, "ada")
    query = save_query(desk.transport, NAME, Selection("colp"), False)
    dock._sets.get(By.WARD, desk.transport)
    asked, told = threading.Event(), threading.Event()

    def slowly(*arguments):
        answer = list_queries(*arguments)
        asked.set()
        assert told.wait(20)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(saved_queries_row, "list_queries", slowly)
        dock.queries.refresh()
        qtbot.waitUntil(asked.is_set, timeout=WAIT_MS)
        gone: list[None] = []
        desk.sign_out(lambda: gone.append(None))
        qtbot.waitUntil(lambda: bool(gone), timeout=WAIT_MS)
        told.set()
        qtbot.wait(500)
    assert names(dock) == []
    sign_in(furnished.url, "ada")
    assert dock._sets.known(By.WARD) is not None
    sign_in(furnished.url.replace("127.0.0.1", "localhost"), "ada")
    assert dock._sets.known(By.WARD) is None
    remove_query(desk.transport, query.id)


def _lines(dock: ExploreDock) -> list[list[str]]:
    model = dock.results.table.model()
    return [[model.index(r, c).data() for c in range(model.columnCount())] for r in range(model.rowCount())]
