"""The patterns of time against plain counting, row by row, and what may be published of them."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import tomllib
from qgis.core import QgsFeature, QgsProject, QgsVectorFileWriter, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, QDateTime, QTime
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.filter_text import names_days
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.residents import Residents
from safestats.qgis_plugin.core.time_answer import ChartKind, TimeAnswer, TimeQuestion, answer, published
from safestats.qgis_plugin.core.time_patterns import TimeRows, peers, week
from safestats.qgis_plugin.core.time_published import grouped
from safestats.qgis_plugin.core.time_rows import Coded, HeldMonths, TimeSource, dated_facts
from safestats.qgis_plugin.layouts.time_charts.charts import notes
from safestats.qgis_plugin.layouts.time_charts.shaded import week_notes
from safestats.shared.areas import Boundaries
from safestats.shared.change import change

ROOT = Path(__file__).resolve().parents[3]
BOUNDARIES = Boundaries.read(ROOT / "resources" / "boundaries" / "london-lsoa-2011.gpkg")
TODAY = date(2026, 1, 10)
CAMDEN, CITY = "E09000007", "E09000001"
Row = tuple  # day, hour or None, category, borough


def rows_of(number: int = 3000, seed: int = 5, missing: str = "2024-08") -> list[Row]:
    """Incidents from October 2022 to November 2025, none in the month ``missing``; some without an hour."""
    chance = random.Random(seed)
    first, kinds = date(2022, 10, 1), ["burglary", "drugs", "robbery", "arson"]
    found = []
    while len(found) < number:
        day = first + timedelta(days=chance.randrange(1157))
        if f"{day:%Y-%m}" == missing:
            continue
        hour = chance.randrange(24) if chance.random() < 0.9 else None
        kind = chance.choices(kinds, [8, 4, 2, 1])[0]
        found.append((day, hour, kind, chance.choice(sorted(BOUNDARIES.boroughs)[:8])))
    return found


def layer_of(rows: list[Row], name: str = "Incidents") -> QgsVectorLayer:
    columns = "field=occurred_on:date&field=hour:integer&field=category:string&field=borough_code:string"
    layer = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}", name, "memory")
    features = []
    for day, hour, kind, borough in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([day and QDate(day.year, day.month, day.day), hour, kind, borough])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    return layer


def counted(layer: QgsVectorLayer, selected: bool = False, **asked) -> TimeAnswer:
    residents = asked.pop("residents", None)
    source = TimeSource(layer, dated_facts(layer), selected, TODAY)
    return answer(source, TimeQuestion(**asked), residents, TODAY)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return rows_of()


@pytest.fixture
def layer(qgis_app, rows) -> QgsVectorLayer:
    return layer_of(rows)


def month(day: date) -> str:
    return f"{day:%Y-%m}"


def test_the_week_counts_known_hours_and_tells_of_the_others(layer, rows):
    made = counted(layer, period=Period("2024-12", "2025-11")).week
    inside = [row for row in rows if "2024-12" <= month(row[0]) <= "2025-11"]
    for weekday in range(7):
        for hour in range(24):
            brute = sum(1 for day, at, *_ in inside if day.weekday() == weekday and at == hour)
            assert made.cells[weekday][hour] == brute, (weekday, hour)
    assert made.unknown == sum(1 for row in inside if row[1] is None) > 0
    assert made.counted + made.unknown == len(inside)


def test_many_at_midnight_are_told_with_the_week(qgis_app):
    """Systems write 00:00 where nobody knows the time: the dark first column is then no rush of incidents."""
    rows = [(date(2025, 3, 1 + at % 28), 0 if at < 40 else 1 + at % 23, "burglary", CAMDEN) for at in range(100)]
    made = counted(layer_of(rows), period=Period("2025-03", "2025-03"))
    (note,) = week_notes(made)
    assert note.startswith("40 % of the incidents are recorded in the hour after midnight")
    assert "“time not known”" in note
    even = [(day, at % 24, kind, borough) for at, (day, _hour, kind, borough) in enumerate(rows)]
    assert week_notes(counted(layer_of(even), period=Period("2025-03", "2025-03"))) == []


def test_weighted_hours_spread_unknown_ones_over_their_day_and_add_up(layer, rows):
    made = counted(layer, period=Period("2024-12", "2025-11"), weighted=True).week
    brute = [[0.0] * 24 for _ in range(7)]
    for day, hour, *_ in rows:
        if "2024-12" <= month(day) <= "2025-11":
            for at in range(24) if hour is None else [hour]:
                brute[day.weekday()][at] += 1 / 24 if hour is None else 1
    assert np.allclose(made.cells, brute, atol=1e-9)
    unknown = sum(1 for row in rows if row[1] is None and "2024-12" <= month(row[0]) <= "2025-11")
    assert (made.weighted, made.unknown, made.spread) == (True, 0, unknown)


def test_spans_are_told_by_two_columns_that_belong_together(qgis_app):
    layer = QgsVectorLayer("None?field=committed_from:datetime&field=committed_to:datetime", "Thefts", "memory")
    spans = [  # Friday 22:30 to Saturday 01:00; a Monday morning without an end
        (datetime(2025, 3, 7, 22, 30), datetime(2025, 3, 8, 1, 0)),
        (datetime(2025, 3, 10, 9, 15), None),
    ]
    features = []
    for begin, end in spans:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([_moment(begin), _moment(end)])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    made = counted(layer, weighted=True)
    assert made.week.cells[4][22] == pytest.approx(0.2)
    assert made.week.cells[4][23] == made.week.cells[5][0] == pytest.approx(0.4)
    assert made.week.cells[0][9] == pytest.approx(1.0)
    assert (made.week.counted, made.week.spread) == (2, 1)
    assert "hour" in counted(layer).trouble(ChartKind.WEEK)  # by the known hours there is nothing


def _moment(when: datetime | None) -> QDateTime | None:
    return when and QDateTime(QDate(when.year, when.month, when.day), QTime(when.hour, when.minute))


def test_the_calendar_has_every_day_and_hatches_a_month_that_never_came(layer, rows):
    made = counted(layer, period=Period("2024-01", "2025-11")).calendar
    brute = Counter(row[0] for row in rows)
    assert made.first == date(2024, 1, 1)
    assert len(made.counts) == (date(2025, 12, 1) - date(2024, 1, 1)).days
    for place, count in enumerate(made.counts):
        day = made.first + timedelta(days=place)
        assert count == (None if month(day) == "2024-08" else brute[day]), day


def test_a_sum_of_twelve_months_is_none_where_one_was_not_delivered(layer, rows):
    made = counted(layer, period=Period("2024-12", "2025-11"))
    brute = Counter(month(row[0]) for row in rows)
    assert [one.month for one in made.months][::35] == ["2022-12", "2025-11"]
    for one in made.months:
        year, number = int(one.month[:4]), int(one.month[5:])
        twelve = [
            f"{(year * 12 + number - 1 - back) // 12}-{(year * 12 + number - 1 - back) % 12 + 1:02d}"
            for back in range(12)
        ]
        assert one.count == (None if one.month == "2024-08" else brute[one.month])
        held = all(each >= "2022-10" and each != "2024-08" for each in twelve)
        assert one.year_sum == (sum(brute[each] for each in twelve) if held else None), one.month
    assert sum(one.year_sum is None for one in made.months) == 9 + 12
    assert made.missing == ()  # the month lies before the period
    assert counted(layer, period=Period("2024-07", "2024-09")).missing == ("2024-08",)


def test_a_month_without_any_of_the_chosen_rows_is_nought_but_not_missing(layer):
    layer.selectByExpression("category = 'arson' AND borough_code = 'E09000001'")
    made = counted(layer, selected=True)
    assert made.selected
    nothing = [one for one in made.months if one.count == 0]
    assert nothing
    assert [one.month for one in made.months if one.count is None] == ["2024-08"]


def test_the_newest_month_is_in_no_sum_while_it_is_not_over(layer, rows):
    source = TimeSource(layer, dated_facts(layer), False, date(2025, 11, 20))
    made = answer(source, TimeQuestion(), None, date(2025, 11, 20))
    last = made.months[-1]
    assert (last.month, last.partial, last.year_sum) == ("2025-11", True, None)
    assert last.count == sum(1 for row in rows if month(row[0]) == "2025-11")
    assert made.years.months[-1][:2] == ("2025-11", None)


def test_two_years_are_compared_over_the_months_that_both_hold(layer, rows):
    made = counted(layer, period=Period("2024-12", "2025-11")).years
    brute = Counter(month(row[0]) for row in rows)
    now, before = 0, 0
    for name, newer, older in made.months:
        former = f"{int(name[:4]) - 1}{name[4:]}"
        assert newer == brute[name]
        assert older == (None if former == "2024-08" else brute[former])
        if former != "2024-08":
            now, before = now + brute[name], before + brute[former]
    assert (made.pairs, made.now, made.before) == (11, now, before)
    assert made.change == change(now, before)


def test_categories_come_by_frequency_with_shares_that_add_up(layer, rows):
    made = counted(layer, period=Period("2024-12", "2025-11")).categories
    inside = Counter(row[2] for row in rows if "2024-12" <= month(row[0]) <= "2025-11")
    assert [(line.label.lower(), line.count) for line in made] == inside.most_common()
    assert sum(line.share for line in made) == pytest.approx(1)
    assert made[-1].cumulative == pytest.approx(1)
    assert made[1].cumulative == pytest.approx(sum(n for _, n in inside.most_common(2)) / sum(inside.values()))
    assert [line.label for line in grouped(made, 2)] == [made[0].label, "Other (3 categories)"]


RESIDENTS = Residents("mid-2023", "Office for National Statistics", {
    code: 8_600 if code == CITY else 150_000 + 7_919 * place for place, code in enumerate(sorted(BOUNDARIES.boroughs))
}, 50_000)  # fmt: skip


def test_boroughs_are_compared_by_rate_and_few_residents_are_flagged(layer, rows):
    made = counted(layer, period=Period("2024-12", "2025-11"), residents=RESIDENTS, own=CAMDEN).peers
    inside = Counter(row[3] for row in rows if "2024-12" <= month(row[0]) <= "2025-11")
    assert {line.code: line.count for line in made.lines} == dict(inside)
    for line in made.lines:
        assert line.rate == pytest.approx(1000 * inside[line.code] / RESIDENTS.values[line.code])
    assert [line.code for line in made.lines if line.few_residents] == [CITY]
    assert [line.rate for line in made.lines] == sorted((line.rate for line in made.lines), reverse=True)
    together = sum(RESIDENTS.values[code] for code in inside)
    assert made.together.rate == pytest.approx(1000 * sum(inside.values()) / together)
    assert [line.name for line in made.lines if line.own] == ["Camden"]
    assert {line.name for line in made.lines if line.peer} == {"Brent", "Barnet", "City of London"}
    assert len(made.none_held) == 25


def test_without_residents_there_are_counts_and_no_rates(layer):
    made = counted(layer).peers
    assert not made.rated
    assert all(line.rate is None for line in made.lines)


def test_strays_over_the_border_of_one_borough_are_no_rate(qgis_app):
    """City of London Police, with rights to all London: the few incidents beyond the City tell nothing of Hackney."""
    hackney, day = "E09000012", date(2025, 3, 3)
    layer = layer_of([(day, 12, "burglary", CITY)] * 90 + [(day, 12, "burglary", hackney)] * 3)
    assert counted(layer, residents=RESIDENTS).troubles[ChartKind.PEERS].endswith("nothing to compare.")
    both = layer_of([(day, 12, "burglary", CITY)] * 60 + [(day, 12, "burglary", hackney)] * 33)
    assert {line.code for line in counted(both, residents=RESIDENTS).peers.lines} == {CITY, hackney}


def test_a_borough_that_is_held_in_part_is_left_out_not_shown_as_quiet():
    names = {"A": "Alpha", "B": "Beta", "C": "Gamma"}
    lsoas = {"A": ["a1", "a2"], "B": ["b1", "b2"], "C": ["c1"]}
    codes = ["A"] * 5 + ["B"] * 2 + ["C"] * 3 + [""] * 4
    blank, words = np.full(len(codes), "NaT", dtype="datetime64[m]"), Coded.of([""] * len(codes))
    rows = TimeRows(
        *(np.arange(len(codes)), words, blank.astype("datetime64[M]"), blank.astype("datetime64[D]")),
        *(np.full(len(codes), np.nan), Coded.of(codes), blank, blank, np.zeros(len(codes), bool)),
    )
    made = peers(rows, names, lsoas, ["a1", "a2", "b1", "C"], None)
    assert [(line.name, line.count) for line in made.lines] == [("Alpha", 5), ("Gamma", 3)]
    assert made.partly == ("Beta",)
    assert made.elsewhere == 6


def test_the_comparison_is_of_the_filter_whatever_is_selected(layer):
    layer.selectByExpression("borough_code = 'E09000001'")
    made = counted(layer, selected=True, period=Period("2024-12", "2025-11"))
    whole = counted(layer, period=Period("2024-12", "2025-11"))
    assert made.rows < whole.rows
    assert made.peers == whole.peers


def test_a_file_is_read_like_its_features_filter_and_selection_too(qgis_app, tmp_path, layer):
    path = tmp_path / "incidents.gpkg"
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "incidents"
    QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), QgsProject.instance().transformContext(), options)
    stored = QgsVectorLayer(f"{path}|layername=incidents", "Incidents", "ogr")
    assert counted(stored).week == counted(layer).week
    assert stored.setSubsetString("\"category\" = 'drugs'")
    assert layer.setSubsetString("\"category\" = 'drugs'")
    here, there = counted(stored), counted(layer)
    assert (here.filtered, here.rows, here.week) == (True, there.rows, there.week)
    stored.selectByIds([feature.id() for feature in stored.getFeatures()][:40])
    assert counted(stored, selected=True, period=Period("2022-10", "2025-11")).rows == 40


def test_what_a_filter_leaves_out_was_delivered_all_the_same(qgis_app, tmp_path):
    """The months of a file are those of all its rows: a filter must not make months look missing."""
    layer = layer_of([(date(2025, m, 3), 9, "drugs" if m != 6 else "arson", CITY) for m in range(1, 13)])
    path = tmp_path / "incidents.gpkg"
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "incidents"
    QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), QgsProject.instance().transformContext(), options)
    stored = QgsVectorLayer(f"{path}|layername=incidents", "Incidents", "ogr")
    stored.setSubsetString("\"category\" = 'drugs'")
    june = next(one for one in counted(stored).months if one.month == "2025-06")
    assert june.count == 0
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TRIGGER IF EXISTS trigger_delete_feature_count_incidents")
        file.execute("DELETE FROM incidents WHERE category = 'arson'")
        file.commit()
    june = next(one for one in counted(stored).months if one.month == "2025-06")
    assert june.count is None


def test_a_layer_by_lsoa_finds_the_boroughs(qgis_app):
    lsoa = next(code for code, area in BOUNDARIES.lsoas.items() if area.parent == CAMDEN)
    other = next(code for code, area in BOUNDARIES.lsoas.items() if area.parent == CITY)
    layer = QgsVectorLayer("None?field=month:string&field=lsoa_code:string", "Police", "memory")
    features = []
    for code in (lsoa, lsoa, other, "E01999999", None):
        feature = QgsFeature(layer.fields())
        feature.setAttributes(["2025-03", code])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    made = counted(layer)
    assert {line.name: line.count for line in made.peers.lines} == {"Camden": 2, "City of London": 1}
    assert made.peers.elsewhere == 2
    assert "month only" in made.trouble(ChartKind.CALENDAR)
    assert "hours" in made.trouble(ChartKind.WEEK)
    assert "categories" in made.trouble(ChartKind.PARETO)
    assert "year before" in made.trouble(ChartKind.YEARS)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("None?field=name:string", "no column of dates"),
        ("None?field=month:string&field=measure:string&field=withheld:boolean", "counts of people"),
    ],
)
def test_a_layer_without_a_time_is_refused_in_a_sentence(qgis_app, uri, sentence):
    with pytest.raises(AnalysisError, match=sentence):
        dated_facts(QgsVectorLayer(uri, "Places", "memory"))
    with pytest.raises(AnalysisError, match="No layer is chosen"):
        dated_facts(None)


def test_rows_without_dates_and_with_impossible_hours_are_told(qgis_app):
    with pytest.raises(AnalysisError, match="has a date"):
        counted(layer_of([(None, 3, "drugs", CITY)]))
    made = counted(
        layer_of(
            [(None, 3, "drugs", CITY), (date(2025, 1, 6), 24, "drugs", CITY), (date(2025, 1, 6), 5, "drugs", CITY)]
        )
    )
    assert (made.rows, made.undated, made.week.unknown, made.week.cells[0][5]) == (2, 1, 1, 1)
    nothing = counted(layer_of([(date(2025, 1, 6), 5, "drugs", CITY)]), period=Period("2024-01", "2024-02"))
    assert "choose another period" in nothing.trouble(ChartKind.WEEK)


def test_a_reading_can_be_stopped(layer):
    layer.dataProvider().addFeatures([QgsFeature(layer.fields())] * 5000)
    source = TimeSource(layer, dated_facts(layer), False, TODAY)
    with pytest.raises(Cancelled):
        answer(source, TimeQuestion(), None, TODAY, cancelled=lambda: True)


def test_no_rows_make_an_empty_week():
    nothing, words = np.array([], dtype="datetime64[m]"), Coded.of([])
    days, months = nothing.astype("datetime64[D]"), nothing.astype("datetime64[M]")
    ids, hours, marks = np.array([], dtype=np.int64), np.array([]), np.array([], dtype=bool)
    empty = TimeRows(ids, words, months, days, hours, words, nothing, nothing, marks)
    assert week(empty).counted == week(empty, weighted=True).counted == 0
    assert HeldMonths(frozenset()).span == ()


def test_few_residents_are_those_of_needs_assessments():
    declared = tomllib.loads((ROOT / "resources" / "needs_assessment.toml").read_text(encoding="utf-8"))
    assert declared["few_residents"] == RESIDENTS.few


# ---------------------------------------------------------------------- for everybody


def test_published_months_are_rounded_and_sums_are_of_what_is_shown(layer):
    exact = counted(layer, period=Period("2024-12", "2025-11"))
    made = published(exact, ChartKind.ROLLING)
    assert made.public
    assert made.week is None
    assert made.peers is None
    for before, shown in zip(exact.months, made.months):
        assert shown.count is None if before.count is None else shown.count % 5 == 0
    last = made.months[-1]
    assert last.year_sum == sum(one.count for one in made.months[-12:])


def test_small_months_are_withheld_and_no_sum_gives_them_away(qgis_app):
    rows = [(date(2025, m, d), 9, "drugs", CITY) for m in range(1, 13) for d in range(1, 3 if m == 4 else 21)]
    exact = counted(layer_of(rows))
    made = published(exact, ChartKind.ROLLING)
    april = next(one for one in made.months if one.month == "2025-04")
    assert (april.count, april.mark) == (None, "<5")
    assert "*" in {one.mark for one in made.months}  # or else the year's total would tell
    assert all(one.year_sum is None for one in made.months)
    years = published(
        counted(layer_of(rows + [(d.replace(year=2024), *rest) for d, *rest in rows])), ChartKind.YEARS
    ).years
    assert (years.now, years.change) == (None, None)


def test_the_published_week_is_in_blocks_where_hours_are_few(qgis_app):
    chance = random.Random(1)
    rows = [
        (date(2025, 1, 1) + timedelta(days=chance.randrange(365)), chance.randrange(24), "drugs", CITY)
        for _ in range(700)
    ]
    exact = counted(layer_of(rows))
    made = published(exact, ChartKind.WEEK).week
    assert made.step > 1
    block = made.cells[made.days[0][0]][0]
    brute = sum(1 for day, hour, *_ in rows if day.weekday() in made.days[0] and hour < made.step)
    assert abs(block - brute) <= 2
    with pytest.raises(AnalysisError, match="too few"):
        published(counted(layer_of(rows[:6])), ChartKind.WEEK)


def test_days_selections_and_weighted_hours_are_never_published(layer):
    made = counted(layer)
    with pytest.raises(AnalysisError, match="Single days"):
        published(made, ChartKind.CALENDAR)
    with pytest.raises(AnalysisError, match="shares"):
        published(counted(layer, weighted=True), ChartKind.WEEK)
    layer.selectByIds([1, 2, 3])
    with pytest.raises(AnalysisError, match="clear the selection"):
        published(counted(layer, selected=True), ChartKind.PARETO)


@pytest.mark.parametrize("named", ['"fid" IN (1, 2)', "ROWID = 7", "category = 'drugs' AND fid > 3", "$id < 9"])
def test_a_filter_that_names_rows_is_a_selection(layer, named: str):
    source = TimeSource(layer, dated_facts(layer), False, TODAY)
    source.subset = named
    assert source.names_rows
    made = replace(counted(layer), filtered=True, names_rows=True)
    for kind in (ChartKind.ROLLING, ChartKind.YEARS, ChartKind.WEEK, ChartKind.PARETO, ChartKind.PEERS):
        with pytest.raises(AnalysisError, match="names single rows"):
            published(made, kind)
    assert layer.setSubsetString("\"category\" = 'drugs'")
    assert published(counted(layer), ChartKind.ROLLING).months


def test_categories_that_are_published_among_others_only_are_not_charted_alone(layer):
    def made(subset: str = "", period: Period | None = None, selected: bool = False, **guards) -> TimeAnswer:
        assert layer.setSubsetString(subset)
        source = TimeSource(layer, replace(dated_facts(layer), **guards), selected, TODAY)
        return answer(source, TimeQuestion(period), RESIDENTS, TODAY)

    arson = {"sensitive": ("arson",)}
    day = next(iter(layer.getFeatures("category = 'drugs'")))["occurred_on"].toString("yyyy-MM-dd")
    other = f"category = 'arson' OR (category = 'drugs' AND occurred_on = '{day}')"  # a few rows beside them
    hours = {"sensitive_by_column": {"borough_code": (CITY,)}}
    guarded = [
        made("\"category\" = 'arson'", **arson),
        made(other, **arson),
        made(f"borough_code = '{CITY}'", **hours),
    ]
    layer.selectByExpression("category = 'drugs'")
    guarded.append(made("\"category\" = 'arson'", selected=True, **arson))
    for one in guarded:
        for kind in (ChartKind.ROLLING, ChartKind.YEARS, ChartKind.WEEK, ChartKind.PARETO, ChartKind.PEERS):
            with pytest.raises(AnalysisError, match="among others only|clear the selection"):
                published(one, kind)
    layer.removeSelection()
    assert published(made(**arson), ChartKind.ROLLING).months
    assert published(made(f"borough_code <> '{CITY}'", **hours), ChartKind.ROLLING).months


def test_published_categories_and_boroughs_hide_the_few(qgis_app):
    rows = [(date(2025, 1 + n % 12, 1), 3, "drugs", CAMDEN) for n in range(60)]
    rows += [(date(2025, 3, 2), 3, "arson", CITY)] * 3 + [(date(2025, 3, 2), 3, "robbery", "E09000003")] * 20
    exact = counted(layer_of(rows), residents=RESIDENTS)
    lines = published(exact, ChartKind.PARETO).categories
    assert {line.label: line.mark for line in lines if line.count is None} == {"Arson": "<5", "Robbery": "*"}
    compared = published(exact, ChartKind.PEERS).peers
    assert {line.name: line.mark for line in compared.lines if line.rate is None} == {
        "City of London": "<5",
        "Barnet": "*",
    }
    assert compared.together is None
    assert json.dumps([line.count for line in compared.lines]) == "[60, null, null]"


DAYS = [
    "\"occurred_on\" BETWEEN '2025-03-09' AND '2025-03-09'",
    '"hour" BETWEEN 1 AND 1',
    "hour IN (1, 2)",
    "[HOUR] = 3 AND category = 'drugs'",
    "weekday = 'Monday'",
    "incidents.'weekday' = 'Monday'",
    "strftime('%w', `occurred_on`) = '0'",
    "substr(occurred_time, 1, 2) = '23'",
    "\"arrived_on\" > '2025-03-09'",
    "DateOfCall = '01/01/2025'",
    "attribute('moved') > 3",
    "moved IS NOT NULL",
    "incident_number LIKE '%-09032025'",
]
WHOLE = [
    "",
    "month = '2025-03'",
    "\"month\" BETWEEN '2025-01' AND '2025-03' AND borough_code IN ('E09000007')",
    "category = 'hour' OR finer IN ('On time', 'time')",
    "\"street\" = 'Day Lane' AND attendance_seconds < 300",
    "location = 'at'",
]


def test_filters_by_days_and_hours_are_known():
    assert [one for one in DAYS if not names_days(one, ("moved",))] == []
    assert [one for one in WHOLE if names_days(one, ("moved",))] == []


def test_charts_of_a_layer_filtered_by_days_or_hours_are_not_published(layer):
    for subset in ("\"occurred_on\" >= '2025-03-09' AND \"occurred_on\" <= '2025-03-10'", '"hour" = 1'):
        assert layer.setSubsetString(subset)
        made = counted(layer, period=Period("2025-03", "2025-03"))
        assert made.rows  # for colleagues it is counted
        for kind in (ChartKind.ROLLING, ChartKind.YEARS, ChartKind.WEEK, ChartKind.PARETO, ChartKind.PEERS):
            with pytest.raises(AnalysisError, match="filtered by day, hour or incident number.*whole months"):
                published(made, kind)
    assert layer.setSubsetString("\"category\" = 'drugs'")
    assert published(counted(layer), ChartKind.ROLLING).months


def test_a_chart_tells_the_days_of_the_layers_filter(layer):
    made = counted(layer)
    assert "filter" not in " ".join(notes(ChartKind.ROLLING, made))
    subset = "\"occurred_on\" BETWEEN '2025-03-09' AND '2025-03-10'"
    filtered = replace(made, filtered=True, facts=replace(made.facts, subset=subset))
    assert "Of 9 March 2025 to 10 March 2025 only, by the layer's filter." in notes(ChartKind.ROLLING, filtered)
    other = replace(filtered, facts=replace(made.facts, subset="category = 'drugs'"))
    assert "Of the rows of the layer's filter." in notes(ChartKind.ROLLING, other)
