"""The proximity search: exact, inclusive, equal to a count by hand on real incidents; and its sentences."""

from __future__ import annotations

import gzip
from math import pi

import pytest
from qgis.core import QgsVectorLayer
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.periods import Period, held_before, latest_year
from safestats.qgis_plugin.core.places import PlaceFinder
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.proximity import Place, SearchFilter, parse_radii, search
from safestats.qgis_plugin.core.ring_layers import ring_layer

from .conftest import CENTRE, point_layer

EAST, NORTH = CENTRE
PLACE = Place("a doorway", EAST, NORTH, "")


def run(layer: QgsVectorLayer, radii=(100,), place: Place = PLACE, **wanted):
    return search([PointSource(layer)], place, radii, SearchFilter(**wanted))


def test_an_incident_on_the_ring_is_inside(qgis_app):
    rows = [(EAST + d, NORTH, "2025-01", "theft") for d in (99, 100, 101)]
    assert run(point_layer(rows)).datasets[0].total.counts == (2,)


def test_a_ring_reaches_as_far_in_every_direction(qgis_app):
    # 60² + 80² = 100², 61² + 80² is more: diagonal distances, not the square around the ring.
    rows = [(EAST + sx * 60, NORTH + sy * 80, "2025-01", "theft") for sx in (-1, 1) for sy in (-1, 1)]
    rows += [(EAST + 61, NORTH + 80, "2025-01", "theft"), (EAST + 99, NORTH + 99, "2025-01", "theft")]
    assert run(point_layer(rows)).datasets[0].total.counts == (4,)


def test_counts_are_cumulative_by_category_and_largest_first(qgis_app):
    rows = [(EAST, NORTH, "2025-01", "theft")] * 2 + [(EAST + 200, NORTH, "2025-01", "violent-crime")] * 3
    part = run(point_layer(rows), (100, 250)).datasets[0]
    assert [(row.label, row.counts) for row in part.rows] == [("Violent crime", (0, 3)), ("Theft", (2, 2))]
    assert part.total.counts == (2, 5)
    assert part.largest_stack == 3


def test_the_period_before_is_compared_and_small_numbers_are_weak(qgis_app):
    rows = [(EAST, NORTH, "2025-03", "theft")] * 12 + [(EAST, NORTH, "2025-01", "theft")] * 10
    rows += [(EAST, NORTH, "2025-04", "drugs")] * 3 + [(EAST, NORTH, "2025-02", "drugs")]
    part = run(point_layer(rows), period=Period("2025-03", "2025-04")).datasets[0]
    theft, drugs = part.rows
    assert (theft.counts, theft.previous, theft.change_is_weak(0)) == ((12,), (10,), False)
    assert theft.change(0) == pytest.approx(0.2)
    assert (drugs.counts, drugs.previous, drugs.change_is_weak(0)) == ((3,), (1,), True)
    assert part.previous_period == Period("2025-01", "2025-02")


def test_nothing_is_compared_with_months_that_are_not_held(qgis_app):
    layer = point_layer([(EAST, NORTH, month, "theft") for month in ("2025-02", "2025-03")])
    for period in (Period("2025-02", "2025-03"), Period("2025-03", "2025-04")):
        part = run(layer, period=period).datasets[0]
        assert part.total.previous is None
        assert any("Nothing is compared" in note for note in part.notes)


def test_rows_without_a_place_are_counted_and_told(qgis_app):
    rows = [(EAST, NORTH, "2025-01", "theft"), (None, None, "2025-01", "theft"), (None, None, "2024-01", "theft")]
    part = run(point_layer(rows), period=Period("2025-01", "2025-01")).datasets[0]
    assert (part.total.counts, part.unplaced) == ((1,), 1)
    assert any("have no place" in note for note in part.notes)


def test_rates_and_rings_are_of_the_whole_circle(qgis_app):
    result = run(point_layer([(EAST, NORTH, "2025-01", "theft")]), (100, 500))
    assert result.areas_km2 == pytest.approx((pi * 0.01, pi * 0.25))
    assert result.per_km2(1, 0) == pytest.approx(1 / (pi * 0.01))
    for ring, area in zip(result.rings, result.areas_km2):
        assert ring.area() / 1e6 == pytest.approx(area, rel=5e-4)
    layer = ring_layer(result)
    assert [f["radius_m"] for f in layer.getFeatures()] == [500, 100]
    assert layer.crs().authid() == "EPSG:27700"


@pytest.mark.parametrize("centre", [(529_000, 184_000), (531_500, 181_200), (533_333, 179_999)])
def test_real_incidents_equal_a_count_by_hand(fire_layer, fire_rows, centre):
    radii = (100, 250, 500)
    period = Period("2017-02", "2017-03")
    result = run(fire_layer, radii, Place("x", *centre, ""), period=period, compare=False)
    by_hand: dict[str, list[int]] = {}
    for easting, northing, month, category in fire_rows:
        if month in ("2017-02", "2017-03"):
            squared = (easting - centre[0]) ** 2 + (northing - centre[1]) ** 2
            if squared <= 500**2:
                counts = by_hand.setdefault(category, [0, 0, 0])
                for ring, radius in enumerate(radii):
                    counts[ring] += squared <= radius**2
    part = result.datasets[0]
    assert {row.label: list(row.counts) for row in part.rows} == by_hand
    assert part.total.counts[-1] == sum(counts[-1] for counts in by_hand.values()) > 20


def test_a_search_can_be_stopped(qgis_app):
    layer = point_layer([(EAST, NORTH, "2025-01", "theft")])
    with pytest.raises(Cancelled):
        search([PointSource(layer)], PLACE, (100,), SearchFilter(), cancelled=lambda: True)


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
    notes = run(layer, period=Period("2025-01", "2025-03")).datasets[0].notes
    assert any("Held for February 2025 to March 2025 only" in note for note in notes)
    assert not any("Held for" in note for note in run(layer, period=Period("2025-02", "2025-03")).datasets[0].notes)


def test_a_layer_that_holds_nothing_of_the_period_is_left_out_not_zero(qgis_app):
    old = point_layer([(EAST, NORTH, "2017-05", "theft")])
    new = point_layer([(EAST, NORTH, "2023-05", "theft")])
    period = Period("2023-01", "2023-12")
    result = search([PointSource(old), PointSource(new)], PLACE, (100,), SearchFilter(period=period))
    assert [part.total.counts for part in result.datasets] == [(1,)]
    (sentence,) = result.left_out
    assert "it holds May 2017, nothing of the period chosen" in sentence
    with pytest.raises(AnalysisError, match="nothing of the period chosen. Choose another period"):
        run(old, period=period)
