"""Counts equal independent SQL; what the copy's agreement withholds is told and never counted as nothing."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from qgis.core import QgsFeatureRequest, QgsGeometry, QgsPointXY, QgsRectangle, QgsVectorLayer
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.explore.area_sets import AreaSet, AreaSets, Held, Place, _read_areas
from safestats.qgis_plugin.core.explore.copy_table import CopyTable, category_tree
from safestats.qgis_plugin.core.explore.counting import ELSEWHERE, NOWHERE, Counted, count
from safestats.qgis_plugin.core.explore.elsewhere import Elsewhere, can_be_asked
from safestats.qgis_plugin.core.explore.rates import Base, Bases, Beside, compare
from safestats.qgis_plugin.core.explore.row_filter import naming, rows_of
from safestats.qgis_plugin.core.explore.selection import By, Selection, Within
from safestats.qgis_plugin.core.explore.table_files import sheets, write_csv, write_workbook
from safestats.qgis_plugin.core.filter_text import days_of
from safestats.qgis_plugin.core.periods import DaySpan, Period
from safestats.shared.manifest import FID_KEY_BITS, Slice
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
    (
        Selection("lfb", Period("2025-03", "2025-05"), days=DaySpan("2025-03-09", "2025-05-02")),
        "(month = '2025-04' OR month = '2025-03' AND strftime('%d', occurred_on) >= '09'"
        " OR month = '2025-05' AND strftime('%d', occurred_on) IN ('01', '02'))",
    ),
    (
        Selection("lfb", Period("2025-03", "2025-03"), OwnBand(9, 17), days=DaySpan("2025-03-09", "2025-03-09")),
        "month = '2025-03' AND strftime('%d', occurred_on) = '09' AND hour BETWEEN 9 AND 17",
    ),
    (
        # The night of 31 March ends on 1 April; the small hours of the 9th belong to the 8th.
        Selection("lfb", Period("2025-03", "2025-03"), OwnBand(22, 5), days=DaySpan("2025-03-09", "2025-03-31")),
        "(month = '2025-03' AND strftime('%d', occurred_on) >= '09' AND hour >= 22"
        " OR month = '2025-03' AND strftime('%d', occurred_on) >= '10' AND hour <= 5"
        " OR occurred_on = '2025-04-01' AND hour <= 5)",
    ),
    (
        # Saturday, 8 March, and its night.
        Selection(
            "lfb",
            Period("2025-03", "2025-03"),
            OwnBand(20, 5, frozenset({5})),
            days=DaySpan("2025-03-02", "2025-03-10"),
        ),
        "(occurred_on = '2025-03-08' AND hour >= 20 OR occurred_on = '2025-03-09' AND hour <= 5)",
    ),
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
    assert layer.setSubsetString(rows_of(table, asked, None, never))
    assert sum(1 for _ in layer.getFeatures()) == inside
    layer.setSubsetString("")
    for empty in ("", "Polygon ((529000 181000, 532000 181000, 529000 181000))"):
        with pytest.raises(AnalysisError, match="area is empty"):
            counted(layer, Selection("lfb", within=Within.SHAPE, shape=empty))


@pytest.mark.parametrize("asked", [asked for asked, _where in QUESTIONS])
def test_the_filtered_layer_shows_what_was_counted(layer: QgsVectorLayer, asked: Selection) -> None:
    assert layer.setSubsetString(rows_of(CopyTable.of(layer), asked, None, never))
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
    assert peers and all(peer.count is None and peer.caution.startswith("not in your copy; ") for peer in peers)
    assert "for 12 whole months, any hour" in london.caution  # then the server would tell it
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
    undated = Selection("lfb", Period("2025-03", "2025-04"), days=DaySpan("2025-03-09", "2025-04-02"))
    assert "no known day" not in " ".join(counted(layer, undated).notes)
    beyond = counted(layer, Selection("lfb", period=Period("2024-01", "2025-01")))
    assert "Your copy holds January 2025 to December 2025: what else" in " ".join(beyond.notes)


def test_rows_without_a_day_are_told_where_days_are_asked_for(qgis_app, qgis_new_project, tmp_path: Path) -> None:
    rows = [{**row, "occurred_on": None} if at % 5 == 0 else row for at, row in enumerate(planted(1000))]
    write_copy(tmp_path / "d.gpkg", "lfb", rows)
    layer = opened(tmp_path / "d.gpkg", manifest("lfb", "Fires", len(rows)))
    days = DaySpan("2025-03-09", "2025-04-02")
    found = counted(layer, Selection("lfb", days.period, days=days))
    undated = sum(row["occurred_on"] is None and row["month"] in ("2025-03", "2025-04") for row in rows)
    dated = sum("2025/03/09" <= (row["occurred_on"] or "") <= "2025/04/02" for row in rows)
    assert found.total == dated > 10
    assert f"{undated:,} incidents of these months have no known day and are left out." in found.notes
    assert "Counted in part: March 2025 and April 2025, 9 March 2025 to 2 April 2025." in found.notes
    assert rows_of(CopyTable.of(layer), found.asked, None, never).endswith("BETWEEN '2025-03-09' AND '2025-04-02'")


@pytest.mark.parametrize("asked", [Selection("lfb"), Selection("lfb", within=Within.SHAPE, shape=BOX, by=By.WHOLE)])
def test_whatever_tells_no_day_or_hour_is_told_once(qgis_app, qgis_new_project, tmp_path: Path, asked) -> None:
    rows = [row for row in planted(3000) if row["x"] is not None]
    for at, row in enumerate(rows):
        row["occurred_on"] = None if at % 4 == 0 else row["occurred_on"]
        row["hour"] = None if at % 6 == 0 else row["hour"]
    write_copy(tmp_path / "d.gpkg", "lfb", rows)
    layer = opened(tmp_path / "d.gpkg", manifest("lfb", "Fires", len(rows)))
    inside = [row for row in rows if not asked.shape or 529e3 <= row["x"] <= 532e3 and 181e3 <= row["y"] <= 184e3]
    days = DaySpan("2025-03-09", "2025-04-02")
    march = [row for row in inside if row["month"] in ("2025-03", "2025-04")]
    dated = [row for row in march if row["occurred_on"] and "2025/03/09" <= row["occurred_on"] <= "2025/04/02"]

    def told(**changes) -> Counted:
        return counted(layer, replace(asked, **changes))

    undated = sum(row["occurred_on"] is None for row in march)
    found = told(period=days.period, days=days)
    assert found.total == len(dated) and f"{undated:,} incidents of these months have no known day and" in str(
        found.notes
    )
    untimed = sum(row["hour"] is None for row in inside)
    assert f"{untimed:,} have no known hour" in str(told(hours=OwnBand(9, 17)).notes)
    lacking = sum(row["hour"] is None for row in dated) + sum(
        row["occurred_on"] is None and (row["hour"] is None or 9 <= row["hour"] <= 17) for row in march
    )
    found = told(period=days.period, days=days, hours=OwnBand(9, 17))
    assert f"{lacking:,} incidents of these months have no known day or hour" in str(found.notes)
    assert "midnight" not in str(told(hours=OwnBand(0, 0)).notes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"period": Period("2019-01", "2019-01"), "days": DaySpan("2019-01-01", "2019-01-30")}, "30 January 2019"),
        ({"period": Period("2025-12", "2025-12"), "days": DaySpan("2025-12-11", "2025-12-20")}, "10 December 2025"),
        ({"period": Period("2024-01", "2024-03")}, "nothing of January 2024 to March 2024"),
    ],
)
def test_what_the_copy_does_not_hold_is_not_zero(qgis_app, qgis_new_project, copy_path, changes, words) -> None:
    layer = opened(copy_path, manifest("lfb", "Fires", 4000, slices=(Slice("x", 1, "0", (), period="2025-12-10"),)))
    for ask in (counted, lambda layer, asked: rows_of(CopyTable.of(layer), asked, None, never)):
        with pytest.raises(AnalysisError, match=words):
            ask(layer, Selection("lfb", **changes))
    days = DaySpan("2025-12-05", "2025-12-31")
    partly = counted(layer, Selection("lfb", days.period, days=days))
    assert "Your copy holds 1 January 2025 to 10 December 2025: what else" in str(partly.notes)
    whole = counted(layer, Selection("lfb", Period("2025-12", "2025-12")))
    assert "Your copy holds" not in str(whole.notes)


@pytest.mark.parametrize("hours", [None, OwnBand(9, 17), OwnBand(22, 5), OwnBand(22, 5, frozenset({4, 5}))])
def test_the_days_of_its_filter_can_be_read_again(layer: QgsVectorLayer, hours: OwnBand | None) -> None:
    days = DaySpan("2025-03-09", "2025-03-31")
    asked = Selection("lfb", days.period, hours, days=days, categories=(("Fire",),))
    assert days_of(rows_of(CopyTable.of(layer), asked, None, never)) == days


def test_days_that_a_copy_does_not_tell_cannot_be_asked(qgis_app, qgis_new_project, tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "occurred_on"} for row in planted(50)]
    write_copy(tmp_path / "m.gpkg", "lfb", rows)
    layer = opened(tmp_path / "m.gpkg", manifest("lfb", "Fires", len(rows)))
    days = DaySpan("2025-03-09", "2025-04-02")
    with pytest.raises(AnalysisError, match="does not show the day"):
        counted(layer, Selection("lfb", days.period, days=days))


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2025-04-02", "2025-03-09", "9 March 2025.* comes before the first .2 April 2025"),
        ("2025-02-29", "2025-03-09", "“2025-02-29” is no day"),
        ("20250301", "2025-03-09", "is no day"),
        ("", "2025-03-09", "is no day"),
    ],
)
def test_days_that_are_none_are_a_sentence(qgis_app, first: str, last: str, words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        DaySpan(first, last)


def test_many_at_midnight_are_told_where_hours_are_asked_for(qgis_app, qgis_new_project, tmp_path: Path) -> None:
    rows = [{**row, "hour": 0 if at % 2 else row["hour"]} for at, row in enumerate(planted(300))]
    write_copy(tmp_path / "m.gpkg", "lfb", rows)
    layer = opened(tmp_path / "m.gpkg", manifest("lfb", "Fires", len(rows)))
    nights = counted(layer, Selection("lfb", hours=OwnBand(22, 5)))
    assert any("in the hour after midnight" in note for note in nights.notes)
    assert not any("midnight" in note for note in counted(layer, Selection("lfb")).notes)


def test_a_shape_from_other_coordinates_says_how_it_came(layer: QgsVectorLayer) -> None:
    how = "from EPSG:4326 to the National Grid by “x”, exact to 2 m"
    found = counted(layer, Selection("lfb", within=Within.SHAPE, shape=BOX, brought=how))
    assert f"The area was brought {how}." in found.notes
    assert Selection("lfb", brought=how) == Selection("lfb") and "brought" not in Selection("lfb").to_json()


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


def in_boroughs(tmp_path: Path, number: dict[str, int], title: str) -> QgsVectorLayer:
    """So many incidents in each borough (code), of a supplier with rights to all London."""
    inside = {lsoa.parent: code for code, lsoa in SETS.boundaries.lsoas.items()}
    (like,) = planted(1)
    rows = [
        {**like, "borough_code": code, "lsoa_code": inside[code], "category": "Fire"}
        for code, times in number.items()
        for _ in range(times)
    ]
    write_copy(tmp_path / f"{title}.gpkg", "lfb", rows)
    return opened(tmp_path / f"{title}.gpkg", manifest("lfb", title, len(rows)))


def everybody(number: int = 100_000) -> Base:
    return Base("residents", "residents", 1000, By.BOROUGH, "x", "s", dict.fromkeys(SETS.boundaries.boroughs, number))


def test_a_force_of_one_borough_with_rights_to_all_london_tells_of_that_borough_alone(
    qgis_app, qgis_new_project, tmp_path: Path
) -> None:
    """City of London Police: a few of its incidents lie over the border, and none in most of London."""
    colp = in_boroughs(tmp_path, {CITY: 400, HACKNEY: 3}, "COLP")
    found = counted(colp, Selection("lfb"))
    held = dict(zip([place.code for place in found.places], found.held))
    assert (held[CITY], held[CAMDEN], held[HACKNEY]) == (Held.WHOLE, Held.NONE, Held.PART)
    assert "31 of 33 are not in your copy, 1 only in part" in found.notes[0]
    lines = compare(found, [CITY, CAMDEN, HACKNEY], everybody(), Bases(), SETS)
    told = {line.name: (line.count, line.rate) for line in lines}
    assert told["City of London"] == (400, 4.0)
    assert told["Camden"] == told["Hackney"] == told["London"] == (None, None)
    # Nor does the server's count of the same layer tell of London, or of its boroughs.
    server = Elsewhere({CAMDEN: 5, HACKNEY: 5}, 405)
    asked = compare(found, [CITY, CAMDEN, HACKNEY], everybody(), Bases(), SETS, server)
    assert [line.count for line in asked if line.name in ("Camden", "Hackney", "London")] == [None] * 3
    assert "32 of 33 boroughs" in next(line.caution for line in lines if line.beside is Beside.LONDON)
    lsoas = counted(colp, Selection("lfb", by=By.LSOA, within=Within.BOROUGHS, codes=(CAMDEN,)))
    assert set(lsoas.held) == {Held.NONE}
    assert counted(colp, Selection("lfb", by=By.WHOLE, within=Within.BOROUGHS, codes=(CAMDEN,))).held == (Held.NONE,)


def test_a_force_that_leaves_one_borough_out_tells_of_london_without_it(
    qgis_app, qgis_new_project, tmp_path: Path
) -> None:
    """The Metropolitan Police: nothing in the City, whatever months or categories are asked for."""
    there = dict.fromkeys(SETS.boundaries.boroughs, 5)
    there.pop(CITY)
    mps = in_boroughs(tmp_path, there, "MPS")
    found = counted(mps, Selection("lfb", categories=(("Fire",),)))
    assert found.boroughs_held[CITY] is Held.NONE and found.boroughs_held[CAMDEN] is Held.WHOLE
    city, london, *_peers = compare(found, [CITY], everybody(), Bases(), SETS)
    assert (city.count, city.rate) == (None, None) and "does not cover this borough" in city.caution
    assert (london.name, london.count) == ("London without City of London", 160)
    assert london.rate == pytest.approx(1000 * 160 / 3_200_000)
    # A borough that has incidents, but none of what is asked for, is a true nought.
    none = counted(mps, Selection("lfb", categories=(("False alarm",),)))
    assert none.boroughs_held[CAMDEN] is Held.WHOLE and none.boroughs_held[CITY] is Held.NONE
    assert compare(none, [CAMDEN], None, Bases(), SETS)[0].count == 0


def test_rates_need_a_denominator_and_flag_the_city(qgis_app, qgis_new_project, tmp_path: Path) -> None:
    there = {**dict.fromkeys(SETS.boundaries.boroughs, 30), CAMDEN: 70}
    layer = in_boroughs(tmp_path, there, "Everywhere")
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


def test_boroughs_that_are_not_held_are_told_as_the_server_answers_them(tmp_path: Path, qgis_app) -> None:
    rows = [row for row in planted(400) if row["borough_code"] == CAMDEN]
    write_copy(tmp_path / "c.gpkg", "lfb", rows)
    layer = opened(tmp_path / "c.gpkg", manifest("lfb", "Fires", len(rows), areas=(CAMDEN,)))
    found = counted(layer, Selection("lfb", Period("2025-01", "2025-12")))
    base = Base(
        "residents", "residents", 1000, By.BOROUGH, "x 2023", "s", dict.fromkeys(SETS.boundaries.boroughs, 100_000)
    )
    bases = Bases(50_000, (base,))
    told = Elsewhere({HACKNEY: 250, WESTMINSTER: 900, CAMDEN: 5, CITY: 10}, london=33_000)
    lines = {line.name: line for line in compare(found, [CAMDEN], base, bases, SETS, told)}
    own, london, westminster = lines["Camden"], lines["London"], lines["Westminster"]
    assert own.count == len(rows) and not own.about  # what is held is never taken from there
    assert (london.count, london.rate, london.about) == (33_000, pytest.approx(10.0), True)
    assert (westminster.count, westminster.rate, westminster.about) == (900, pytest.approx(9.0), True)
    assert "altered" in westminster.caution and "altered" in london.caution
    assert lines["City of London"].caution.startswith("fewer than 20 incidents")
    assert lines["Islington"].count is None and lines["Islington"].caution == "not in your copy"
    # No file tells it: it rests on grants that only count.
    compared = compare(found, [CAMDEN], base, bases, SETS, told)
    *_, beside = sheets(found, base, bases, compared)
    *written, note = beside.rows
    assert {row[1] for row in written} == {name for name, line in lines.items() if not line.about}
    assert "Camden" in {row[1] for row in written} and not {33_000, 900, 250} & {row[2] for row in beside.rows}
    assert note[:4] == ("Note", "", None, None) and "shown in the dock only" in note[4]
    for write, path in ((write_csv, tmp_path / "t.csv"), (write_workbook, tmp_path / "t.xlsx")):
        write(path, (), (beside,), never)
    assert "dock only" in (tmp_path / "t.csv").read_text(encoding="utf-8-sig")
    alone = sheets(found, base, bases, compare(found, [CAMDEN], base, bases, SETS))[2]
    assert len(alone.rows) == len(compared) and "Note" not in {row[0] for row in alone.rows}
    refused = compare(found, [CAMDEN], base, bases, SETS, Elsewhere(why="Ask for another year."))
    assert refused[1].caution.endswith("; Ask for another year.")


@pytest.mark.parametrize(
    ("changes", "yes"),
    [
        ({}, True),
        ({"categories": (("Fire",),)}, True),
        ({"categories": (("Fire", "AFA"),), "refined_by": "finer"}, False),
        ({"categories": (("Fire",), ("False alarm",))}, False),
        ({"period": None}, False),
        ({"period": Period("2025-01", "2025-11")}, False),
        ({"hours": OwnBand(20, 3, frozenset({4}))}, False),
        ({"days": DaySpan("2025-01-02", "2025-12-31")}, False),
    ],
)
def test_only_what_the_server_answers_is_asked_of_it(qgis_app, changes: dict, yes: bool) -> None:
    asked = Selection("lfb", Period("2025-01", "2025-12"))
    assert can_be_asked(replace(asked, **changes)) is yes


def test_a_question_survives_being_saved(qgis_app) -> None:
    asked = Selection(
        "lfb", Period("2025-01", "2025-02"), OwnBand(20, 3, frozenset({4})), "finer", (("Fire", "AFA"), ("",)),
        Within.SHAPE, (), BOX, By.LSOA, DaySpan("2025-01-09", "2025-02-02"),
    )  # fmt: skip
    assert Selection.from_json(asked.to_json()) == asked
    of_before = {name: value for name, value in asked.to_json().items() if not name.endswith("_day")}
    assert Selection.from_json(of_before) == replace(asked, days=None)
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


@pytest.mark.parametrize(("number", "of", "first"), [(3, 50, 0), (501, 4000, 1), (2000, 9000, 77), (4000, 4000, 8)])
def test_however_many_rows_a_filter_names_they_are_the_very_same(number: int, of: int, first: int) -> None:
    chosen = np.random.default_rng(number).choice(np.arange(first, first + of), number, replace=False)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (fid INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", ((row,) for row in range(of + first + 20)))
        found = [row for (row,) in connection.execute(f"SELECT fid FROM t WHERE {naming(chosen)}")]
    assert found == sorted(chosen.tolist())


def real_fids(number: int, seed: int = 5) -> np.ndarray:
    """Numbers as the server gives them: a day above many bits of hash, so that they are far apart."""
    chance = np.random.default_rng(seed)
    days = chance.integers(20_000, 20_400, number, dtype=np.int64)
    return np.unique((days << FID_KEY_BITS) | chance.integers(0, 1 << FID_KEY_BITS, number, dtype=np.int64))


@pytest.mark.parametrize("number", [1, 500, 501, 5000])
def test_rows_with_numbers_of_the_real_kind_are_the_very_same(number: int) -> None:
    fids = real_fids(20_000)
    chosen = np.random.default_rng(number).choice(fids, number, replace=False)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (fid INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", ((row,) for row in fids.tolist()))
        found = [row for (row,) in connection.execute(f"SELECT fid FROM t WHERE {naming(chosen)}")]
    assert found == sorted(chosen.tolist())


def test_more_rows_than_a_filter_holds_are_refused_with_what_to_do_instead(qgis_app) -> None:
    with pytest.raises(AnalysisError, match="500,001 incidents .* smaller shape .* boroughs, or a shorter period"):
        naming(real_fids(500_400)[:500_001])


def test_half_a_million_rows_of_a_million_are_a_filter_that_can_be_used(qgis_app, tmp_path: Path) -> None:
    """A layer of a million rows, of which a circle picks half: made and set without the window noticing."""
    path = tmp_path / "big.gpkg"
    write_copy(path, "lfb", [{"category": "Fire", "month": "2025-01", "x": 530_000, "y": 180_000}])
    number = 1_000_000
    with closing(sqlite3.connect(path)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')  # they call what only GDAL knows; the index is not asked here
        (head,) = connection.execute("SELECT substr(geom, 1, length(geom) - 16) FROM lfb").fetchone()
        places = np.random.default_rng(5).integers((505_000, 160_000), (555_000, 200_000), (number, 2)).astype("<f8")
        connection.execute("DELETE FROM lfb")
        fids = real_fids(number)
        places = places[: len(fids)]
        rows = ((fid, bytes(head) + place.tobytes(), "Fire", "2025-01") for fid, place in zip(fids.tolist(), places))
        connection.executemany("INSERT INTO lfb (fid, geom, category, month) VALUES (?, ?, ?, ?)", rows)
    layer = QgsVectorLayer(f"{path}|layername=lfb", "big", "ogr")
    circle = QgsGeometry.fromPointXY(QgsPointXY(530_000, 180_000)).buffer(17_700, 64)
    asked = Selection("lfb", within=Within.SHAPE, shape=circle.asWkt())
    told: list[str] = []
    table = CopyTable(path, "lfb", None, {name: name for name in ("month", "category")}, True)
    sql = rows_of(table, asked, None, never, lambda stage, *_done: told.append(stage))
    within = np.hypot(places[:, 0] - 530_000, places[:, 1] - 180_000) <= 17_700
    assert within.sum() > 490_000 and len(set(told)) > 10
    own = process_time()
    assert layer.setSubsetString(sql)
    assert process_time() - own < 2  # 0.8 s; of the processor's time, whatever else it has to do
    shown = QgsFeatureRequest().setFlags(QgsFeatureRequest.Flag.NoGeometry).setNoAttributes()
    assert sum(1 for _ in layer.getFeatures(shown)) == pytest.approx(within.sum(), rel=0.002)
    with pytest.raises(Cancelled):
        rows_of(table, asked, None, lambda: True)
