"""The analyses on grids, from a layer to a styled one: their figures against counts and formulae written out anew."""

from __future__ import annotations

import itertools
import math
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from qgis.core import (
    NULL,
    QgsCategorizedSymbolRenderer,
    QgsFeature,
    QgsGeometry,
    QgsGraduatedSymbolRenderer,
    QgsPointXY,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core.analyses.grid_cells import cells_over
from safestats.qgis_plugin.core.analyses.registry import ANALYSES, analysis_named
from safestats.qgis_plugin.core.analyses.running import Inputs, run_analysis
from safestats.qgis_plugin.core.analyses.time_steps import steps_of
from safestats.qgis_plugin.core.analyses.writing import open_layers
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.study_areas import StudyArea

from .conftest import dated_layer, point_layer

WEST, SOUTH, SIDE = 529_000, 179_000, 2_000
AREA = StudyArea(
    "The square", QgsGeometry.fromWkt(f"POLYGON(({WEST} {SOUTH},{WEST + SIDE} {SOUTH},{WEST + SIDE} {SOUTH + SIDE},"
    f"{WEST} {SOUTH + SIDE},{WEST} {SOUTH}))")
)  # fmt: skip
YEARS = Period("2023-01", "2024-12")


def month(number):
    return f"{2023 + number // 12}-{number % 12 + 1:02d}"


def rows_of(places_by_month, rng, background=25):
    """Rows (easting, northing, month, category): a background each month, and so many at planted places."""
    rows = []
    for number in range(24):
        rows += [
            (int(x), int(y), month(number), "theft")
            for x, y in zip(rng.integers(WEST, WEST + SIDE, background), rng.integers(SOUTH, SOUTH + SIDE, background))
        ]
        for (x, y), times in places_by_month(number).items():
            rows += [(x, y, month(number), "violence")] * times
    return rows


ALWAYS, LATE, FORMER = (529_550, 179_550), (530_550, 179_550), (529_550, 180_450)


@pytest.fixture
def layer(qgis_app):
    rng = np.random.default_rng(7)

    def planted(number):
        places = [ALWAYS, *([LATE] if number >= 20 else []), *([FORMER] if number < 8 else [])]
        around = [(dx, dy) for dx in (-200, 0, 200) for dy in (-200, 0, 200)]
        return {(x + dx, y + dy): 3 for x, y in places for dx, dy in around}

    return point_layer(rows_of(planted, rng))


@pytest.fixture
def run(tmp_path):
    numbers = itertools.count()

    def act(layer, name, values=None, period=YEARS, categories=(), points=None, area=AREA):
        inputs = Inputs(PointSource(layer), area, IncidentFilter(period, categories), values or {}, points or {})
        return run_analysis(analysis_named(name), inputs, tmp_path / f"out{next(numbers)}.gpkg", "1.0")

    return act


def cell_at(layer, place):
    found = [f for f in layer.getFeatures() if f.geometry().contains(QgsPointXY(*place))]
    assert len(found) == 1
    return found[0]


def surface_of(finished):
    return finished.findings.outputs[0].surface


def test_every_analysis_on_a_grid_makes_a_styled_layer(layer, run):
    for name in ("density", "hot-spots", "change", "hot-spot-classes", "emerging-hot-spots"):
        period = Period("2024-01", "2024-12") if name == "change" else YEARS
        finished = run(layer, name, period=period)
        made = open_layers(finished)[0]
        assert made.featureCount() == surface_of(finished).cells > 50, name
        assert isinstance(made.renderer(), (QgsCategorizedSymbolRenderer, QgsGraduatedSymbolRenderer)), name
        assert finished.findings.answer
        total = sum(f["count"] if name != "change" else f["after"] for f in made.getFeatures())
        assert total == len([f for f in layer.getFeatures() if period.covers(f["month"])]), name
        del made


def test_a_run_repeated_with_the_values_it_used_is_the_same(layer, run):
    for name in ("density", "hot-spots", "hot-spot-classes", "emerging-hot-spots", "change"):
        period = Period("2024-01", "2024-12") if name == "change" else YEARS
        first = run(layer, name, period=period)
        again = run(layer, name, first.record.values, period=period)
        for column, values in surface_of(first).columns.items():
            np.testing.assert_array_equal(values, surface_of(again).columns[column], err_msg=f"{name} {column}")


@pytest.mark.parametrize(
    "values",
    [
        {"cell": 200},
        {"cell": 200, "steps": 2},
        {"cell": 200, "neighbourhood": "distance", "distance": 450},
        {"cell": 200, "shape": "hexagon"},
        {"cell": 200, "shape": "hexagon", "neighbourhood": "distance"},
    ],
)
def test_gi_star_of_a_layer_equals_the_formula(layer, run, values):
    finished = run(layer, "hot-spots", values)
    made = open_layers(finished)[0]
    features = list(made.getFeatures())
    middles = [f.geometry().centroid().asPoint() for f in features]
    points = [f.geometry().asPoint() for f in layer.getFeatures()]
    if values.get("shape"):  # each incident in the hexagon that holds it, by the written shapes
        counts = [sum(1 for p in points if f.geometry().contains(p)) for f in features[:40]]
        assert counts == [f["count"] for f in features[:40]]
    n, x = len(features), [f["count"] for f in features]
    mean = sum(x) / n
    s = math.sqrt(sum(v * v for v in x) / n - mean**2)
    reach = values.get("distance", 400 if values.get("neighbourhood") else None)
    for i in range(0, n, 7):
        if reach or values.get("shape"):
            near = [j for j in range(n) if middles[i].distance(middles[j]) <= (reach or 201) + 1e-6]
        else:
            step = 200 * values.get("steps", 1) + 1
            near = [
                j for j in range(n)
                if abs(middles[i].x() - middles[j].x()) < step and abs(middles[i].y() - middles[j].y()) < step
            ]  # fmt: skip
        w = len(near)
        z = (sum(x[j] for j in near) - mean * w) / (s * math.sqrt((n * w - w * w) / (n - 1)))
        assert features[i]["z"] == pytest.approx(z, abs=1e-8)
    assert cell_at(made, (ALWAYS[0], ALWAYS[1]))["class"] == 3
    del made


def test_classes_tell_the_planted_course(layer, run):
    finished = run(layer, "hot-spot-classes", {"cell": 200})
    made = open_layers(finished)[0]
    assert [cell_at(made, place)["class"] for place in (ALWAYS, LATE, FORMER)] == [1, 3, 4]
    assert cell_at(made, ALWAYS)["hot_steps"] == 24
    assert "24 steps of 1 month" in dict(finished.parameters)["Steps"]
    del made


def test_emerging_patterns_tell_the_planted_course(layer, run):
    finished = run(layer, "emerging-hot-spots", {"cell": 200})
    made = open_layers(finished)[0]
    always, late, former = (cell_at(made, place) for place in (ALWAYS, LATE, FORMER))
    assert always["pattern"] in ("Persistent hot spot", "Diminishing hot spot", "Intensifying hot spot")
    assert late["pattern"] == "Consecutive hot spot"
    assert former["pattern"] == "No pattern"
    assert late["hot_steps"] == 4
    assert len(made.renderer().categories()) == 17
    del made


def test_steps_end_with_the_period_and_tell_what_they_leave_out(layer, run):
    finished = run(layer, "hot-spot-classes", {"months": 5})
    assert "4 steps of 5 months" in dict(finished.parameters)["Steps"]
    assert any("January 2023 to April 2023" in note for note in finished.notes)
    assert surface_of(finished).columns["count"].sum() == sum(1 for f in layer.getFeatures() if f["month"] >= "2023-05")


@pytest.mark.parametrize("days", [7, 14, 28])
def test_steps_of_days_have_each_incident_once(qgis_app, run, days):
    rng = np.random.default_rng(9)
    first = date(2024, 1, 1)
    rows = [
        (int(x), int(y), None if at % 50 == 0 else first + timedelta(days=int(day)), 1, "a", None)
        for at, (x, y, day) in enumerate(
            zip(rng.integers(WEST, WEST + SIDE, 900), rng.integers(SOUTH, SOUTH + SIDE, 900), rng.integers(0, 366, 900))
        )
    ]
    placed = point_layer_of_days(rows)
    finished = run(placed, "emerging-hot-spots", {"cell": 250, "step": str(days)}, period=Period("2024-01", "2024-12"))
    number = 366 // days
    begin = date(2024, 12, 31) - timedelta(days=number * days - 1)
    told = dict(finished.parameters)["Steps"]
    assert told == f"{number} steps of {days} days, to 31 December 2024"
    inside = sum(1 for row in rows if row[2] is not None and row[2] >= begin)
    assert int(surface_of(finished).columns["count"].sum()) == inside
    if begin > first:
        assert any(f"would not fill a step of {days} days" in note for note in finished.notes)
    assert finished.record.values["step"] == str(days) and finished.record.values["months"] is None
    again = run(placed, "emerging-hot-spots", dict(finished.record.values), period=Period("2024-01", "2024-12"))
    assert np.array_equal(surface_of(again).columns["class"], surface_of(finished).columns["class"])
    classed = run(placed, "hot-spot-classes", {"cell": 250, "step": str(days)}, period=Period("2024-01", "2024-12"))
    assert dict(classed.parameters)["Steps"] == told
    # The cube itself, step by step.
    request = SimpleNamespace(
        values={"step": str(days), "months": None},
        wanted=IncidentFilter(Period("2024-01", "2024-12")),
        facts=PointSource(placed).facts,
        incidents=SimpleNamespace(points=PointSource(placed).read()),
    )
    steps = steps_of(request, 10)
    cube = steps.counts(cells_over(AREA, [], {"cell": 500}), request.incidents.points)
    for at in range(number):
        start = begin + timedelta(days=at * days)
        brute = sum(1 for row in rows if row[2] is not None and start <= row[2] < start + timedelta(days=days))
        assert cube[at].sum() == brute, at
    assert any("do not tell their day" in note for note in steps.notes)


def point_layer_of_days(rows):
    """Of days, some of which are unknown."""
    layer = dated_layer([(*row[:2], row[2] or date(2024, 1, 1), *row[3:]) for row in rows])
    index, unknown = layer.fields().indexOf("occurred_on"), [at for at, row in enumerate(rows) if row[2] is None]
    ids = [feature.id() for feature in layer.getFeatures()]
    layer.dataProvider().changeAttributeValues({ids[at]: {index: NULL} for at in unknown})
    return layer


def test_steps_of_days_need_days_and_no_months(layer, run):
    with pytest.raises(AnalysisError, match="does not tell on which day an incident happened: choose steps of months"):
        run(layer, "emerging-hot-spots", {"step": "7"})
    with pytest.raises(AnalysisError, match="of days or of months, not of both"):
        run(layer, "hot-spot-classes", {"step": "7", "months": 2})


def test_change_counts_both_periods_and_tests_each_cell(layer, run):
    finished = run(layer, "change", {"cell": 500}, period=Period("2024-01", "2024-12"))
    made = open_layers(finished)[0]
    late, former = cell_at(made, LATE), cell_at(made, FORMER)
    for feature in (late, former):
        inside = [f for f in layer.getFeatures() if feature.geometry().contains(f.geometry())]
        # None of these lies on a border: the planted ones are in the middle, and counts would differ by few otherwise.
        before = sum(f["month"] < "2024" for f in inside)
        assert abs(feature["before"] - before) <= 3
        assert abs(feature["after"] - (len(inside) - before)) <= 3
        ratio = (feature["after"] / 366) / (feature["before"] / 365)
        assert feature["ratio"] == pytest.approx(ratio)
    assert (late["class"], former["class"]) == (3, -3)
    assert "366 after" in dict(finished.parameters)["Days"]
    del made


def test_periods_that_overlap_are_not_compared(layer, run):
    with pytest.raises(AnalysisError, match="does not end before"):
        run(layer, "change", {"before": Period("2023-06", "2024-02")}, period=Period("2024-01", "2024-12"))


def test_two_categories_are_compared(layer, run):
    finished = run(layer, "dual-density", {"cell": 100, "bandwidth": 400}, categories=("violence", "theft"))
    made = open_layers(finished)[0]
    at, away = cell_at(made, ALWAYS), cell_at(made, (530_550, 180_650))
    assert at["compared"] == pytest.approx(math.log(at["first"] / 972 / (at["second"] / 600)), abs=1e-6)
    assert at["compared"] > 1
    assert away["first"] == 0
    assert away["compared"] == NULL
    del made


def test_another_layer_is_compared_with(layer, run):
    rng = np.random.default_rng(1)
    second = point_layer(rows_of(lambda number: {LATE: 30}, rng), "others")
    values = {"second": "others", "comparison": "difference", "shares": False, "cell": 100, "bandwidth": 300}
    finished = run(layer, "dual-density", values, points={"second": PointSource(second)})
    surface = surface_of(finished)
    np.testing.assert_allclose(
        surface.columns["compared"][surface.mask],
        (surface.columns["first"] - surface.columns["second"])[surface.mask],
        atol=1e-6,
    )
    assert "others (all incidents)" in dict(finished.parameters)["Second"]


def test_nothing_to_compare_with_is_a_sentence(layer, run):
    with pytest.raises(AnalysisError, match="choose a second layer, or exactly two categories"):
        run(layer, "dual-density", categories=("theft",))


# ---------------------------------------------------------------- weights


@pytest.fixture
def harmful(qgis_app):
    """Many incidents of little harm in one place, few of much harm in another."""
    made = QgsVectorLayer(
        "Point?crs=EPSG:27700&field=month:string&field=category:string&field=harm:double&field=gaps:double"
        "&field=negative:integer&field=precision_m:double",
        "harmful",
        "memory",
    )
    rng = np.random.default_rng(3)
    rows = [(ALWAYS, 1.0)] * 60 + [(LATE, 3650.0)] * 6
    rows += [((int(x), int(y)), 1.0) for x, y in rng.integers(0, SIDE, (150, 2)) + [WEST, SOUTH]]
    features = []
    for number, (place, harm) in enumerate(rows):
        feature = QgsFeature(made.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(*place)))
        feature.setAttributes(["2024-01", "any", harm, None if number % 50 == 3 else harm, -1, 150.0])
        features.append(feature)
    made.dataProvider().addFeatures(features)
    made.updateExtents()
    return made


def test_harm_moves_the_hot_spot(harmful, run):
    plain, weighted = (
        run(harmful, "hot-spots", {"cell": 200, **more}, period=None) for more in ({}, {"weight": "harm"})
    )
    by_count, by_harm = (open_layers(finished)[0] for finished in (plain, weighted))
    hot = [[cell_at(made, place)["class"] >= 2 for place in (ALWAYS, LATE)] for made in (by_count, by_harm)]
    assert hot == [[True, False], [False, True]]
    assert sum(f["weight"] for f in by_harm.getFeatures()) == 6 * 3650 + 210
    assert "“harm”" in dict(weighted.parameters)["Weight"]
    del by_count, by_harm


def test_the_volume_of_a_weighted_density_is_the_weights_sum(harmful, run):
    wide = StudyArea("wide", AREA.geometry.buffer(1500, 8))
    finished = run(harmful, "density", {"cell": 50, "bandwidth": 400, "weight": "harm"}, period=None, area=wide)
    surface = surface_of(finished)
    volume = surface.columns["per_km2"][surface.mask].sum() * 50**2 / 1e6
    assert volume == pytest.approx(6 * 3650 + 210, rel=0.005)
    assert any("exact to 150 m only" in note for note in finished.notes)


@pytest.mark.parametrize(
    ("column", "words"), [("gaps", "5 of 216 incidents have no weight"), ("negative", "216 have one below 0")]
)
@pytest.mark.parametrize("name", ["density", "hot-spots"])
def test_a_weight_is_never_guessed(harmful, run, column, words, name):
    with pytest.raises(AnalysisError, match=f"{words}.* none is guessed"):
        run(harmful, name, {"weight": column}, period=None)


# ---------------------------------------------------------------- bandwidths


@pytest.mark.parametrize("rule", ["silverman", "scott", "normal-reference", "median-distance"])
def test_the_rule_and_its_bandwidth_are_told(layer, run, rule):
    finished = run(layer, "density", {"rule": rule})
    words = dict(finished.parameters)["Bandwidth"]
    assert "(automatic)" in words
    assert f"{finished.record.values['bandwidth']:,.0f} m" in words


def test_a_floor_is_told_with_its_reason(qgis_app, run):
    days = [date(2024, 1, 1 + number % 28) for number in range(40)]
    rows = [(529_500 + 3 * (number % 3), 179_500, day, 1, "a", 150.0) for number, day in enumerate(days)]
    finished = run(dated_layer(rows), "density", period=None)
    assert "twice the places' precision of 150 m" in dict(finished.parameters)["Bandwidth"]
    assert finished.record.values["bandwidth"] == 300


def test_what_misleads_in_the_second_set_is_told_under_its_name(qgis_app, run):
    rng = np.random.default_rng(5)
    places = rng.integers(0, SIDE, (80, 2)) + (WEST, SOUTH)
    rows = [(int(x), int(y), "2024-06" if at < 60 else "2024-05", "theft") for at, (x, y) in enumerate(places)]
    rows += [(*rows[-1][:2], "2024-05", "theft")] * 8
    layer, june = point_layer(rows), Period("2024-06", "2024-06")
    for name, words in (("change", "Compare with"), ("back-test", "Maps made from")):
        notes = " ".join(run(layer, name, {"cell": 200}, period=june).notes)
        assert f"{words} – May 2024: Only 28 incidents: below 30" in notes
        assert f"{words} – May 2024: Several incidents share one point: 9 of 28" in notes
    other = point_layer(rows[-28:], "Others")
    notes = " ".join(
        run(layer, "dual-density", {"second": "Others"}, period=None, points={"second": PointSource(other)}).notes
    )
    assert "Second layer – “Others”: Only 28 incidents" in notes
    kinds = [(*row[:3], "arson" if at < 20 else "theft") for at, row in enumerate(rows)]
    notes = " ".join(run(point_layer(kinds), "dual-density", period=None, categories=("arson", "theft")).notes)
    assert "Arson: Only 20 incidents" in notes or "arson: Only 20 incidents" in notes


def test_a_back_test_tells_its_bandwidth_as_densities_do(qgis_app, run):
    days = [date(2024, 5 + number % 2, 1 + number % 28) for number in range(80)]
    rng = np.random.default_rng(6)
    places = rng.integers(400, 700, (80, 2)) + (WEST, SOUTH)
    rows = [(int(x), int(y), day, 1, "a", 150.0) for (x, y), day in zip(places, days)]
    finished = run(dated_layer(rows), "back-test", {"cell": 100}, period=Period("2024-06", "2024-06"))
    assert "the floor is twice the places' precision of 150 m" in dict(finished.parameters)["Bandwidth"]
    assert any("exact to 150 m only" in note for note in finished.notes)


# ---------------------------------------------------------------- what cannot be done


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("hot-spots", {"cell": 0.5}, "at least 1 m"),
        ("hot-spots", {"cell": 1}, "nobody reads so many|more than"),
        ("hot-spots", {"cell": 1, "shape": "hexagon"}, "more than"),
        ("hot-spots", {"cell": 200, "neighbourhood": "distance", "distance": 100}, "smaller than the cell"),
        ("hot-spots", {"steps": 0}, "at least 1"),
        ("density", {"bandwidth": 0}, "at least 1 m"),
        ("density", {"cell": 200, "bandwidth": 50}, "smaller than the cell"),
        ("density", {"rule": "guess"}, "cannot be “guess”"),
        ("emerging-hot-spots", {"months": 3}, "only 8 steps in time"),
        ("hot-spot-classes", {"months": 12}, "only 2 periods"),
    ],
)
def test_what_cannot_be_computed_is_a_sentence(layer, run, name, values, words):
    with pytest.raises(AnalysisError, match=words):
        run(layer, name, values)


def test_the_analyses_have_names_and_help_of_their_own():
    assert len({analysis.name for analysis in ANALYSES}) == len(ANALYSES)
    for analysis in ANALYSES:
        names = [choice.name for choice in analysis.choices]
        assert len(set(names)) == len(names)
        assert analysis.help.endswith(".")
