"""Counts equal independent SQL; what the copy's agreement withholds is told and never counted as nothing."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from qgis.core import QgsGeometry, QgsPointXY, QgsRectangle, QgsVectorLayer
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.explore.area_sets import AreaSet, AreaSets, Held, Place, _read_areas
from safestats.qgis_plugin.core.explore.counting import (
    ELSEWHERE,
    NOWHERE,
    CopyTable,
    Counted,
    category_tree,
    count,
    rows_of,
)
from safestats.qgis_plugin.core.explore.rates import Base, Bases, Beside, compare
from safestats.qgis_plugin.core.explore.selection import By, Selection, Within
from safestats.qgis_plugin.core.periods import Period
from safestats.shared.rings import OwnBand
from safestats.tests.plugin.explore.conftest import (
    CAMDEN,
    CITY,
    HACKNEY,
    ISLINGTON,
    WESTMINSTER,
    manifest,
    opened,
    planted,
    write_copy,
)

SETS = AreaSets()
BOX = "Polygon ((529000 181000, 532000 181000, 532000 184000, 529000 184000, 529000 181000))"


def never() -> bool:
    return False


def counted(layer: QgsVectorLayer, asked: Selection, wards: AreaSet | None = None) -> Counted:
    return count(CopyTable.of(layer), asked, SETS, wards, never)


def cells(found: Counted) -> dict[tuple[str, str, str], int]:
    return {
        (place.code, path[0], month): int(found.cells[a, c, m])
        for a, place in enumerate(found.places)
        for c, path in enumerate(found.categories)
        for m, month in enumerate(found.months)
        if found.cells[a, c, m]
    }


# What is asked, and the same in the words of SQL: written without a look at what the module writes.
QUESTIONS = [
    (Selection("lfb"), "1"),
    (Selection("lfb", period=Period("2025-03", "2025-05")), "month >= '2025-03' AND month <= '2025-05'"),
    (Selection("lfb", categories=(("Fire",),)), "category = 'Fire'"),
    (
        Selection("lfb", refined_by="finer", categories=(("Fire", "Primary fire"), ("False alarm",))),
        "(finer = 'Primary fire' OR category = 'False alarm')",
    ),
    (Selection("lfb", hours=OwnBand(22, 5)), "hour IN (22, 23, 0, 1, 2, 3, 4, 5)"),
    (
        # Friday's and Saturday's nights; 2 o'clock on Sunday is still Saturday's.
        Selection("lfb", hours=OwnBand(22, 5, frozenset({4, 5}))),
        "((hour >= 22 AND strftime('%w', occurred_on) IN ('5', '6'))"
        " OR (hour <= 5 AND strftime('%w', occurred_on) IN ('6', '0')))",
    ),
    (
        Selection("lfb", hours=OwnBand(9, 17, frozenset({0}))),
        "hour BETWEEN 9 AND 17 AND strftime('%w', occurred_on) = '1'",
    ),
    (Selection("lfb", within=Within.BOROUGHS, codes=(CAMDEN, CITY)), f"borough_code IN ('{CAMDEN}', '{CITY}')"),
    (Selection("lfb", categories=(("",),)), "category IS NULL"),
]


@pytest.mark.parametrize(("asked", "where"), QUESTIONS)
def test_counts_equal_independent_sql(layer: QgsVectorLayer, sql, asked: Selection, where: str) -> None:
    found = counted(layer, asked)
    expected = sql(
        "SELECT ifnull(borough_code, 'nowhere'), ifnull(category, ''), month, count(fid)"
        f" FROM lfb WHERE {where} GROUP BY 1, 2, 3"
    )
    told = Counter()
    for (code, category, month), number in cells(found).items():
        told[code, category, month] += number
    # Finer categories are cells of their own.
    sums = Counter()
    for a, place in enumerate(found.places):
        for c, path in enumerate(found.categories):
            for m, month in enumerate(found.months):
                sums[place.code, path[0], month] += int(found.cells[a, c, m])
    assert +sums == Counter({row[:3]: row[3] for row in expected})
    assert found.total == sum(row[3] for row in expected) > 0
    everywhere = "1" if asked.within is Within.BOROUGHS else where
    by_borough = f"SELECT borough_code, count(*) FROM lfb WHERE {everywhere} AND borough_code NOTNULL GROUP BY 1"
    assert dict(found.boroughs) == dict(sql(by_borough))


def test_areas_without_an_incident_are_told_and_lsoas_add_up(layer: QgsVectorLayer, sql) -> None:
    asked = Selection("lfb", within=Within.BOROUGHS, codes=(CITY,), by=By.LSOA, categories=(("Fire",),))
    found = counted(layer, asked)
    assert len(found.places) == 6  # the City's LSOAs, by the boundaries of 2011
    expected = dict(
        sql(f"SELECT lsoa_code, count(*) FROM lfb WHERE borough_code = '{CITY}' AND category = 'Fire' GROUP BY 1")
    )
    assert dict(zip([place.code for place in found.places], found.of_places().tolist())) == {
        place.code: expected.get(place.code, 0) for place in found.places
    }
    everywhere = counted(layer, Selection("lfb"))
    assert len([place for place in everywhere.places if place.code.startswith("E09")]) == 33
    assert everywhere.edition.startswith("LSOA 2011")


def halves() -> AreaSet:
    """Two wards that part Camden's box at a line on which incidents lie, and a third that overlaps the second."""
    answer = {"title": "Wards, May 2022", "attribution": "ONS", "areas": []}
    boxes = {"E05000001": (524000, 527000), "E05000002": (527000, 532500), "E05000003": (532000, 540000)}
    for code, (west, east) in boxes.items():
        shape = QgsGeometry.fromRect(QgsRectangle(west, 178000, east, 189000))
        wkb = b64encode(bytes(shape.asWkb())).decode()
        answer["areas"].append({"code": code, "name": f"Ward {code[-1]}", "borough": CAMDEN, "shape": wkb})
    return _read_areas(answer)


def test_each_incident_is_in_one_ward_at_most(qgis_app, qgis_new_project, tmp_path: Path) -> None:
    rows = planted(600, seed=3)
    for row in rows[:50]:
        row.update(x=527000, y=180000)  # on the border of two wards
    write_copy(tmp_path / "b.gpkg", "lfb", rows)
    layer = opened(tmp_path / "b.gpkg", manifest("lfb", "Fires", 600))
    found = counted(layer, Selection("lfb", by=By.WARD), halves())
    expected = Counter()
    for row in rows:
        if row["x"] is None:
            expected[NOWHERE] += 1
        elif 178000 <= row["y"] <= 189000 and 524000 <= row["x"] <= 540000:
            expected["E0500000" + ("1" if row["x"] <= 527000 else "2" if row["x"] <= 532500 else "3")] += 1
        else:
            expected[ELSEWHERE] += 1
    assert Counter(dict(zip([p.code for p in found.places], found.of_places().tolist()))) == expected
    assert found.total == 600 and found.edition == "Wards, May 2022"
    one = counted(layer, Selection("lfb", by=By.WHOLE, within=Within.WARDS, codes=("E05000003",)), halves())
    alone = sum(row["x"] is not None and 532000 <= row["x"] <= 540000 and 178000 <= row["y"] <= 189000 for row in rows)
    assert one.total == alone  # asked for alone, it has all that lie in it
    assert any("grid of 250 m" in note for note in found.notes)
    with pytest.raises(AnalysisError, match="sign in first"):
        counted(layer, Selection("lfb", by=By.WARD))


def test_a_shape_counts_what_lies_in_it_and_the_layer_can_be_filtered_by_it(layer: QgsVectorLayer) -> None:
    asked = Selection("lfb", within=Within.SHAPE, shape=BOX, period=Period("2025-01", "2025-06"))
    shape = QgsGeometry.fromWkt(BOX)
    inside = sum(
        not feature.geometry().isEmpty()
        and feature["month"] <= "2025-06"
        and shape.intersects(QgsGeometry.fromPointXY(QgsPointXY(feature.geometry().asPoint())))
        for feature in layer.getFeatures()
    )
    found = counted(layer, asked)
    assert found.total == inside > 100
    table = CopyTable.of(layer)
    assert layer.setSubsetString(rows_of(table, asked, None, 20_000, never))
    assert sum(1 for _ in layer.getFeatures()) == inside
    layer.setSubsetString("")
    with pytest.raises(AnalysisError, match="more than 10 incidents"):
        rows_of(table, asked, None, 10, never)
    for empty in ("", "Polygon ((529000 181000, 532000 181000, 529000 181000))"):
        with pytest.raises(AnalysisError, match="area is empty"):
            counted(layer, Selection("lfb", within=Within.SHAPE, shape=empty))


@pytest.mark.parametrize("asked", [asked for asked, _where in QUESTIONS])
def test_the_filtered_layer_shows_what_was_counted(layer: QgsVectorLayer, asked: Selection) -> None:
    assert layer.setSubsetString(rows_of(CopyTable.of(layer), asked, None, 20_000, never))
    assert sum(1 for _ in layer.getFeatures()) == counted(layer, asked).total


def test_what_the_copy_does_not_hold_is_no_zero(qgis_app, qgis_new_project, tmp_path: Path) -> None:
    rows = [row for row in planted(800) if row["borough_code"] in (CAMDEN, None)]
    write_copy(tmp_path / "c.gpkg", "lfb", rows)
    hackneys = [code for code, lsoa in SETS.boundaries.lsoas.items() if lsoa.parent == HACKNEY]
    layer = opened(tmp_path / "c.gpkg", manifest("lfb", "Fires", len(rows), areas=(CAMDEN, hackneys[0], "unplaced")))
    found = counted(layer, Selection("lfb"))
    held = dict(zip([place.code for place in found.places], found.held))
    assert [place.code for place in found.places[:2]] == [CAMDEN, HACKNEY]  # what is held comes first, in full before
    others = [place.name for place in found.places[2:33]]
    assert others == sorted(others) and set(found.held[2:33]) == {Held.NONE}
    assert (held[CAMDEN], held[HACKNEY], held[CITY]) == (Held.WHOLE, Held.PART, Held.NONE)
    assert "31 of 33 are not in your copy, 1 only in part" in found.notes[0]
    (chosen, london, *peers) = compare(found, [CAMDEN], None, Bases(), SETS)
    assert chosen.count == sum(row["borough_code"] == CAMDEN for row in rows)
    assert london.count is None and "32 of 33 boroughs" in london.caution
    assert peers and all(peer.count is None and peer.caution == "not in your copy" for peer in peers)
    lsoas = counted(layer, Selection("lfb", by=By.LSOA, within=Within.BOROUGHS, codes=(HACKNEY,)))
    assert Counter(lsoas.held) == {Held.WHOLE: 1, Held.NONE: len(hackneys) - 1}


def test_rows_without_place_hour_or_month_are_told(layer: QgsVectorLayer, sql) -> None:
    ((unplaced,),) = sql("SELECT count(*) FROM lfb WHERE geom IS NULL AND category = 'Fire'")
    found = counted(layer, Selection("lfb", categories=(("Fire",),)))
    assert dict(zip([p.code for p in found.places], found.of_places().tolist()))[NOWHERE] == unplaced > 0
    asked = Selection("lfb", categories=(("Fire",),), within=Within.BOROUGHS, codes=(CAMDEN,), hours=OwnBand(0, 11))
    notes = " ".join(counted(layer, asked).notes)
    ((early,),) = sql("SELECT count(*) FROM lfb WHERE geom IS NULL AND category = 'Fire' AND hour <= 11")
    ((untimed,),) = sql(
        f"SELECT count(*) FROM lfb WHERE borough_code = '{CAMDEN}' AND category = 'Fire' AND hour IS NULL"
    )
    assert f"{early:,} more have no place" in notes and f"{untimed:,} have no known hour" in notes and untimed
    beyond = counted(layer, Selection("lfb", period=Period("2024-01", "2025-01")))
    assert "Your copy holds 2025-01 to 2025-12" in " ".join(beyond.notes)


def test_numbers_of_people_are_summed_never_counted_as_rows(qgis_app, qgis_new_project, tmp_path: Path) -> None:
    rows = [
        {"measure": m, "substance": s, "month": "2025-03", "borough_code": b, "count": n, "withheld": n is None}
        for m, s, b, n in (
            ("In treatment", "Opiate", CAMDEN, 950), ("In treatment", "Alcohol only", CAMDEN, 300),
            ("New to treatment", "Opiate", CAMDEN, 120), ("In treatment", "Opiate", CITY, None),
        )
    ]  # fmt: skip
    write_copy(tmp_path / "n.gpkg", "ndtms", rows, placed=False)
    told = manifest("ndtms", "Treatment", 4, geometry="none", category_field="substance")
    layer = opened(tmp_path / "n.gpkg", told)
    found = counted(layer, Selection("ndtms"))
    assert not found.additive and found.total == 0 and not found.boroughs
    at = {place.code: number for number, place in enumerate(found.places)}
    told_of_camden = {path: int(found.cells[at[CAMDEN], c, 0]) for c, path in enumerate(found.categories)}
    assert sorted(told_of_camden.values()) == [120, 300, 950]
    assert found.withheld[at[CITY]].sum() == 1 and found.cells[at[CITY]].sum() == 0
    table = CopyTable.of(layer)
    assert not table.can(By.WARD) and not table.can(Within.SHAPE) and table.can(By.BOROUGH) and not table.timed
    with pytest.raises(AnalysisError, match="does not show where"):
        counted(layer, Selection("ndtms", by=By.LSOA))
    with pytest.raises(AnalysisError, match="does not show the hour"):
        counted(layer, Selection("ndtms", hours=OwnBand(1, 2)))


def test_the_tree_of_categories_is_found_in_the_rows(layer: QgsVectorLayer, sql) -> None:
    column, pairs = category_tree(CopyTable.of(layer), never)
    assert column == "finer"
    assert set(pairs) == set(sql("SELECT ifnull(category, ''), ifnull(finer, ''), count(*) FROM lfb GROUP BY 1, 2"))


def test_a_count_stops_at_once_and_a_copy_that_is_gone_is_told(layer: QgsVectorLayer) -> None:
    with pytest.raises(Cancelled):
        count(CopyTable.of(layer), Selection("lfb", within=Within.SHAPE, shape=BOX), SETS, None, lambda: True)
    with pytest.raises(AnalysisError, match="No area is chosen"):
        counted(layer, Selection("lfb", within=Within.BOROUGHS))
    plain = QgsVectorLayer("Point?crs=EPSG:27700", "mine", "memory")
    with pytest.raises(AnalysisError, match="no layer of SafeStats"):
        CopyTable.of(plain)


def test_rates_need_a_denominator_and_flag_the_city(layer: QgsVectorLayer) -> None:
    found = counted(layer, Selection("lfb"))
    few = Base("residents", "residents", 1000, By.BOROUGH, "mid-2023", "ONS", {CAMDEN: 210_000, CITY: 8_600})
    bases = Bases(50_000, (few,))
    lines = compare(found, [CAMDEN, CITY], few, bases, SETS)
    by_name = {line.name: line for line in lines}
    assert (
        by_name["Camden"].rate == pytest.approx(1000 * found.boroughs[CAMDEN] / 210_000)
        and not by_name["Camden"].caution
    )
    assert by_name["City of London"].rate == pytest.approx(1000 * found.boroughs[CITY] / 8_600)
    assert "few residents" in by_name["City of London"].caution
    london = by_name["London"]
    assert (
        london.count == sum(found.boroughs.values()) and london.rate is None and "does not name all" in london.caution
    )
    assert by_name["Islington"].beside is Beside.PEER and by_name["Islington"].rate is None  # no denominator, no rate
    assert {"Hackney", "Westminster", "Islington"} <= set(by_name)
    assert few.rate(3, []) is None and few.rate(3, [HACKNEY]) is None
    assert few.title == "per 1,000 residents (mid-2023)"
    every = Base(
        "residents", "residents", 1000, By.BOROUGH, "x 2023", "s", dict.fromkeys(SETS.boundaries.boroughs, 100_000)
    )
    (_camden, all_london, *_peers) = compare(found, [CAMDEN], every, bases, SETS)
    assert all_london.rate == pytest.approx(1000 * all_london.count / 3_300_000)
    assert bases.caution(every, ISLINGTON, 19) and not bases.caution(every, WESTMINSTER, 20)


def test_a_question_survives_being_saved(qgis_app) -> None:
    asked = Selection(
        "lfb", Period("2025-01", "2025-02"), OwnBand(20, 3, frozenset({4})), "finer", (("Fire", "AFA"), ("",)),
        Within.SHAPE, (), BOX, By.LSOA,
    )  # fmt: skip
    assert Selection.from_json(asked.to_json()) == asked
    for broken in (
        {},
        {**asked.to_json(), "within": "moon"},
        {**asked.to_json(), "hours": {"first": 30, "last": 2, "days": [1]}},
    ):
        with pytest.raises(AnalysisError, match="another version"):
            Selection.from_json(broken)


def test_values_with_quotes_are_values(layer: QgsVectorLayer) -> None:
    found = counted(layer, Selection("lfb", categories=(("O'Brien' OR 1=1 --",),)))
    assert found.total == 0 and isinstance(found.cells, np.ndarray)
    assert Place("a", "b", "c").borough == "c"
