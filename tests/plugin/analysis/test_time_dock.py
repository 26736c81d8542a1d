"""The time dock at a real desk: what it follows, what its charts show, and how they leave."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from qgis.core import (
    QgsFeature,
    QgsLayoutItemLabel,
    QgsLayoutItemMap,
    QgsLayoutItemPicture,
    QgsPrintLayout,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QPointF, QRectF, Qt
from qgis.PyQt.QtGui import QColor, QImage, QPainter
from qgis.PyQt.QtSvg import QSvgRenderer
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.explore.area_sets import AreaSets
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.residents import Residents
from safestats.qgis_plugin.core.time_answer import ChartKind, TimeAnswer, TimeQuestion, answer, held_words
from safestats.qgis_plugin.core.time_rows import TimeSource, dated_facts
from safestats.qgis_plugin.gui.publish_dialog import PublishDialog
from safestats.qgis_plugin.gui.time_dock import TimeDock
from safestats.qgis_plugin.layouts.checks import findings
from safestats.qgis_plugin.layouts.drawing import Anchor, Box, Dot, Drawing, Words
from safestats.qgis_plugin.layouts.drawing import Path as Line
from safestats.qgis_plugin.layouts.export import ExportRefused, Format, FurnitureMissing, leave
from safestats.qgis_plugin.layouts.items import map_frame
from safestats.qgis_plugin.layouts.sheet import MODE_PROPERTY, SYNTHETIC_PROPERTY, Imprint, Mode, Sheet
from safestats.qgis_plugin.layouts.time_charts.charts import Look, draw, heading, least_height, notes
from safestats.qgis_plugin.layouts.time_charts.ranked import share_words
from safestats.qgis_plugin.layouts.time_charts.tables import tables
from safestats.qgis_plugin.layouts.time_page import TimeChart, build_chart_layout, place_chart

from .conftest import dated_layer, safestats_manifest

TODAY = date(2026, 1, 10)
IMPRINT = Imprint("When fires happen", "Ada Okafor", "London Borough of Camden")


def fires() -> list[tuple]:
    """Two years, a row a day at 9 or 21 o'clock, Mondays at an unknown hour; nothing in June 2025."""
    found = []
    for number in range(731):
        day = date(2024, 1, 1) + timedelta(days=number)
        if (day.year, day.month) != (2025, 6):
            hour = None if day.weekday() == 0 else 9 if day.weekday() < 5 else 21
            found.append((530_000 + number, 180_000, day, hour, "Fire <1>" if number % 3 else "A & B", 100.0))
    return found


@pytest.fixture
def layer(qgis_app) -> QgsVectorLayer:
    return dated_layer(fires(), "Fires")


def safestats(layer: QgsVectorLayer, **changes) -> QgsVectorLayer:
    manifest = safestats_manifest("lfb", layer.featureCount(), "2024-01", "2025-12", title="Fires", **changes)
    layers.describe(layer, manifest)
    return layer


def counted(layer: QgsVectorLayer, residents: Residents | None = None, **asked) -> TimeAnswer:
    source = TimeSource(layer, dated_facts(layer), bool(layer.selectedFeatureCount()), TODAY)
    return answer(source, TimeQuestion(**asked), residents, TODAY)


class Window:
    """What the dock needs of QGIS's window."""

    def __init__(self) -> None:
        self.designed: list[QgsPrintLayout] = []

    def openLayoutDesigner(self, layout: QgsPrintLayout) -> None:
        self.designed.append(layout)


@pytest.fixture
def iface() -> Window:
    return Window()


@pytest.fixture
def dock(desk, iface, qtbot):
    dock = TimeDock(desk, iface, None, lambda: TODAY)
    qtbot.addWidget(dock)
    dock.resize(440, 760)
    dock.show()
    yield dock
    dock.close_down()


def shown(dock: TimeDock, layer: QgsVectorLayer, qtbot) -> TimeAnswer:
    QgsProject.instance().addMapLayer(layer)
    dock.layer_box.setLayer(layer)
    qtbot.waitUntil(lambda: dock.answer is not None)
    return dock.answer


def events(desk) -> list[dict]:
    desk.settle()
    path = desk.store.root / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line)["event"] for line in lines if line]


# ---------------------------------------------------------------------- where, and how many


def test_a_heading_names_the_boroughs_of_the_copy(layer):
    camden, hackney = "E09000007", "E09000012"
    assert heading(ChartKind.PARETO, counted(layer)).startswith("Fires: categories, ")  # no copy
    assert heading(ChartKind.PARETO, counted(safestats(layer))).startswith("Fires, whole copy: categories, ")
    assert held_words([hackney, camden]) == "Camden and Hackney"
    parts = [code for code, lsoa in AreaSets().boundaries.lsoas.items() if lsoa.parent == hackney]
    assert held_words([camden, parts[0]]) == "Camden and part of Hackney"
    assert held_words(parts) == "Hackney"
    assert held_words([f"E0900000{n}" for n in range(1, 6)]) == "5 boroughs"
    one = counted(safestats(layer, areas=(camden,)))
    assert all(heading(kind, one).startswith("Fires, Camden: ") for kind in ChartKind)


def test_a_small_share_is_not_nought(layer):
    assert [share_words(share) for share in (None, 0.0, 0.004, 0.006, 1.0)] == ["", "0 %", "under 1 %", "1 %", "100 %"]


# ---------------------------------------------------------------------- the dock


def test_it_follows_the_selection_and_the_filter(dock, layer, qtbot):
    whole = shown(dock, layer, qtbot)
    assert (whole.selected, whole.filtered, whole.rows) == (False, False, 335)  # a year without June
    assert dock.told.text().startswith("335 incidents in the period")
    layer.selectByExpression("hour = 21")
    qtbot.waitUntil(lambda: dock.answer is not None and dock.answer.selected)
    weekends = [row for row in fires() if row[3] == 21 and row[2].year == 2025]
    assert dock.answer.rows == len(weekends)
    assert dock.told.text() == (
        f"{len(weekends)} selected incidents in the period. "
        "Period: January 2025 to December 2025 (automatic: the last 12 months held)."
    )
    assert sum(dock.answer.week.cells[2]) == 0
    layer.removeSelection()
    assert layer.setSubsetString("\"category\" = 'A & B'")
    qtbot.waitUntil(lambda: dock.answer is not None and dock.answer.filtered)
    assert not dock.answer.selected
    assert {line.label for line in dock.answer.categories} == {"A & B"}


def test_a_selection_that_is_being_drawn_is_counted_once_it_rests(dock, layer, qtbot):
    shown(dock, layer, qtbot)
    for number in range(2, 40):
        layer.selectByIds(list(range(400, 400 + number)))
    last = layer.selectedFeatureCount()
    qtbot.waitUntil(lambda: dock.answer is not None and dock.answer.rows == last)


def test_it_counts_in_another_thread_and_only_where_it_is_seen(dock, desk, layer, qtbot, monkeypatch):
    threads = []
    plain = TimeSource.read
    monkeypatch.setattr(TimeSource, "read", lambda *given: (threads.append(threading.get_ident()), plain(*given))[1])
    shown(dock, layer, qtbot)
    assert threads
    assert threading.get_ident() not in threads
    dock.hide()
    before = len(threads)
    layer.selectByIds([1, 2, 3])
    qtbot.wait(500)
    assert not dock.answer.selected
    dock.show()
    qtbot.waitUntil(lambda: dock.answer.selected)
    assert len(threads) == before  # what was read is kept while the layer's content is the same
    layer.dataProvider().deleteFeatures([1])
    layer.dataChanged.emit()
    qtbot.waitUntil(lambda: len(threads) == before + 1)


def test_a_layer_that_goes_while_it_is_counted_leaves_nothing(dock, layer, qtbot):
    shown(dock, layer, qtbot)
    layer.selectByIds([1])
    dock.count()
    QgsProject.instance().removeMapLayer(layer.id())
    qtbot.waitUntil(lambda: not dock.progress.running)
    qtbot.wait(300)
    assert dock.answer is None
    assert not dock.export_button.isEnabled()


def test_trouble_is_told_in_a_sentence(dock, qtbot):
    undated = QgsVectorLayer("Point?crs=EPSG:27700&field=name:string", "Places", "memory")
    QgsProject.instance().addMapLayer(undated)
    dock.layer_box.setLayer(undated)
    assert "“Places” has no column of dates or months" in dock.message.text
    backwards = dated_layer(fires()[:400], "Some")
    shown(dock, backwards, qtbot)
    dock.months.first.setCurrentIndex(5)
    dock.months.last.setCurrentIndex(2)
    qtbot.waitUntil(lambda: "before it starts" in dock.message.text)
    assert dock.answer is None


def test_each_question_of_a_copy_is_noted_once(dock, desk, layer, qtbot):
    shown(dock, safestats(layer), qtbot)
    for ids in ([1, 2], [3, 4, 5], [6]):
        layer.selectByIds(ids)
        qtbot.waitUntil(lambda: dock.answer.selected and not dock.progress.running)
        qtbot.wait(300)
    found = [event for event in events(desk) if event["kind"] == "time.charts"]
    assert [(event["dataset"], event["filter"]["selected"]) for event in found] == [("lfb", False), ("lfb", True)]
    assert found[0]["rows"] == 335
    assert (found[0]["filter"]["from"], found[0]["filter"]["to"]) == ("2025-01", "2025-12")


def test_every_chart_can_be_chosen_and_tells_what_is_under_the_pointer(dock, layer, qtbot):
    shown(dock, layer, qtbot)
    for kind in ChartKind:
        dock.chart_box.setCurrentIndex(dock.chart_box.findData(kind))
        assert dock.chart.drawing is not None
        assert dock.chart.accessibleDescription()
        assert dock.export_button.isEnabled() == (kind is not ChartKind.PEERS)  # it tells no borough
    dock.chart_box.setCurrentIndex(dock.chart_box.findData(ChartKind.WEEK))
    scale = dock.chart.logicalDpiY() / 25.4
    cell = next(s for s in dock.chart.drawing.shapes if isinstance(s, Box) and s.tip.startswith("Sat 21:00"))
    assert dock.chart.told_at((cell.rect.center() + QPointF(2.5, 2.5)) * scale) == cell.tip == "Sat 21:00–21:59: 48"
    assert dock.chart.told_at(QPointF(0, 0)) == ""


def test_residents_come_from_the_server_and_the_use_goes_to_its_audit(
    dock, desk, layer, qtbot, live_server, sign_in, tmp_path
):
    file = tmp_path / "residents.csv"
    lines = ["kind,edition,source,level,code,value", "residents,mid-2023,ONS,borough,E09000001,8600"]
    file.write_text("\n".join([*lines, "residents,mid-2023,ONS,borough,E09000007,210000"]), encoding="utf-8")
    live_server.run(f"denominators load {file}")
    sign_in(live_server.url, "ada")
    columns = "field=occurred_on:date&field=category:string&field=borough_code:string"
    boroughs = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}", "Fires", "memory")
    features = []
    for code, number in (("E09000001", 43), ("E09000007", 21)):
        for _ in range(number):
            feature = QgsFeature(boroughs.fields())
            feature.setAttributes([QDate(2025, 3, 3), "Fire", code])
            features.append(feature)
    boroughs.dataProvider().addFeatures(features)
    layers.describe(boroughs, safestats_manifest("colp", 64, "2025-03", "2025-03", title="Fires"))
    made = shown(dock, boroughs, qtbot)
    assert {line.name: line.rate for line in made.peers.lines} == {"City of London": 5.0, "Camden": 0.1}
    assert [line.name for line in made.peers.lines if line.few_residents] == ["City of London"]
    assert made.peers.edition == "mid-2023"
    dock.chart_box.setCurrentIndex(dock.chart_box.findData(ChartKind.PEERS))
    assert "mid-2023; ONS" in dock.chart.accessibleDescription()

    def noted() -> list[str]:  # of this layer: other tests use the same server
        return [event["dataset"] for event in live_server.events("time.charts") if event["rows"] == 64]

    qtbot.waitUntil(lambda: bool(noted()))
    assert noted() == ["colp"]


# ---------------------------------------------------------------------- the drawings


def boxes(drawing: Drawing, words: str) -> list[Box]:
    return [shape for shape in drawing.shapes if isinstance(shape, Box) and words in shape.tip]


def test_bars_are_as_high_as_their_counts_and_what_never_came_is_hatched(layer):
    made = counted(layer)
    drawing = draw(ChartKind.ROLLING, made, Look(150, 90))
    brute = Counter(f"{row[2]:%Y-%m}" for row in fires())
    bars = {month: box for month in ("January 2024", "February 2025", "December 2025") for box in boxes(drawing, month)}
    heights = [bar.rect.height() / brute[month] for bar, month in zip(bars.values(), ("2024-01", "2025-02", "2025-12"))]
    assert max(heights) == pytest.approx(min(heights))
    june = boxes(drawing, "June 2025")
    assert len(june) == 2  # of the months and of their sums
    assert all(box.hatched and box.tip == "June 2025: not delivered" for box in june)
    dots = {shape.tip for shape in drawing.shapes if isinstance(shape, Dot)}
    assert f"12 months to May 2025: {sum(brute[m] for m in brute if '2024-06' <= m <= '2025-05')}" in dots
    assert not any("June 2025" in tip or "December 2025" in tip for tip in dots)
    assert [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.width == 0.6]


def test_nothing_is_drawn_beyond_the_paper_in_narrow_and_in_wide_places(layer):
    codes = ["E09000001", "E09000007"]
    residents = Residents("mid-2023", "ONS", dict.fromkeys(codes, 9_000), 50_000)
    made = counted(layer, residents)
    for kind in ChartKind:
        for width, size in ((70, 8), (110, 9), (273, 9)):
            height = max(least_height(kind, made, size), 45)
            drawing = draw(kind, made, Look(width, height, size))
            for shape in drawing.shapes:
                if isinstance(shape, Box):
                    assert QRectF(-0.2, -0.2, width + 0.4, height + 0.4).contains(shape.rect), (kind, width, shape)
                if isinstance(shape, Words):
                    long = drawing.width_of(shape.words, shape.size, shape.bold)
                    left = shape.x - {Anchor.START: 0, Anchor.MIDDLE: long / 2, Anchor.END: long}[shape.anchor]
                    assert left >= -1, (kind, width, shape)
                    assert left + long <= width + 1, (kind, width, shape)
                    assert 0 <= shape.y <= height, (kind, width, shape)


def test_shades_are_told_apart_without_colour():
    """As grey, by relative luminance: each class is clearly darker than the one before."""
    from safestats.qgis_plugin.layouts.trend_chart import BEFORE, EARLIER, NOW
    from safestats.qgis_plugin.layouts.week_chart import SHADES

    def grey(colour: str) -> float:
        red, green, blue, _ = QColor(colour).getRgbF()
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for ladder in (SHADES, (EARLIER, BEFORE, NOW)):
        steps = [grey(a) - grey(b) for a, b in zip(ladder, ladder[1:])]
        assert min(steps) > 0.07, steps


def test_the_svg_shows_what_the_dock_paints_and_holds_nothing_else(layer):
    made = counted(layer)
    for kind in (ChartKind.WEEK, ChartKind.CALENDAR, ChartKind.ROLLING, ChartKind.YEARS, ChartKind.PARETO):
        drawing = draw(kind, made, Look(160, 90))
        written = drawing.svg()
        root = ElementTree.fromstring(written)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "rect", "polyline", "circle", "text"}
        assert b"530" not in written or kind is not ChartKind.PARETO  # no coordinate
        painted, rendered = (QImage(1280, 720, QImage.Format.Format_RGB32) for _ in range(2))
        for image in (painted, rendered):
            image.fill(QColor("#ffffff"))
        painter = QPainter(painted)
        painter.scale(8, 8)
        drawing.paint(painter)
        painter.end()
        painter = QPainter(rendered)
        QSvgRenderer(written).render(painter)
        painter.end()
        off = sum(
            abs(QColor(painted.pixel(x, y)).lightness() - QColor(rendered.pixel(x, y)).lightness()) > 64
            for x in range(0, 1280, 4)
            for y in range(0, 720, 4)
        )
        assert off < 320 * 180 * 0.02, kind


def test_words_of_a_layer_are_words_in_the_svg(layer):
    drawing = draw(ChartKind.PARETO, counted(layer), Look(160, 90))
    told = [element.text for element in ElementTree.fromstring(drawing.svg()).iter() if element.tag.endswith("text")]
    assert "Fire <1>" in told
    assert "A & B" in told


def test_the_chart_says_what_is_missing_unknown_and_invented(layer):
    safestats(layer, synthetic=True)
    made = counted(layer)
    told = " ".join(notes(ChartKind.WEEK, made))
    assert "SYNTHETIC DATA" in told
    assert "Not delivered: June 2025." in told
    mondays = sum(1 for row in fires() if row[3] is None and row[2].year == 2025)
    assert f"{mondays} without a known day and hour are left out." in told
    weighted = counted(layer, weighted=True)
    assert f"Weighted (aoristic): {mondays} of 335 incidents" in " ".join(notes(ChartKind.WEEK, weighted))


def test_a_chart_has_a_table_for_who_cannot_see_it(layer):
    made = counted(layer)
    (table,) = tables(ChartKind.ROLLING, made)
    assert table.rows[-1][0] == "December 2025"
    assert ("June 2025", "not delivered", "none") in table.rows
    (week,) = tables(ChartKind.WEEK, made)
    assert [row[0] for row in week.rows] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert week.rows[5][22] == "48"


def test_real_fires_by_hour_and_weekday(timed_fire_layer, timed_fire_rows):
    made = counted(timed_fire_layer, period=Period("2017-01", "2017-03"))
    brute = Counter((row[2].weekday(), row[3]) for row in timed_fire_rows)
    assert {(d, h): n for d, day in enumerate(made.week.cells) for h, n in enumerate(day) if n} == dict(brute)
    days = Counter(row[2] for row in timed_fire_rows)
    assert list(made.calendar.counts) == [days[date(2017, 1, 1) + timedelta(days=n)] for n in range(90)]


# ---------------------------------------------------------------------- on paper


def test_a_page_leaves_as_vectors_with_its_furniture_and_its_hash(layer, tmp_path):
    chart = TimeChart(ChartKind.WEEK, counted(layer))
    page = build_chart_layout(QgsProject.instance(), chart, IMPRINT)
    noted = []
    pdf, svg = leave(page, tmp_path, "chart", [Format.PDF, Format.SVG], noted.extend)
    assert b"/Subtype /Image" not in pdf.read_bytes()
    assert b"<image" not in svg.read_bytes()
    assert svg.read_bytes().count(b"#1f4e79") >= 1
    assert [one.sha256 for one in noted] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in (pdf, svg)]


def test_a_chart_for_everybody_is_rounded_in_the_picture_and_in_its_twin(layer, tmp_path):
    chart = TimeChart(ChartKind.ROLLING, counted(layer))
    page = build_chart_layout(QgsProject.instance(), chart, Imprint("Fires", "Ada", "Camden", Mode.PUBLICATION))
    svg, html = leave(page, tmp_path, "chart", [Format.SVG], lambda _files: None)
    told = html.read_text(encoding="utf-8")
    for month, exact in Counter(f"{row[2]:%B %Y}" for row in fires()).items():
        assert f'<th scope="row">{month}</th><td class="n">{5 * round(exact / 5)}</td>' in told
    assert "Counts are those in the chart." in told  # no total, by which a small count could be worked out
    assert "OFFICIAL-SENSITIVE" not in told
    assert svg.exists()


def test_no_total_beside_a_published_chart_tells_its_small_counts(qgis_app):
    """Three and four, both withheld: beside a total of 7, rounded or not, they would be no secret."""
    rows = [(530_000, 180_000, date(2025, 3, 3), 9, kind, 1.0) for kind in ["Fire"] * 3 + ["Flood"] * 4]
    chart = TimeChart(ChartKind.PARETO, counted(dated_layer(rows, "Fires")))
    imprint = Imprint("Fires", "Ada", "Camden", Mode.PUBLICATION)
    page = build_chart_layout(QgsProject.instance(), chart, imprint)
    assert [line.mark for line in chart.fit_for(Mode.PUBLICATION).categories] == ["<5", "<5"]
    (label,) = [item for item in page.items() if isinstance(item, QgsLayoutItemLabel) and item.id() == "counts"]
    assert not any(letter.isdigit() for letter in label.currentText())


def test_a_page_without_a_map_needs_no_scale_bar_but_one_with_a_map_does(layer, tmp_path):
    chart = TimeChart(ChartKind.YEARS, counted(layer))
    page = build_chart_layout(QgsProject.instance(), chart, Imprint("Fires", "", "Camden"))
    with pytest.raises(FurnitureMissing, match="the author and organisation is missing"):
        leave(page, tmp_path, "chart", [Format.PDF], lambda _files: None)
    page = build_chart_layout(QgsProject.instance(), chart, IMPRINT)
    assert findings(page) == []
    added = QgsLayoutItemMap(page)
    page.addLayoutItem(added)
    with pytest.raises(FurnitureMissing, match="scale bar and the north arrow are missing"):
        leave(page, tmp_path, "chart", [Format.PDF], lambda _files: None)
    assert not list(tmp_path.iterdir())


def test_an_exact_chart_may_not_leave_on_a_page_for_everybody(layer, tmp_path):
    chart = TimeChart(ChartKind.PARETO, counted(layer))
    page = build_chart_layout(QgsProject.instance(), chart, IMPRINT)
    page.setCustomProperty(MODE_PROPERTY, Mode.PUBLICATION.value)
    for item in page.items():
        if getattr(item, "id", lambda: "")() in ("marking-top", "marking-bottom"):
            item.setText("OFFICIAL")
    with pytest.raises(ExportRefused, match="exact counts"):
        leave(page, tmp_path, "chart", [Format.SVG], lambda _files: None)
    found = [one for one in findings(page) if "exact counts" in one.sentence]
    found[0].mend()
    assert not any(isinstance(item, QgsLayoutItemPicture) for item in page.items())


def test_the_publish_window_makes_the_files_and_notes_them(dock, desk, iface, layer, qtbot, tmp_path):
    shown(dock, safestats(layer), qtbot)
    asked = []
    dock.export_requested.connect(asked.append)
    qtbot.mouseClick(dock.export_button, Qt.MouseButton.LeftButton)
    window = PublishDialog(desk, iface, asked[0])
    qtbot.addWidget(window)
    window.author_edit.setText("Ada Okafor")
    window.organisation_edit.setText("London Borough of Camden")
    window.folder.setFilePath(str(tmp_path))
    window.formats[Format.SVG].setChecked(True)
    window.redraw()
    written = window.export()
    assert {path.suffix for path in written} == {".pdf", ".svg"}, window.strip.text
    noted = [event for event in events(desk) if event["kind"] == "map.export"][-1]
    assert (noted["dataset"], noted["filter"]["product"], noted["rows"]) == ("lfb", "chart-hour-by-weekday", 335)
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
    assert {file["sha256"] for file in noted["filter"]["files"]} == hashes
    window.close()


def test_a_chart_is_placed_as_one_vector_picture_made_for_whom_the_page_is(dock, desk, iface, layer, qtbot):
    shown(dock, safestats(layer, synthetic=True), qtbot)
    manager = QgsProject.instance().layoutManager()
    dock.place(None)
    (made,) = manager.printLayouts()
    assert iface.designed == [made]
    (picture,) = [item for item in made.items() if isinstance(item, QgsLayoutItemPicture)]
    held = base64.b64decode(picture.picturePath().partition(":")[2])
    assert b"Source: Fires" in held
    assert b"SYNTHETIC DATA" in held
    assert str(made.customProperty(SYNTHETIC_PROPERTY)).lower() == "true"
    assert picture.isMissingImage() is False
    dock.place(made)
    first, second = (i.mapRectToScene(i.rect()) for i in made.items() if isinstance(i, QgsLayoutItemPicture))
    assert not first.intersects(second) or first != second

    dock.chart_box.setCurrentIndex(dock.chart_box.findData(ChartKind.CALENDAR))
    public = Sheet(QgsProject.instance(), Imprint("P", "Ada", "Camden", Mode.PUBLICATION), True).layout
    dock.place(public)
    assert "Single days are not published" in dock.message.text
    dock.chart_box.setCurrentIndex(dock.chart_box.findData(ChartKind.ROLLING))
    dock.place(public)
    (picture,) = [item for item in public.items() if isinstance(item, QgsLayoutItemPicture)]
    assert b"rounded" in base64.b64decode(picture.picturePath().partition(":")[2])
    placed = [event["filter"] for event in events(desk) if event["filter"].get("placed")]
    assert [one["mode"] for one in placed] == ["operational", "operational", "publication"]


def test_what_an_agreement_does_not_grant_is_not_placed(dock, desk, iface, layer, qtbot, monkeypatch):
    from safestats.qgis_plugin.core import uses

    shown(dock, safestats(layer), qtbot)
    monkeypatch.setattr(desk, "require_use", lambda code, title, use: uses.require_use(["analyse"], use, title))
    dock.place(None)
    assert "does not grant its export" in dock.message.text
    assert QgsProject.instance().layoutManager().printLayouts() == []


def test_a_placed_chart_lies_beside_what_is_there(layer):
    sheet = Sheet(QgsProject.instance(), IMPRINT, False)
    frame = map_frame(sheet, "map", QRectF(10, 10, 130, 190), layer.extent(), [layer], "#ffffff")
    item = place_chart(sheet.layout, TimeChart(ChartKind.WEEK, counted(layer)))
    assert not item.mapRectToScene(item.rect()).intersects(frame.mapRectToScene(frame.rect()))
