"""The proximity search: exact, inclusive, equal to a count by hand on real incidents; and its sentences."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from math import pi
from pathlib import Path

import numpy as np
import pytest
from qgis.core import (
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core import layers
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.borough_ranks import BoroughRanks
from safestats.qgis_plugin.core.coverage import CoverageMap
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.file_rows import PointFile
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.periods import Period, held_before, latest_year
from safestats.qgis_plugin.core.places import PlaceFinder
from safestats.qgis_plugin.core.point_facts import filter_note
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.proximity import Place, PlaceSearch, search
from safestats.qgis_plugin.core.proximity_question import Question, parse_radii, plan
from safestats.qgis_plugin.core.resource_files import BOUNDARIES, POSTCODES
from safestats.qgis_plugin.core.ring_layers import ring_layer
from safestats.qgis_plugin.core.study_areas import BoroughMap, StudyArea
from safestats.shared.change import change
from safestats.shared.manifest import Slice
from safestats.shared.presets import Exclusion, Preset
from safestats.shared.rings import Band, OwnBand
from safestats.shared.windows import Window

from .conftest import CENTRE, dated_layer, point_layer, safestats_manifest

EAST, NORTH = CENTRE
PLACE = Place("a doorway", EAST, NORTH, "", borough="Westminster", borough_code="E09000033")
TODAY = date(2026, 1, 15)
YEAR = Window("2025-01", "2025-12")


@pytest.fixture
def ranks(qgis_app, tmp_path) -> BoroughRanks:
    return BoroughRanks(LocalStore(tmp_path / "store"), PlaceFinder())


def run(layers, radii=(100,), place: Place = PLACE, ranks=None, cancelled=lambda: False, **asked) -> PlaceSearch:
    sources = [PointSource(layer) for layer in (layers if isinstance(layers, list) else [layers])]
    planned = plan(sources, Question(radii=radii, **asked), TODAY)
    ranks = ranks or BoroughRanks(LocalStore(None), PlaceFinder())
    return search(planned, place, CoverageMap(), ranks, cancelled)


def totals(found: PlaceSearch, band: int = 0) -> tuple:
    return tuple(figure.count for figure in found.answer.datasets[0].totals()[band].figures)


def table(found: PlaceSearch) -> dict[str, tuple]:
    return {row.label: tuple(f.count for f in row.figures) for row in found.answer.datasets[0].by_category()}


def test_an_incident_on_the_ring_is_inside(qgis_app):
    rows = [(EAST + d, NORTH, "2025-01", "theft") for d in (99, 100, 101)]
    assert totals(run(point_layer(rows), window=YEAR)) == (2,)


def test_a_ring_reaches_as_far_in_every_direction(qgis_app):
    # 60² + 80² = 100², 61² + 80² is more: diagonal distances, not the square around the ring.
    rows = [(EAST + sx * 60, NORTH + sy * 80, "2025-01", "theft") for sx in (-1, 1) for sy in (-1, 1)]
    rows += [(EAST + 61, NORTH + 80, "2025-01", "theft"), (EAST + 99, NORTH + 99, "2025-01", "theft")]
    assert totals(run(point_layer(rows), window=YEAR)) == (4,)


def test_counts_are_cumulative_by_category_and_largest_first(qgis_app):
    rows = [(EAST, NORTH, "2025-01", "theft")] * 2 + [(EAST + 200, NORTH, "2025-01", "violent-crime")] * 3
    found = run(point_layer(rows), (100, 250), window=YEAR)
    assert list(table(found).items()) == [("Violent crime", (0, 3)), ("Theft", (2, 2))]
    assert totals(found) == (2, 5)
    assert found.answer.datasets[0].largest_stack == 3


def test_the_period_before_is_compared_and_small_numbers_are_weak(qgis_app):
    rows = [(EAST, NORTH, "2025-03", "theft")] * 12 + [(EAST, NORTH, "2025-01", "theft")] * 10
    rows += [(EAST, NORTH, "2025-04", "drugs")] * 3 + [(EAST, NORTH, "2025-02", "drugs")]
    found = run(point_layer(rows), window=Window("2025-03", "2025-04"))
    theft, drugs = (row.figures[0] for row in found.answer.datasets[0].by_category())
    assert (theft.count, theft.before, theft.change) == (12, 10, change(12, 10))
    assert not theft.change.weak
    assert (drugs.count, drugs.before, drugs.change.weak) == (3, 1, True)
    assert found.answer.before == Window("2025-01", "2025-02")


def test_the_last_full_year_is_asked_for_unless_told_otherwise(qgis_app):
    rows = [(EAST, NORTH, f"{2024 + m // 12}-{m % 12 + 1:02d}", "theft") for m in range(26)]  # to February 2026
    found = run(point_layer(rows))
    # February 2026 is not over on 15 January.
    assert (found.answer.now, found.answer.before) == (YEAR, Window("2024-01", "2024-12"))
    assert totals(found) == (12,) and found.answer.rows[0].figures[0].before == 12
    assert found.answer.datasets[0].trend == (None,) * 12 + (1,) * 24


def test_layers_are_compared_over_months_that_all_hold(qgis_app):
    months = [f"{2023 + m // 12}-{m % 12 + 1:02d}" for m in range(36)]
    late = point_layer([(EAST, NORTH, m, "theft") for m in months], "late")
    behind = point_layer([(EAST, NORTH, m, "theft") for m in months[:-3]], "behind")
    gone = point_layer([(EAST, NORTH, m, "theft") for m in months[:12]], "gone")
    found = run([late, behind, gone])
    assert found.answer.now == Window("2024-10", "2025-09")
    assert [part.title for part in found.answer.datasets] == ["late", "behind"]
    assert any("gone is left out" in note for note in found.answer.notes)


def test_nothing_is_compared_with_months_that_are_not_held(qgis_app):
    layer = point_layer([(EAST, NORTH, month, "theft") for month in ("2025-02", "2025-03")])
    part = run(layer, window=Window("2025-02", "2025-03")).answer.datasets[0]
    assert part.rows[0].figures[0].before is None and part.rows[0].figures[0].change is None
    assert any("Nothing is compared" in note for note in part.notes)


def test_rows_without_a_place_are_counted_and_told(qgis_app):
    rows = [(EAST, NORTH, "2025-01", "theft"), (None, None, "2025-01", "theft"), (None, None, "2024-01", "theft")]
    found = run(point_layer(rows), window=Window("2025-01", "2025-01"))
    part = found.answer.datasets[0]
    assert (totals(found), part.unplaced) == ((1,), 1)
    assert any(note.startswith("1 incident of the period") and "has no place" in note for note in part.notes)


def test_rates_are_of_the_land_where_data_are_held(qgis_app):
    inland = run(point_layer([(EAST, NORTH, "2025-01", "theft")]), (100, 500), window=YEAR)
    assert inland.areas_km2 == pytest.approx((pi * 0.01, pi * 0.25))
    figure = inland.answer.rows[0].figures[0]
    assert (figure.covered_km2, figure.rate_per_km2) == pytest.approx((pi * 0.01, 1 / (pi * 0.01)))
    for ring, area in zip(inland.rings, inland.areas_km2):
        assert ring.area() / 1e6 == pytest.approx(area, rel=5e-4)
    layer = ring_layer(inland)
    assert [f["radius_m"] for f in layer.getFeatures()] == [500, 100]
    assert layer.crs().authid() == "EPSG:27700"


def test_a_ring_over_the_river_is_partly_covered(qgis_app):
    river = Place("a pier", 533_500, 180_450, "", borough="", borough_code="")  # in the Thames by the Tower
    found = run(point_layer([(533_500, 180_450, "2025-01", "launch")]), (100, 500), river, window=YEAR)
    boroughs = QgsVectorLayer(f"{BOUNDARIES}|layername=borough", "b", "ogr")
    land = QgsGeometry.unaryUnion([f.geometry() for f in boroughs.getFeatures()])
    for figure in found.answer.rows[0].figures:
        ring = QgsGeometry.fromPointXY(QgsPointXY(533_500, 180_450)).buffer(figure.radius_m, 500)
        assert figure.covered_km2 == pytest.approx(ring.intersection(land).area() / 1e6, rel=1e-3)
    assert found.answer.rows[0].figures[1].covered_km2 < pi * 0.25 * 0.9
    assert any("only part of the ring" in note for note in found.answer.datasets[0].notes)
    assert "no London borough" in found.answer.boundary_note


def test_land_is_that_of_the_areas_whose_incidents_are_held(qgis_app):
    edge = PlaceFinder().find("530900, 181700")
    layer = point_layer([(edge.easting, edge.northing, "2025-01", "theft")])
    layers.describe(layer, safestats_manifest("mps", 1, "2024-01", "2025-12", areas=(edge.borough_code,)))
    whole = run(point_layer([(edge.easting, edge.northing, "2025-01", "theft")]), (500,), edge, window=YEAR)
    part = run(layer, (500,), edge, window=YEAR)
    borough = next(b for b in BoroughMap(BOUNDARIES).boroughs if b.code == edge.borough_code).geometry
    ring = QgsGeometry.fromPointXY(QgsPointXY(edge.easting, edge.northing)).buffer(500, 500)
    figure = part.answer.rows[0].figures[0]
    assert figure.covered_km2 == pytest.approx(ring.intersection(borough).area() / 1e6, rel=1e-3)
    assert figure.covered_km2 < 0.9 * whole.answer.rows[0].figures[0].covered_km2
    assert figure.rate_per_km2 == pytest.approx(1 / figure.covered_km2)
    assert any("covers only part of the ring" in note for note in part.answer.datasets[0].notes)
    with pytest.raises(AnalysisError, match="lies outside the area whose incidents"):
        run(layer, (500,), PlaceFinder().find("529000, 170000"), window=YEAR)


def test_days_that_come_in_as_things_happen_make_a_full_month_at_its_end(qgis_app):
    rows = [(EAST, NORTH, f"2025-{month:02d}", "theft") for month in range(1, 13)]
    for day, newest in (("2025-12-14", "2025-11"), ("2025-12-31", "2025-12")):
        layer = point_layer(rows)
        days = tuple(Slice("x", 1, "0", (), period=period) for period in ("2025-11", "2025-12-01", day))
        layers.describe(layer, safestats_manifest("las", 12, "2025-01", "2025-12", slices=days))
        assert run(layer).answer.now.last == newest


def test_across_the_boundary_is_counted_and_told(qgis_app):
    edge = PlaceFinder().find("530900, 181700")  # where Camden, Westminster and the City are near
    other = PlaceFinder().find("531350, 181500")
    assert edge.borough_code != other.borough_code
    rows = [(edge.easting, edge.northing, "2025-01", "theft"), (other.easting, other.northing, "2025-01", "theft")]
    found = run(point_layer(rows), (500,), edge, window=YEAR)
    assert totals(found) == (2,)
    assert (
        found.answer.boundary_note
        == f"Incidents across the boundary of {edge.borough} are counted, as far as they are held."
    )


def test_a_layer_outside_london_or_without_places_says_so(qgis_app):
    leeds = point_layer([(430_000, 433_000, "2025-01", "theft")] * 3, "Leeds")
    nowhere = point_layer([(None, None, "2025-01", "theft")] * 3, "Nowhere")
    with pytest.raises(AnalysisError, match="Every place of “Leeds” lies outside London"):
        run(leeds, window=YEAR)
    with pytest.raises(AnalysisError, match="No row of “Nowhere” has a place"):
        run(nowhere, window=YEAR)
    here = point_layer([(EAST + 3000, NORTH, "2025-01", "theft")], "Quiet")
    found = run([here, leeds], window=YEAR)
    assert [one.title for one in found.answer.datasets] == ["Quiet"] and totals(found) == (0,)
    assert any("“Leeds” lies outside London" in note and "left out" in note for note in found.answer.notes)


def test_where_nothing_is_held_the_sentence_says_so(qgis_app):
    layer = point_layer([(EAST, NORTH, "2025-01", "theft")])
    with pytest.raises(AnalysisError, match="lies outside the area whose incidents"):
        run(layer, (500,), Place("far", 470_000, 150_000, ""), window=YEAR)


@pytest.mark.parametrize("centre", [(529_000, 184_000), (531_500, 181_200), (533_333, 179_999)])
def test_real_incidents_equal_a_count_by_hand(fire_layer, fire_rows, centre):
    radii = (100, 250, 500)
    found = run(fire_layer, radii, Place("x", *centre, ""), window=Window("2017-02", "2017-03"), compare=False)
    by_hand: dict[str, list[int]] = {}
    for easting, northing, month, category in fire_rows:
        if month in ("2017-02", "2017-03"):
            squared = (easting - centre[0]) ** 2 + (northing - centre[1]) ** 2
            if squared <= 500**2:
                counts = by_hand.setdefault(category, [0, 0, 0])
                for ring, radius in enumerate(radii):
                    counts[ring] += squared <= radius**2
    assert {name: list(counts) for name, counts in table(found).items()} == by_hand
    assert totals(found)[-1] == sum(counts[-1] for counts in by_hand.values()) > 20


# ---------------------------------------------------------------------- bands, presets, areas of one's own


def test_bands_count_by_hand_on_real_times(timed_fire_layer, timed_fire_rows):
    own = OwnBand(20, 4, frozenset({3}))
    found = run(timed_fire_layer, (2000,), bands=(Band.ALL, Band.LATE_NIGHT, Band.WEEKEND_NIGHTS, own), window=FIRES)
    near = [
        (day, hour)
        for e, n, day, hour, _ in timed_fire_rows
        if (e - EAST) ** 2 + (n - NORTH) ** 2 <= 2000**2 and day.month in (2, 3)
    ]
    evening = [(day.weekday() - (hour < 6)) % 7 for day, hour in near]
    thursday = [(day.weekday() - (hour <= 4)) % 7 == 3 for day, hour in near]
    by_hand = [
        len(near),
        sum(hour >= 22 or hour < 3 for _, hour in near),
        sum((h >= 18 or h < 6) and evening[i] in (4, 5) for i, (_, h) in enumerate(near)),
        sum((h >= 20 or h <= 4) and thursday[i] for i, (_, h) in enumerate(near)),
    ]
    assert [totals(found, band)[0] for band in range(4)] == by_hand and min(by_hand) > 5
    week = np.zeros((7, 24), dtype=int)
    for day, hour in near:
        week[day.weekday(), hour] += 1
    assert found.answer.datasets[0].hours == tuple(map(tuple, week.tolist()))


FIRES = Window("2017-02", "2017-03")


def test_a_layer_without_hours_is_counted_over_all_of_them_and_says_so(qgis_app):
    found = run(point_layer([(EAST, NORTH, "2025-01", "theft")]), window=YEAR, bands=(Band.LATE_NIGHT, OwnBand(1, 2)))
    assert [row.band for row in found.answer.datasets[0].totals()] == [Band.ALL]
    assert any("do not tell the hour" in note for note in found.answer.datasets[0].notes)


NO_ABUSE = Preset("x", "x", (Band.ALL,), ("domestic-abuse",))


def test_domestic_abuse_is_left_out_by_category_by_flag_or_told(qgis_app):
    rows = [(EAST, NORTH, "2025-01", "Domestic abuse"), (EAST, NORTH, "2025-01", "theft")]
    by_category = run(point_layer(rows), window=YEAR, preset=NO_ABUSE)
    assert table(by_category) == {"Theft": (1,)} and totals(by_category) == (1,)
    flagged = QgsVectorLayer(
        "Point?crs=EPSG:27700&field=month:string&field=category:string&field=domestic_abuse:boolean", "x", "memory"
    )
    for flag in (True, False, None):
        feature = QgsFeature(flagged.fields())
        feature.setAttributes(["2025-01", "violence", flag])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(EAST, NORTH)))
        flagged.dataProvider().addFeature(feature)
    assert totals(run(flagged, window=YEAR, preset=NO_ABUSE)) == (2,)
    assert totals(run(flagged, window=YEAR)) == (3,)
    untold = run(point_layer(rows[1:]), window=YEAR, preset=NO_ABUSE)
    assert totals(untold) == (1,)
    assert any("do not tell domestic abuse apart" in note for note in untold.answer.datasets[0].notes)


def test_an_area_of_ones_own_narrows_rings_and_land(qgis_app):
    east_half = QgsGeometry.fromWkt(f"POLYGON(({EAST} 0, {EAST} 400000, 600000 400000, 600000 0, {EAST} 0))")
    rows = [
        (EAST - 10, NORTH, "2025-01", "theft"),
        (EAST, NORTH, "2025-01", "theft"),
        (EAST + 10, NORTH, "2025-01", "b"),
    ]
    found = run(point_layer(rows), window=YEAR, within=StudyArea("zone", east_half))
    figure = found.answer.rows[0].figures[0]
    assert figure.count == 2 and figure.covered_km2 == pytest.approx(pi * 0.01 / 2, rel=1e-6)
    assert any("zone" in note for note in found.answer.notes)
    far = StudyArea("far zone", QgsGeometry.fromWkt("POLYGON((0 0, 0 1, 1 1, 0 0))"))
    with pytest.raises(AnalysisError, match="too far from “far zone”"):
        run(point_layer(rows), window=YEAR, within=far)


def test_coarse_places_are_told_ring_by_ring(qgis_app):
    layer = dated_layer([(EAST, NORTH, date(2025, 1, 3), 4, "a", p) for p in (50.0, 150.0, 300.0, None)])
    part = run(layer, (100, 250, 500), window=YEAR).answer.datasets[0]
    assert part.coarse == (2, 1, 0)
    assert any("2 within 100 m, 1 within 250 m, of 4" in note for note in part.notes)


# ---------------------------------------------------------------------- ranks among the borough's postcodes


def city_places() -> list[tuple[int, int]]:
    """Every postcode of the City of London that can be searched around, by the file alone."""
    lsoas = QgsVectorLayer(f"{BOUNDARIES}|layername=lsoa", "l", "ogr")
    codes = {f["code"] for f in lsoas.getFeatures() if f["borough_code"] == "E09000001"}
    with gzip.open(POSTCODES, "rt", encoding="ascii") as file:
        lines = [line.strip().split(",") for line in file][1:]
    return [(int(e), int(n)) for _, q, e, n, lsoa in lines if lsoa in codes and int(q) < 60 and e not in ("", "0")]


def test_the_rank_is_that_of_every_postcode_counted_one_by_one(fire_layer, fire_rows, ranks):
    radii = (100, 250, 500)
    place = PlaceFinder().find("EC2V 7HH")
    assert place.borough == "City of London"
    planned = plan([PointSource(fire_layer)], Question(radii=radii, window=FIRES), TODAY)
    part = planned.parts[0]
    before = search(planned, place, CoverageMap(), ranks)
    assert before.answer.rows[0].figures[0].share_below is None and not before.answer.rows[0].figures[0].sentence
    ranks.prepare(part.rows, place.borough_code, FIRES, part.bands, radii, part.leave_out)
    found = search(planned, place, CoverageMap(), ranks)
    e, n, category = (np.array([row[i] for row in fire_rows if row[2] in FIRES.months]) for i in (0, 1, 3))
    everywhere = city_places()
    assert len(everywhere) > 1500
    for row in found.answer.rows:
        chosen = np.ones(len(e), dtype=bool) if row.category is None else category == row.category
        for figure in row.figures:
            squared = figure.radius_m**2
            counts = [int(((e[chosen] - x) ** 2 + (n[chosen] - y) ** 2 <= squared).sum()) for x, y in everywhere]
            fewer = 100 * sum(count < figure.count for count in counts) / len(counts)
            assert figure.share_below == pytest.approx(fewer, abs=1e-9)
            assert "postcodes in the City of London" in figure.sentence


def save(layer: QgsVectorLayer, path: Path) -> Path:
    """The layer as a GeoPackage."""
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", "rows"
    QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), QgsCoordinateTransformContext(), options)
    return path


def test_what_was_worked_out_is_kept_beside_the_copy_and_goes_with_it(fire_layer, tmp_path, qgis_app):
    store = LocalStore(tmp_path / "store")
    account = store.account("https://example.test", "ada")
    with account.lock("lfb"):
        built = account.fresh_part("lfb", "built.gpkg")
        save(fire_layer, tmp_path / "made.gpkg").replace(built)
        copy = account.commit("lfb", built, safestats_manifest("lfb", 1, "2017-01", "2017-03"), (), None)
    layer = QgsVectorLayer(f"{copy.path}|layername=rows", "LFB", "ogr")
    layers.describe(layer, copy.manifest)
    planned = plan([PointSource(layer)], Question(window=FIRES), TODAY)
    part = planned.parts[0]

    def known(ranks):
        return ranks.known(part.rows, "E09000001", FIRES, Band.ALL, (100, 250, 500), part.leave_out)

    first = BoroughRanks(store, PlaceFinder())
    first.prepare(part.rows, "E09000001", FIRES, part.bands, (100, 250, 500), part.leave_out)
    again = known(BoroughRanks(store, PlaceFinder()))
    assert again is not None and again == known(first)
    (beside,) = copy.path.parent.glob("*.ranks")
    assert beside.stat().st_mode & 0o077 == 0
    beside.write_bytes(b"{")
    assert known(BoroughRanks(store, PlaceFinder())) is None  # worked out anew
    account.remove("lfb")
    assert not list(copy.path.parent.glob("*ranks*"))


def test_the_file_and_qgis_give_the_same_rows(fire_layer, timed_fire_layer, tmp_path):
    for number, source in enumerate((fire_layer, timed_fire_layer)):
        path = save(source, tmp_path / f"{number}.gpkg")
        layer = QgsVectorLayer(f"{path}|layername=rows", "rows", "ogr")
        assert PointFile.of(layer) is not None
        box = QgsGeometry.fromPointXY(QgsPointXY(EAST, NORTH)).buffer(3000, 4).boundingBox()
        out = Exclusion(categories=("False Alarm",))
        extra = [column.name for column in PointSource(source).facts.columns]
        assert extra
        sources = [PointSource(one) for one in (layer, source)]
        for one in sources:
            one.facts = replace(one.facts, sensitive=("Fire",))  # they are marked
        fast, slow = (one.read(box, Period("2017-02", "2017-03"), leave_out=out, extra=extra) for one in sources)
        assert len(fast) == len(slow) > 100 and 0 < fast.number_guarded < len(fast)
        both = [{**vars(points), **points.extra} for points in (fast, slow)]
        for name in sorted({*both[0], *both[1]} - {"extra"}):
            a, b = (np.sort(points[name]) for points in both)
            assert a.dtype.kind == b.dtype.kind
            assert np.array_equal(a, b, equal_nan=a.dtype.kind in "fM"), name


def test_a_search_can_be_stopped(qgis_app):
    with pytest.raises(Cancelled):
        run(point_layer([(EAST, NORTH, "2025-01", "theft")]), window=YEAR, cancelled=lambda: True)


# ---------------------------------------------------------------------- places


def test_every_spelling_of_a_postcode_is_the_same_place(qgis_app):
    finder = PlaceFinder()
    places = {finder.find(text) for text in ("se1 2ad", "SE12AD", " Se1-2aD ")}
    assert len(places) == 1
    place = places.pop()
    assert (place.label, place.borough) == ("SE1 2AD", "Southwark")
    assert abs(place.easting - 533_512) < 50


def test_a_typed_grid_point_is_a_place(qgis_app):
    place = PlaceFinder().find("529000, 184000")
    assert (place.easting, place.northing, place.borough) == (529_000, 184_000, "Camden")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No postcode was given"),
        ("SE1", "only part of a postcode"),
        ("SE1 2", "only part of a postcode"),
        ("hello there", "is not a UK postcode"),
        ("SE1 2CI", "is not a UK postcode"),
        ("SE1 2AA", "is not a live postcode"),
        ("M1 1AE", "outside London"),
        ("100000, 999999", "far outside London"),
    ],
)
def test_a_place_that_cannot_be_found_has_its_sentence(qgis_app, text, words):
    with pytest.raises(AnalysisError, match=words) as trouble:
        PlaceFinder().find(text)
    assert trouble.value.about == "postcode"


def test_both_spellings_of_an_unknown_postcode_are_told_the_same(qgis_app):
    said = set()
    for text in ("se1 2aa", "SE12AA"):
        with pytest.raises(AnalysisError) as trouble:
            PlaceFinder().find(text)
        said.add(trouble.value.sentence)
    assert len(said) == 1


@pytest.mark.parametrize(("quality", "words"), [(60, "too coarse to search around"), (90, "is not known")])
def test_a_postcode_too_coarse_to_search_around_is_refused(qgis_app, tmp_path, quality, words):
    path = tmp_path / "postcodes.csv.gz"
    with gzip.open(path, "wt", encoding="ascii") as file:
        file.write(f"postcode,quality,easting,northing,lsoa\nSE12AD,{quality},533512,179796,\n")
    with pytest.raises(AnalysisError, match=words):
        PlaceFinder(postcodes=path).find("SE1 2AD")


# ---------------------------------------------------------------------- inputs


def test_a_layer_in_other_coordinates_is_refused(qgis_app):
    with pytest.raises(AnalysisError, match="not in the British National Grid"):
        PointSource(point_layer([], crs="EPSG:4326"))


def test_no_layer_and_a_layer_of_polygons_are_refused(qgis_app):
    with pytest.raises(AnalysisError, match="No layer is chosen"):
        PointSource(None)
    with pytest.raises(AnalysisError, match="holds no points"):
        PointSource(QgsVectorLayer("Polygon?crs=EPSG:27700", "areas", "memory"))


@pytest.mark.parametrize("text", ["", "ten", "100, -5", "0", "100,200,300,400,500,600", "999999"])
def test_radii_that_cannot_be_used_are_refused(text):
    with pytest.raises(AnalysisError, match="radii"):
        parse_radii(text)


def test_radii_are_read_in_any_order():
    assert parse_radii(" 500; 100,250 100") == (100, 250, 500)


def test_periods():
    assert Period("2025-01", "2025-12").before() == Period("2024-01", "2024-12")
    assert Period("2025-01", "2025-01").label == "January 2025"
    assert latest_year(("2024-02", "2025-06")) == Period("2024-07", "2025-06")
    assert held_before(Period("2024-07", "2025-06"), ("2024-02", "2025-06")) is None
    with pytest.raises(AnalysisError, match="before it starts"):
        Period("2025-02", "2025-01")
    with pytest.raises(AnalysisError, match="is no month"):
        Period("2025-13", "2025-14")


def test_a_period_beyond_the_data_is_told(qgis_app):
    layer = point_layer([(EAST, NORTH, month, "theft") for month in ("2025-02", "2025-03")])

    def notes(first):
        return run(layer, window=Window(first, "2025-03")).answer.datasets[0].notes

    assert any("Held for February 2025 to March 2025 only" in note for note in notes("2025-01"))
    assert not any("Held for" in note for note in notes("2025-02"))


def test_months_that_no_site_returned_are_gaps_though_incidents_of_them_came_late(qgis_app):
    months = [*Window("2024-01", "2025-12").months]
    returned = tuple(month for month in months if month not in ("2025-05", "2025-12"))
    layer = point_layer([(EAST, NORTH, month, "fists") for month in months])
    facts = {"caveats": (), "returned": returned}
    layers.describe(layer, safestats_manifest("istv", len(months), "2024-01", "2025-12", **facts))
    found = run(layer)
    part = found.answer.datasets[0]
    assert (found.answer.now.last, part.newest) == ("2025-11", "2025-11")
    trend = dict(zip(found.answer.trend.months, part.trend))
    assert [month for month in months[:-1] if trend[month] is None] == ["2025-05"]
    assert part.gap.startswith("Nothing was returned for May 2025: ") and part.gap in part.notes
    # A year with a hole in it is not compared, and the page says so instead of naming the year before.
    assert part.rows[0].figures[0].before is None and not found.answer.compared
    assert found.answer.compared_words == "not compared: December 2023 to November 2024 is not held in full"
    layers.describe(layer, safestats_manifest("istv", len(months), "2024-01", "2025-12", returned=tuple(months)))
    assert run(layer).answer.compared_words == "compared with January 2024 to December 2024"


def test_a_layer_that_holds_nothing_of_the_period_is_left_out_not_zero(qgis_app):
    old = point_layer([(EAST, NORTH, "2017-05", "theft")])
    new = point_layer([(EAST, NORTH, "2023-05", "theft")])
    window = Window("2023-01", "2023-12")
    found = run([old, new], window=window)
    assert [part.rows[0].figures[0].count for part in found.answer.datasets] == [1]
    (sentence,) = found.answer.notes
    assert "it holds May 2017, nothing of January 2023 to December 2023" in sentence
    with pytest.raises(AnalysisError, match="nothing of January 2023 to December 2023. Choose another period"):
        run(old, window=window)


def test_a_layer_without_dates_is_left_out(qgis_app):
    undated = QgsVectorLayer("Point?crs=EPSG:27700&field=category:string", "undated", "memory")
    with pytest.raises(AnalysisError, match="undated is left out: its rows have no dates. Choose a layer with dates"):
        run(undated)


def test_an_imputed_position_is_told(qgis_app, tmp_path):
    path = tmp_path / "postcodes.csv.gz"
    with gzip.open(path, "wt", encoding="ascii") as file:
        file.write("postcode,quality,easting,northing,lsoa\nSE12AD,50,533512,179796,E01003927\n")
    place = PlaceFinder(postcodes=path).find("SE1 2AD")
    assert "imputed from the neighbouring postcodes" in place.warning and place.borough == "Southwark"


def test_the_filter_of_a_layer_is_told_and_kept_with_the_search(qgis_app):
    rows = [(EAST, NORTH, date(2025, month, 1 + day), day, "theft", None) for month in range(1, 13) for day in range(9)]
    layer = dated_layer(rows, "Fires")
    assert not run(layer).filtered and "filter" not in " ".join(run(layer).answer.datasets[0].notes)
    subset = "\"occurred_on\" BETWEEN '2025-03-09' AND '2025-04-05'"
    assert layer.setSubsetString(subset.replace(" BETWEEN ", " >= ").replace(" AND ", ' AND "occurred_on" <= '))
    found = run(layer, window=YEAR)
    assert found.filtered == ("Fires",)
    note = found.answer.datasets[0].notes[0]
    assert note.startswith("Only what the layer's own filter lets through is counted: ") and "2025-03-09" in note
    told = found.audited_filter(found.answer.datasets[0].code)
    assert told["filter_columns"] == ["occurred_on"] and "2025" not in told["filter"]
    assert found.audited_filter("another") == {}
    explored = replace(PointSource(layer).facts, subset=subset)
    assert filter_note(explored).endswith(f": 9 March 2025 to 5 April 2025 ({subset})")
