"""Repeat locations, concentration, near repeats, hot routes and back-tests, from a layer to layers and tables."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsGeometry,
    QgsGraduatedSymbolRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRenderContext,
    QgsSymbolLayer,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core.analyses.registry import analysis_named
from safestats.qgis_plugin.core.analyses.running import Inputs, run_analysis
from safestats.qgis_plugin.core.analyses.writing import open_layers
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.line_rows import LineSource
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.study_areas import StudyArea
from safestats.qgis_plugin.processing.provider import SafeStatsProvider

from .conftest import dated_layer, point_layer

WEST, SOUTH, SIDE = 530_000, 180_000, 2_000
AREA = StudyArea(
    "The square", QgsGeometry.fromWkt(f"POLYGON(({WEST} {SOUTH},{WEST + SIDE} {SOUTH},{WEST + SIDE} {SOUTH + SIDE},"
    f"{WEST} {SOUTH + SIDE},{WEST} {SOUTH}))")
)  # fmt: skip
NEW_YEAR = date(2025, 1, 1)


@pytest.fixture
def run(tmp_path):
    numbers = itertools.count()

    def act(layer, name, values=None, period=None, streets=None, area=AREA, **listeners):
        lines = {"streets": LineSource(streets, QgsProject.instance())} if streets is not None else {}
        values = {**(values or {}), **({"streets": "Streets"} if lines else {})}
        inputs = Inputs(PointSource(layer), area, IncidentFilter(period), values, lines=lines)
        return run_analysis(analysis_named(name), inputs, tmp_path / f"out{next(numbers)}.gpkg", "1.0", **listeners)

    return act


def columns(finished, name):
    return next(dict(output.columns) for output in finished.findings.outputs if output.name == name)


def street_layer(lines, crs="EPSG:27700"):
    """A memory layer of (name, [(easting, northing), …]) streets."""
    layer = QgsVectorLayer(f"LineString?crs={crs}&field=name:string", "Streets", "memory")
    features = []
    for name, vertices in lines:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([name])
        wkt = ", ".join(f"{x} {y}" for x, y in vertices)
        feature.setGeometry(QgsGeometry.fromWkt(f"LINESTRING({wkt})"))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


# ------------------------------------------------------------------ repeat locations


def stacked_rows(seed=1):
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, SIDE, (40, 2)) + (WEST, SOUTH)
    chosen = rng.choice(40, 200, p=np.arange(1, 41) / 820)
    kinds = rng.choice(["theft", "violence"], 200)
    days = rng.integers(0, 300, 200)
    return [
        (int(spots[s][0]), int(spots[s][1]), NEW_YEAR + timedelta(days=int(d)), 12, str(kind), None)
        for s, d, kind in zip(chosen, days, kinds)
    ]


def test_repeat_locations_are_the_points_that_a_count_finds(qgis_app, run):
    rows = stacked_rows()
    counted = Counter((row[0], row[1]) for row in rows)
    finished = run(dated_layer(rows), "repeat-locations", {"least": 3})
    found = columns(finished, "repeat_locations")
    expected = {place: number for place, number in counted.items() if number >= 3}
    assert dict(zip(zip(found["easting"], found["northing"]), found["incidents"])) == expected
    assert found["incidents"].tolist() == sorted(expected.values(), reverse=True)
    for place, category, times, first, last, share in zip(
        zip(found["easting"], found["northing"]), found["category"], found["of_category"], found["first_day"],
        found["last_day"], found["share"],
    ):  # fmt: skip
        here = [row for row in rows if (row[0], row[1]) == place]
        kinds = Counter(row[4] for row in here)
        assert times == max(kinds.values()) == kinds[category.lower()]
        assert (first, last) == (min(row[2] for row in here), max(row[2] for row in here))
        assert share == pytest.approx(100 * len(here) / 200, abs=0.005)
    assert f"{sum(expected.values()):,} of 200" in finished.findings.answer


def test_stacks_are_drawn_as_circles_whose_area_follows_their_number(qgis_app, run):
    finished = run(dated_layer(stacked_rows()), "repeat-locations")
    layer, table = open_layers(finished)
    symbol = layer.renderer().symbols(QgsRenderContext())[0]
    size = symbol.symbolLayer(0).dataDefinedProperties().property(QgsSymbolLayer.Property.Size)
    assert isinstance(layer.renderer(), QgsGraduatedSymbolRenderer)
    assert "incidents" in size.expressionString()
    for feature in layer.getFeatures():
        assert sum(r.lowerValue() <= feature["incidents"] <= r.upperValue() for r in layer.renderer().ranges()) == 1
    assert not table.isSpatial()
    assert table.featureCount() == layer.featureCount()
    del layer, table


def test_a_place_takes_the_name_that_most_of_its_incidents_tell(qgis_app, run):
    rows = [(WEST + 10, SOUTH + 10, "2025-01", name) for name in ("The Crown", "The Crown", "Crown PH", "")]
    rows.append((WEST + 500, SOUTH + 500, "2025-01", "Elsewhere"))
    found = columns(run(point_layer(rows), "repeat-locations", {"name": "category"}), "repeat_locations")
    assert found["name"].tolist() == ["The Crown"]


def test_no_place_with_so_many_is_told(qgis_app, run):
    with pytest.raises(AnalysisError, match="No place holds 500 incidents or more; the most on one is"):
        run(dated_layer(stacked_rows()), "repeat-locations", {"least": 500})


# ------------------------------------------------------------------ concentration


def test_concentration_over_cells_counts_empty_ones(qgis_app, run):
    rows = stacked_rows(2)
    finished = run(dated_layer(rows), "concentration", {"cell": 100.0})
    cells = Counter((row[0] // 100, row[1] // 100) for row in rows)
    ranked = sorted(cells.values(), reverse=True)
    for share, places in zip(*(columns(finished, "shares")[c] for c in ("incidents_share", "places"))):
        assert places == next(k for k in range(1, 99) if sum(ranked[:k]) * 100 >= share * 200)
    assert columns(finished, "curve")["places_so_far"][-1] == 400
    layer = open_layers(finished)[0]
    held = [f for f in layer.getFeatures() if f["class"] == 3]
    assert sum(f["incidents"] for f in held) >= 50
    assert len(held) == columns(finished, "shares")["places"][0]
    assert isinstance(layer.renderer(), QgsCategorizedSymbolRenderer)
    assert "more places (400) than incidents (200)" in " ".join(finished.notes)
    del layer


def test_concentration_on_points_says_what_it_does_not_know(qgis_app, run):
    layer = dated_layer(stacked_rows(3))
    some, told = (run(layer, "concentration", {"unit": "points", "places": n}) for n in (None, 5_000))
    assert "How many places there are in all is not told" in " ".join(some.notes)
    assert "not told" not in " ".join(told.notes)
    assert columns(told, "curve")["places_so_far"][-1] == 5_000
    with pytest.raises(AnalysisError, match="more than the 3 places told in all"):
        run(layer, "concentration", {"unit": "points", "places": 3})


def test_concentration_on_streets_counts_each_incident_on_its_nearest(qgis_app, run):
    grid = [(f"Row {n}", [(WEST, SOUTH + n * 200), (WEST + SIDE, SOUTH + n * 200)]) for n in range(1, 10)]
    rows = [(WEST + 50 + k, SOUTH + n * 200 + 7, "2025-01", "theft") for n in (2, 5, 5, 5, 8) for k in range(10)]
    rows.append((WEST + 50, SOUTH + 300, "2025-01", "theft"))  # halfway between two
    finished = run(point_layer(rows), "concentration", {"unit": "streets"}, streets=street_layer(grid))
    found = columns(finished, "places")
    assert dict(zip(found["street"], found["incidents"])) == {
        f"Row {n}": {2: 10, 5: 30, 8: 10}.get(n, 0) for n in range(1, 10)
    }
    assert columns(finished, "shares")["places"].tolist() == [1, 1, 2]
    assert "farther than 50 m from any street: 1 of 51 (2 %)" in " ".join(finished.notes)


def test_streets_that_cannot_serve_are_told(qgis_app, run):
    layer = dated_layer(stacked_rows())
    with pytest.raises(AnalysisError, match="no layer of streets is chosen"):
        run(layer, "concentration", {"unit": "streets"})
    top = SOUTH + SIDE + 500
    beside = street_layer([("Edge", [(WEST - 500, SOUTH + 900), (WEST - 500, top), (WEST + 900, top)])])
    with pytest.raises(AnalysisError, match="No street of “Streets” lies in the study area"):
        run(layer, "concentration", {"unit": "streets"}, streets=beside)


# ------------------------------------------------------------------ near repeats


def near_rows(seed=4):
    rng = np.random.default_rng(seed)
    rows = []
    for x, y, day in zip(rng.integers(0, SIDE, 60), rng.integers(0, SIDE, 60), rng.integers(0, 300, 60)):
        rows.append((int(WEST + x), int(SOUTH + y), NEW_YEAR + timedelta(days=int(day)), 12, "burglary", None))
        if rng.random() < 0.5:  # and again next door within the week
            again = NEW_YEAR + timedelta(days=int(day + rng.integers(0, 7)))
            rows.append((int(WEST + min(x + 30, SIDE)), int(SOUTH + y), again, 12, "burglary", None))
    return rows


def test_near_repeats_equal_a_count_of_every_pair(qgis_app, run):
    rows = near_rows()
    finished = run(dated_layer(rows), "near-repeat", {"permutations": 99, "bands": 2, "spans": 3})
    found = columns(finished, "near_repeats")
    observed = Counter()
    for a, b in itertools.combinations(rows, 2):
        apart, days = math.hypot(a[0] - b[0], a[1] - b[1]), abs((a[2] - b[2]).days)
        if apart < 200 and days < 21:
            band = "same place" if not apart else "under 100 m" if apart < 100 else "100 to under 200 m"
            observed[band, f"{days // 7 * 7} to {days // 7 * 7 + 6} days"] += 1
    assert dict(zip(zip(found["distance"], found["days"]), found["observed"])) == {
        (band, span): observed[band, span]
        for band in ("same place", "under 100 m", "100 to under 200 m")
        for span in ("0 to 6 days", "7 to 13 days", "14 to 20 days")
    }
    row = list(zip(found["distance"], found["days"])).index(("under 100 m", "0 to 6 days"))
    assert found["p"][row] == 0.01
    assert found["unusual"][row]
    assert "under 100 m within 0 to 6 days" in finished.findings.answer
    parts = Counter(columns(finished, "series")["role"])
    followed = sum(
        any(math.hypot(a[0] - b[0], a[1] - b[1]) < 100 and 0 <= (a[2] - b[2]).days < 7 and (b[2], j) < (a[2], i)
            for j, b in enumerate(rows))
        for i, a in enumerate(rows)
    )  # fmt: skip
    assert parts["repeat"] + parts["near repeat"] == followed > 10
    ratios = columns(finished, "ratios")
    assert ratios["days_0_6"][1] == pytest.approx(found["ratio"][row], abs=0.01)


def in_squares(rows):
    return [(r[0] // 100 * 100 + 50, r[1] // 100 * 100 + 50, *r[2:5], 100.0) for r in rows]


def test_near_repeats_of_places_on_a_grid_are_of_squares(qgis_app, run):
    rows = in_squares(near_rows())
    rows[7] = (*rows[7][:5], 800.0)  # placed less exactly before
    finished = run(dated_layer(rows), "near-repeat", {"permutations": 99, "bands": 2, "band": 50})
    assert set(columns(finished, "near_repeats")["distance"]) == {
        "same square of 100 m", "under 50 m", "50 to under 100 m",
    }  # fmt: skip
    assert "same square of 100 m within 0 to 6 days" in finished.findings.answer
    assert dict(finished.parameters)["Bands of distance"] == "same square of 100 m, then 2 of 50 m"
    note = next(note for note in finished.notes if "middles of 100 m squares" in note)
    assert "bands narrower than 100 m say nothing – yours are of 50 m" in note
    labels = [one.label for one in finished.findings.outputs[0].classes]
    assert labels[0] == "Repeat: after another in the same square"
    # Exact places that tell so are none of a grid, whatever they say of themselves.
    exact = run(dated_layer([(*r[:5], 1.0) for r in near_rows()]), "near-repeat", {"permutations": 19})
    assert "same place" in columns(exact, "near_repeats")["distance"]
    assert not any("squares" in note for note in exact.notes)


def test_repeats_are_not_red_where_there_are_no_more_than_by_chance(qgis_app, run):
    rng = np.random.default_rng(5)
    rows = [
        (int(WEST + 100 * x), int(SOUTH + 100 * y), NEW_YEAR + timedelta(days=int(day)), 12, "burglary", None)
        for x, y, day in zip(rng.integers(0, 6, 120), rng.integers(0, 6, 120), rng.integers(0, 300, 120))
    ]
    finished = run(dated_layer(rows), "near-repeat", {"permutations": 99, "bands": 1, "spans": 1})
    assert finished.findings.answer.startswith("No near repeats")
    repeat = finished.findings.outputs[0].classes[0]
    assert repeat.label.endswith("(no more than by chance)") and repeat.colour != "#7d1a34"
    unusual = run(dated_layer(near_rows()), "near-repeat", {"permutations": 99})
    assert unusual.findings.outputs[0].classes[0].colour == "#7d1a34"


def test_months_and_one_day_are_not_enough_for_near_repeats(qgis_app, run):
    rows = near_rows()
    with pytest.raises(AnalysisError, match="does not tell on which day"):
        run(point_layer([(r[0], r[1], "2025-01", "x") for r in rows]), "near-repeat")
    with pytest.raises(AnalysisError, match="dated the first of a month, so only the month is known"):
        run(dated_layer([(*r[:2], r[2].replace(day=1), *r[3:]) for r in rows]), "near-repeat")
    with pytest.raises(AnalysisError, match="incidents are dated 2025-01-01, so none comes before another"):
        run(dated_layer([(*r[:2], NEW_YEAR, *r[3:]) for r in rows]), "near-repeat")


def test_a_near_repeat_run_can_be_cancelled_while_it_deals(qgis_app, run):
    asked = []

    def report(stage, done, total):
        asked.append(stage)

    with pytest.raises(Cancelled):
        run(
            dated_layer(near_rows()), "near-repeat", {"permutations": 50_000},
            report=report, cancelled=lambda: asked.count("Dealing out dates at random") > 5,
        )  # fmt: skip
    assert asked.count("Dealing out dates at random") < 10


# ------------------------------------------------------------------ hot routes


def long_street():
    return street_layer(
        [
            ("High Street", [(WEST, SOUTH + 1000), (WEST + SIDE, SOUTH + 1000)]),
            ("", [(WEST, SOUTH + 300), (WEST + SIDE, SOUTH + 300)]),
        ]
    )


def test_hot_routes_are_densities_per_km_of_street(qgis_app, run):
    rows = [(WEST + 1000, SOUTH + 1005, "2025-01", "theft")] * 4 + [(WEST + 1000, SOUTH + 700, "2025-01", "theft")]
    finished = run(point_layer(rows), "hot-routes", {"bandwidth": 200.0, "piece": 10.0}, streets=long_street())
    found = columns(finished, "hot_routes")
    for shape, per_km, name in zip(finished.findings.outputs[0].shapes, found["per_km"], found["street"]):
        away = abs(shape[:, 0].mean() - WEST - 1000)
        expected = 4000 * 15 / (16 * 200) * max(0.0, 1 - (away / 200) ** 2) ** 2 if name == "High Street" else 0.0
        assert per_km == pytest.approx(expected, abs=1e-3)
    assert (found["per_km"] * found["metres"]).sum() / 1000 == pytest.approx(4, rel=0.01)
    assert found["incidents"].sum() == 4
    table = columns(finished, "streets")
    assert table["street"].tolist() == ["High Street", ""]
    assert table["incidents_per_km"].tolist() == [2, 0]
    assert "farther than 50 m from any street: 1 of 5 (20 %)" in " ".join(finished.notes)
    layer, _ = open_layers(finished)
    assert isinstance(layer.renderer(), QgsGraduatedSymbolRenderer)
    assert layer.featureCount() == 400
    del layer


def test_hot_routes_in_degrees_are_brought_to_the_national_grid(qgis_app, run):
    to_degrees = QgsCoordinateTransform(
        QgsCoordinateReferenceSystem("EPSG:27700"), QgsCoordinateReferenceSystem("EPSG:4326"), QgsProject.instance()
    )
    ends = [to_degrees.transform(WEST + x, SOUTH + 1000) for x in (0, SIDE)]
    streets = street_layer([("High Street", [(end.x(), end.y()) for end in ends])], "EPSG:4326")
    rows = [(WEST + 1000, SOUTH + 1005, "2025-01", "theft"), (WEST + 900, SOUTH + 1005, "2025-01", "theft")]
    finished = run(point_layer(rows), "hot-routes", streets=streets)
    assert columns(finished, "streets")["km"][0] == pytest.approx(2.0, abs=0.01)


def test_hot_routes_tell_what_cannot_be(qgis_app, run):
    rows = [(WEST + 1000, SOUTH + 700, "2025-01", "theft"), (WEST + 900, SOUTH + 600, "2025-01", "theft")]
    layer = point_layer(rows)
    with pytest.raises(AnalysisError, match="Nothing is chosen for “Streets”"):
        run(layer, "hot-routes")
    with pytest.raises(AnalysisError, match="No incident lies near enough to a street"):
        run(layer, "hot-routes", streets=long_street())
    with pytest.raises(AnalysisError, match="No line of “Streets” comes near the study area"):
        run(layer, "hot-routes", streets=street_layer([("Far", [(WEST + 90_000, SOUTH), (WEST + 91_000, SOUTH)])]))
    with pytest.raises(AnalysisError, match="holds no line with a length here"):
        run(layer, "hot-routes", streets=street_layer([("Dot", [(WEST + 9, SOUTH), (WEST + 9, SOUTH)])]))
    with pytest.raises(AnalysisError, match="bandwidth of 20 m is smaller than the pieces of 25 m"):
        run(layer, "hot-routes", {"bandwidth": 20.0}, streets=long_street())
    with pytest.raises(AnalysisError, match="“Bandwidth” is 0 m, and must be at least 10 m"):
        run(layer, "hot-routes", {"bandwidth": 0.0}, streets=long_street())
    with pytest.raises(AnalysisError, match="more than 500,000: choose longer pieces"):
        many = street_layer([(f"{n}", [(WEST, SOUTH + n), (WEST + SIDE, SOUTH + n)]) for n in range(300)])
        run(layer, "hot-routes", {"piece": 1.0}, streets=many)


# ------------------------------------------------------------------ back-test


def two_periods(seed=6):
    """Incidents about a hot place that stays, in six months and the next six, on a background."""
    rng = np.random.default_rng(seed)
    rows = []
    for month in range(1, 13):
        for x, y in rng.normal((700, 700), 60, (40, 2)):
            rows.append((int(WEST + x), int(SOUTH + y), f"2025-{month:02d}", "theft"))
        for x, y in rng.integers(0, SIDE, (40, 2)):
            rows.append((int(WEST + x), int(SOUTH + y), f"2025-{month:02d}", "theft"))
    return rows


LATER = Period("2025-07", "2025-12")


def test_a_back_test_judges_maps_of_the_earlier_period_by_the_later(qgis_app, run):
    rows = two_periods()
    finished = run(point_layer(rows), "back-test", {"cell": 100.0}, LATER)
    found = columns(finished, "scores")
    later = Counter((row[0] // 100, row[1] // 100) for row in rows if row[2] >= "2025-07")
    earlier = Counter((row[0] // 100, row[1] // 100) for row in rows if row[2] < "2025-07")
    total = sum(later.values())
    for name, share, cells, hits, hit_rate, pai, pei, rri, best in zip(
        *(found[c] for c in ("map", "share", "cells", "hits", "hit_rate", "pai", "pei_star", "rri", "best_hits"))
    ):
        assert cells == max(1, round(share * 4))  # of 400
        assert best == sum(sorted(later.values(), reverse=True)[:cells])
        assert hit_rate == pytest.approx(100 * hits / total, abs=0.02)
        assert pai == pytest.approx((hits / total) / (cells / 400), rel=0.01)
        assert pei == pytest.approx(hits / best, abs=0.002)
        if name == "Plain counts" and share == 1:
            top = sorted(earlier, key=earlier.get, reverse=True)[:4]
            assert len({earlier[c] for c in top} & {earlier[c] for c in set(earlier) - set(top)}) == 0
            assert hits == sum(later[cell] for cell in top)
            expected = (hits / sum(earlier[c] for c in top)) / (total / sum(earlier.values()))
            assert rri == pytest.approx(expected, abs=0.001)
    beside = columns(finished, "side_by_side")
    for map_name, column in (("Kernel density", "density"), ("Getis-Ord Gi*", "gi_star"), ("Plain counts", "counts")):
        of_map = [rate for name, rate in zip(found["map"], found["hit_rate"]) if name == map_name]
        np.testing.assert_allclose(beside[f"hit_rate_{column}"], of_map, atol=0.06)
    layer = open_layers(finished)[0]
    hot = [f for f in layer.getFeatures() if f["class"] >= 2]
    at = [i for i, (m, s) in enumerate(zip(found["map"], found["share"])) if (m, s) == ("Kernel density", 5)][0]
    assert sum(f["after"] for f in hot) == found["hits"][at]
    assert sum(f["before"] for f in layer.getFeatures()) == sum(earlier.values())
    assert found["hits"][at] > 0.4 * total  # the hot place stayed
    assert "PEI*" in finished.findings.answer
    del layer


def test_a_map_is_not_judged_by_what_it_was_made_of(qgis_app, run):
    layer = point_layer(two_periods())
    with pytest.raises(AnalysisError, match="judged by what they were made of"):
        run(layer, "back-test", {"made_from": Period("2025-05", "2025-07")}, LATER)


def test_periods_without_incidents_are_told(qgis_app, run):
    rows = two_periods()
    layer = point_layer([row for row in rows if row[2] > "2025-06" or row[2] == "2025-01"])
    with pytest.raises(AnalysisError, match="No incident of April 2025 to May 2025 lies in the study area"):
        run(layer, "back-test", {"made_from": Period("2025-04", "2025-05")}, LATER)


# ------------------------------------------------------------------ in Processing


@pytest.fixture
def provider(qgis_app):
    made = SafeStatsProvider()
    assert QgsApplication.processingRegistry().addProvider(made)
    yield made
    QgsApplication.processingRegistry().removeProvider(made)


@pytest.mark.parametrize(
    ("name", "rows", "further", "sentence"),
    [
        ("repeatlocations", stacked_rows, {"LEAST": 3}, "places hold 3 incidents or more"),
        ("concentration", stacked_rows, {"CELL": 250}, "of 64 cells"),
        ("nearrepeat", near_rows, {"PERMUTATIONS": 19}, "under 100 m within 0 to 6 days"),
        ("hotroutes", near_rows, {"WITHIN": 700}, "on 4.0 km of street"),
        ("backtest", near_rows, {"FROM_MONTH": "2025-06", "TO_MONTH": "2025-10"}, "later incidents, the hottest"),
    ],
)
def test_each_runs_in_processing_and_leaves_its_layers(provider, tmp_path, name, rows, further, sentence):
    context, project = QgsProcessingContext(), QgsProject()
    layer, streets = dated_layer(rows()), long_street()
    area = QgsVectorLayer("Polygon?crs=EPSG:27700", "square", "memory")
    feature = QgsFeature()
    feature.setGeometry(AREA.geometry)
    area.dataProvider().addFeatures([feature])
    project.addMapLayers([layer, streets, area])
    context.setProject(project)
    path = tmp_path / "found.gpkg"
    parameters = {"INPUT": layer, "STUDY_AREA": area, "OUTPUT": str(path), **further}
    if name == "hotroutes":
        parameters["STREETS"] = streets
    feedback = QgsProcessingFeedback()
    found, ok = provider.algorithm(name).run(parameters, context, feedback)
    assert ok, feedback.textLog()
    assert sentence in found["ANSWER"]
    assert len(QgsVectorLayer(str(path), "all", "ogr").dataProvider().subLayers()) > 1


# ------------------------------------------------------------------ all of them


def test_a_run_repeated_with_the_values_it_used_is_the_same(qgis_app, run):
    dated, streets = dated_layer(near_rows()), long_street()
    for name, values, period in (
        ("repeat-locations", {}, None),
        ("concentration", {}, None),
        ("near-repeat", {"permutations": 19}, None),
        ("hot-routes", {"within": 400.0}, None),
        ("back-test", {}, Period("2025-06", "2025-10")),
    ):
        layer = dated_layer(stacked_rows()) if name == "repeat-locations" else dated
        lines = streets if name == "hot-routes" else None
        first = run(layer, name, values, period, lines)
        again = run(layer, name, first.record.values, period, lines)
        assert again.findings.answer == first.findings.answer
        for before, after in zip(first.findings.outputs, again.findings.outputs):
            pair = [o.surface.columns if o.surface else o.columns for o in (before, after)]
            for column in pair[0]:
                np.testing.assert_array_equal(pair[0][column], pair[1][column], err_msg=f"{name} {column}")


def test_columns_are_named_for_people(qgis_app, run):
    dated = dated_layer(near_rows())
    for name, period in (("concentration", None), ("near-repeat", None), ("back-test", Period("2025-06", "2025-10"))):
        finished = run(dated, name, {"permutations": 19} if name == "near-repeat" else {}, period)
        for output in finished.findings.outputs:
            of = output.surface.columns if output.surface else output.columns
            assert set(output.words) == set(of), (name, output.name)
