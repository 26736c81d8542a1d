"""The report around a place: what stands on the page is the answer, and nothing that may not be published is on it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from qgis.core import QgsFeature, QgsGeometry, QgsLayoutFrame, QgsLayoutItemLabel, QgsPointXY, QgsVectorLayer
from qgis.PyQt.QtCore import QDate
from qgis.PyQt.QtGui import QColor
from safestats.qgis_plugin.core.analysis_error import AnalysisError
from safestats.qgis_plugin.core.base_source import BaseKind, BaseSource
from safestats.qgis_plugin.core.borough_ranks import BoroughRanks, RankTable
from safestats.qgis_plugin.core.coverage import CoverageMap
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.places import PlaceFinder
from safestats.qgis_plugin.core.point_facts import filter_note
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.proximity import search
from safestats.qgis_plugin.core.proximity_question import Question, plan
from safestats.qgis_plugin.core.study_areas import StudyArea
from safestats.qgis_plugin.layouts.export import export as export_noted
from safestats.qgis_plugin.layouts.incident_points import incidents_of
from safestats.qgis_plugin.layouts.products import product_of
from safestats.qgis_plugin.layouts.proximity_report import ProximityReport, build_proximity_layout, published
from safestats.qgis_plugin.layouts.ring_table import WEAK, rate_words, ring_table, share_rows
from safestats.qgis_plugin.layouts.sheet import Imprint, Mode
from safestats.qgis_plugin.layouts.trend_chart import Bar, bars, drawn_of
from safestats.qgis_plugin.layouts.week_chart import class_of, classes, ranges
from safestats.shared.change import change
from safestats.shared.presets import Preset
from safestats.shared.ranks import Distribution
from safestats.shared.rings import Band, OwnBand
from safestats.tests.zoomstack import write_zoomstack

needs_poppler = pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext (poppler-utils) is not installed")


def page_of(project, found, mode=Mode.OPERATIONAL):
    imprint = Imprint(found.answer.title, "A. Analyst", "London Borough of Southwark, Licensing", mode)
    return build_proximity_layout(project, ProximityReport(found, imprint))


def printed_rows(layout) -> list[list[str]]:
    """The cells of the table as they stand on the page."""
    (frame,) = [i for i in layout.items() if isinstance(i, QgsLayoutFrame) and i.id() == "ring_table"]
    return [[cell.content() or "" for cell in row] for row in frame.multiFrame().tableContents()]


def lines_of(pdf) -> list[str]:
    done = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True)
    told = done.stdout
    for ligature, letters in (("ﬀ", "ff"), ("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬃ", "ffi")):
        told = told.replace(ligature, letters)
    return [" ".join(line.split()) for line in told.splitlines()]


def label_of(layout, name: str) -> str:
    return " ".join(layout.itemById(name).currentText().split())


def all_words(layout) -> str:
    labels = [item.currentText() for item in layout.items() if isinstance(item, QgsLayoutItemLabel)]
    return " ".join(" ".join(labels).split())


def by_hand(row, before=True) -> list[str]:
    """What must stand in a row, written down once more."""

    def percent(ratio):
        rounded = round((ratio - 1) * 100)
        return "0" if rounded == 0 else f"{'+' if rounded > 0 else '−'}{abs(rounded):,}"

    cells = []
    for figure in row.figures:
        cells.append(f"{figure.count:,}")
        now = change(figure.count, figure.before)
        if now.ratio is None:
            cells.append("none before" if figure.count else "–")
        else:
            cells.append(f"{percent(now.ratio)} % ({percent(now.low)} to {percent(now.high)})")
        rate = figure.count / figure.covered_km2
        cells.append(f"{rate:,.0f}" if rate >= 10 or rate == 0 else f"{rate:.1f}")
        share = re.search(r"more than around (\d in 10)", figure.sentence)
        cells.append(f"over {share[1]}" if share else "as most" if figure.sentence else "–")
    return cells


@needs_poppler
def test_what_stands_in_the_file_is_the_answer(project, samples, tmp_path):
    found = samples.proximity_result([samples.dataset_answer("mps", "Met incidents", samples.CATEGORIES, 5, 1400)])
    layout = page_of(project, found)
    printed = printed_rows(layout)[1:]
    assert len(printed) == 15  # all of one dataset: nothing is put together
    for (label, *cells), row in zip(printed, found.answer.rows):
        assert label == (row.label if row.category else "Met incidents")
        coarse = row.category is None
        assert cells == [f"† {c}" if coarse and n == 0 else c for n, c in enumerate(by_hand(row))]
    path = export_noted(layout, tmp_path / "report.pdf", lambda leaving: None)
    lines = lines_of(path)
    for cells in printed:
        assert " ".join(cells) in lines
    told = "\n".join(lines)
    assert sum(line == "OFFICIAL-SENSITIVE" for line in lines) == 2
    for words in (
        "For the part of a hearing from which the public is excluded",
        "SYNTHETIC DATA",
        "The point is within the building of the address",
        "Incidents across the boundary of Southwark are counted",
        "Data to December 2025",
        "Places are snapped to shared map points",
        "not for enforcement or",
        "Source: data.police.uk",
    ):
        assert words in told, words
    assert "Pages: 1" in " ".join(
        subprocess.run(["pdfinfo", str(path)], capture_output=True, text=True, check=True).stdout.split()
    )


def test_rows_without_room_are_put_together_within_their_dataset_and_nothing_over_datasets(project, samples):
    found = samples.proximity_result(samples.four_datasets())
    printed = printed_rows(page_of(project, found))[1:]
    titles = [part.title for part in found.answer.datasets]
    starts = [number for number, row in enumerate(printed) if row[0] in titles] + [len(printed)]
    assert [printed[start][0] for start in starts[:-1]] == titles
    for part, (first, end) in zip(found.answer.datasets, pairwise(starts)):
        categories = part.by_category()
        shown = printed[first + 1 : end]
        alone = [row for row in shown if not row[0].startswith("Other (")]
        assert [row[0] for row in alone] == [row.label for row in categories[: len(alone)]]
        rest = categories[len(alone) :]
        if rest:
            assert shown[-1][0] == f"Other ({len(rest)} categories)"
            summed = [sum(row.figures[ring].count for row in rest) for ring in range(3)]
            assert [shown[-1][column] for column in (1, 5, 9)] == [f"{count:,}" for count in summed]
            before = sum(row.figures[2].before for row in rest)
            percent = f"{round((summed[2] / before - 1) * 100):+,} %".replace("-", "−").replace("+0", "0")
            assert shown[-1][10].startswith(percent)
    everything = [f"{sum(p.rows[0].figures[ring].count for p in found.answer.datasets):,}" for ring in range(3)]
    assert not {cell for row in printed for cell in row} & set(everything)


def test_ten_datasets_of_fourteen_categories_fit_and_what_is_missing_is_said(project, samples):
    found = samples.proximity_result(samples.ten_datasets())
    for mode in Mode:
        layout = page_of(project, found, mode)
        printed = printed_rows(layout)[1:]
        assert {part.title for part in found.answer.datasets} <= {row[0] for row in printed}
        assert layout.pageCollection().pageCount() == 1
        signs = label_of(layout, "table_signs")
        answer = found.answer if mode is Mode.OPERATIONAL else published(found)
        missing = sum(int(row[0][7:].split(" ")[0]) for row in printed if row[0].startswith("Other ("))
        told = re.search(r"(\d+) further rows have no room here", signs)
        if mode is Mode.PUBLICATION:
            assert int(told[1]) == len(answer.rows) - len(printed)
        else:
            others = sum(row[0].startswith("Other (") for row in printed)
            assert int(told[1]) + missing + len(printed) - others == len(answer.rows)
        assert "Not drawn: 4 further datasets." in label_of(layout, "trend_note")
        assert not any(
            item.currentText().endswith("…") for item in layout.items() if isinstance(item, QgsLayoutItemLabel)
        )


def test_times_of_day_come_one_after_the_other_and_the_first_of_every_dataset_goes_first(samples):
    def part(code):
        bands = (Band.ALL, Band.LATE_NIGHT, OwnBand(20, 5))
        rows = []
        for band in bands:
            rows.append(samples.row_of(code, code, None, "All incidents", (1, 20, 40), (2, 21, 39), band=band))
            rows.append(samples.row_of(code, code, "theft", "Theft", (1, 20, 30), (2, 21, 29), band=band))
        return samples.dataset_answer(code, code, ("x",), 1, 5, rows=tuple(rows))

    answer = samples.proximity_result([part("a"), part("b")]).answer
    assert [line.label for line in ring_table(answer, 12).lines] == [
        "a, all hours", "Theft", "a, 22:00–02:59", "Theft", "a, 20:00–05:59", "Theft",
        "b, all hours", "Theft", "b, 22:00–02:59", "Theft", "b, 20:00–05:59", "Theft",
    ]  # fmt: skip
    cut = ring_table(answer, 3)
    assert [line.label for line in cut.lines] == ["a, all hours", "a, 22:00–02:59", "b, all hours"]
    assert cut.hidden == 9


def test_rows_go_to_the_largest_categories_first():
    sizes = [[9, 4, 1], [900, 500, 80, 60, 20], [7], [70, 50, 1, 1]]
    assert share_rows(sizes, 13) == [3, 5, 1, 4]
    assert share_rows(sizes, 8) == [0, 5, 0, 3]
    assert share_rows(sizes, 6) == [0, 4, 0, 2]  # three of the police and the others, one of the fourth and the others
    assert share_rows(sizes, 5) == [0, 5, 0, 0]
    assert share_rows(sizes, 1) == [0, 0, 1, 0]  # one row of several says no more than their total
    assert share_rows(sizes, 0) == [0, 0, 0, 0]


def test_every_dataset_has_its_total_and_the_largest_has_most_rows(project, samples):
    found = samples.proximity_result(samples.declared_datasets())
    printed = printed_rows(page_of(project, found))[1:]
    titles = [part.title for part in found.answer.datasets]
    starts = [number for number, row in enumerate(printed) if row[0] in titles]  # whole, beside wide figures, too
    lengths = [end - start for start, end in pairwise([*starts, len(printed)])]
    assert len(lengths) == 6
    assert titles[5] == "Metropolitan Police incidents" and lengths[5] == max(lengths) >= 6
    largest = found.answer.datasets[5].by_category()
    assert [row[0] for row in printed[starts[5] + 1 : -1]] == [row.label for row in largest[: lengths[5] - 2]]


def test_changes_of_small_counts_are_grey(project, samples):
    rows = (
        samples.row_of("mps", "Met", None, "All incidents", (12, 30, 60), (11, 40, 50)),
        samples.row_of("mps", "Met", "a", "Theft", (9, 20, 40), (10, 30, 40)),
    )
    found = samples.proximity_result([samples.dataset_answer("mps", "Met", ("x",), 1, 5, rows=rows)])
    layout = page_of(project, found)
    (frame,) = [i for i in layout.items() if isinstance(i, QgsLayoutFrame) and i.id() == "ring_table"]
    grey = [
        [cell.textFormat().color() == QColor(WEAK) for cell in row][2::4] for row in frame.multiFrame().tableContents()
    ]
    assert grey[1:] == [[False, False, False], [True, False, False]]
    assert "Grey: rests on a count below 10" in label_of(layout, "table_signs")


# ---------------------------------------------------------------------- for everybody


def test_what_nothing_is_known_of_has_no_column(samples):
    row = samples.row_of("mps", "Met", None, "All incidents", (1, 2, 3), None, borough="")
    part = samples.dataset_answer("mps", "Met", ("x",), 1, 5, rows=(row,), coarse=(1, 1, 0))
    made = ring_table(samples.proximity_result([part]).answer, 5)
    assert [column.words for column in made.columns] == [
        "≤ 100 m",
        "per km²",
        "≤ 250 m",
        "per km²",
        "≤ 500 m",
        "per km²",
    ]
    assert made.lines[0].cells[::2] == ("† 1", "† 2", "3")
    five = samples.proximity_result([part], radii=(100, 200, 250, 300, 500)).answer
    wide = [replace(row, figures=(row.figures[0], row.figures[0], row.figures[1], row.figures[1], row.figures[2]))]
    five = replace(five, datasets=(replace(part, rows=tuple(wide), coarse=(0,) * 5),))
    assert [line.cells for line in ring_table(five, 5).lines] == [("1", "1", "2", "2", "3", "3.8")]


@needs_poppler
@pytest.mark.parametrize("shape", ["full", "small"])
def test_in_public_no_exact_count_is_in_the_file(project, samples, tmp_path, shape):
    datasets = samples.four_datasets() if shape == "full" else [
        samples.dataset_answer("mps", "Met incidents", samples.CATEGORIES, 3, 14),
        samples.dataset_answer("lfb", "Fire incidents", samples.FIRES, 9, 5, timed=True),
    ]  # fmt: skip
    datasets = [replace(part, notes=(*part.notes, "17 incidents have no place")) for part in datasets]
    found = samples.proximity_result(datasets)
    layout = page_of(project, found, Mode.PUBLICATION)
    path = export_noted(layout, tmp_path / "public.pdf", lambda leaving: None)
    lines = lines_of(path)
    answer = published(found)
    shown = {row.label if row.category else row.title: row for row in answer.rows}
    for label, *cells in printed_rows(layout)[1:]:
        assert " ".join([label, *cells]) in lines
        counts = [cell.replace("† ", "") for cell in cells[0::3]]
        assert all(count in ("<5", "*") or int(count.replace(",", "")) % 5 == 0 for count in counts), (label, counts)
        if sum(row.label == label for row in answer.rows) < 2:
            expected = [f.mark if f.count is None else f"{f.count:,}" for f in shown[label].figures]
            assert counts == expected
    # Every whole number on the page and in its twin is a count that rounding leaves, a rate or a change of such.
    allowed = {rate_words(figure.rate_per_km2) for row in answer.rows for figure in row.figures}
    twin = re.sub(r"<style>.*?</style>|<img[^>]*>|<[^>]+>", " ", path.with_suffix(".html").read_text(encoding="utf-8"))
    for told in (" ".join(lines), " ".join(twin.split())):
        assert "Met" in told and "17" not in told.split() and "412" not in told
        for words in ("SE1 2AA", "extract of 22", "1 to 4", "v3.0", "v.3.0", "95 %", "LSOA 2011"):
            told = told.replace(words, " ")
        told = re.sub(r"\b20[12]\d\b|\b\d\d–\d\d\b|Other \(\d+ categories\)|\d+ further rows|in \d+ months", " ", told)
        told = re.sub(r"[+−]?[\d,]+ % \([+−]?[\d,]+ to [+−]?[\d,]+\)", " ", told)
        found_numbers = set(re.findall(r"(?<![\w.])[\d,]*\d(?:\.\d+)?(?![\w])", told))
        assert found_numbers, told
        wrong = {n for n in found_numbers - allowed if "." in n or int(n.replace(",", "")) % 5}
        assert not wrong, wrong
    if shape == "small":
        assert "<5: 1 to 4, withheld." in " ".join(lines)
        assert "*: withheld, so that no small count can be worked out." in " ".join(lines)
    assert sum(line == "OFFICIAL" for line in lines) == 2
    assert "excluded" not in " ".join(lines)


def test_where_nothing_may_be_told_the_page_says_so_and_stands(project, samples):
    layout = page_of(project, samples.proximity_result(samples.sparse_datasets()), Mode.PUBLICATION)
    assert label_of(layout, "no_charts") == "Too few incidents for a chart by months or hours."
    assert layout.itemById("week_heading") is None
    assert [row[0] for row in printed_rows(layout)] == [
        "Incidents",
        "Metropolitan Police incidents",
        "London Fire Brigade incidents",
    ]


def test_in_public_the_rank_is_that_of_the_published_count(project, samples):
    row = samples.row_of("mps", "Met", None, "All incidents", (0, 12, 43), (0, 12, 41))
    found = samples.proximity_result([samples.dataset_answer("mps", "Met", ("x",), 1, 5, rows=(row,))])
    # Between 43, the exact count, and 45, the published one, lie seven postcodes in ten.
    tables = {(None, radius): Distribution((0, 44, 60), (20, 70, 10)) for radius in (100, 250, 500)}
    found = replace(found, ranks={("mps", Band.ALL): RankTable("Southwark", 100, tables)})
    assert [figure.sentence for figure in published(found).rows[0].figures] == [
        "fewer than around 8 in 10 postcodes in Southwark",
        "fewer than around 8 in 10 postcodes in Southwark",
        "more than around 9 in 10 postcodes in Southwark",
    ]
    layout = page_of(project, found, Mode.PUBLICATION)
    assert printed_rows(layout)[1][4::4] == ["under 8 in 10", "under 8 in 10", "over 9 in 10"]


def test_in_public_too_it_is_said_which_months_are_held(project, samples):
    part = samples.dataset_answer("mps", "Met", ("x",), 1, 50)
    gap = "Held for July 2025 to December 2025 only: other months are missing from the counts."
    part = replace(part, trend=(None,) * 30 + part.trend[30:], notes=("Up to 3 lie on one point.", gap), gap=gap)
    answer = published(samples.proximity_result([part]))
    assert answer.datasets[0].notes == (gap,)


@pytest.mark.parametrize("case", ["radii", "area"])
def test_other_questions_than_the_fixed_ones_are_not_published(project, samples, case):
    datasets = samples.four_datasets()
    found = samples.proximity_result(datasets)
    if case == "radii":
        found = replace(found, answer=replace(found.answer, radii=(100, 250, 499)))
        told = "always told within 100, 250 and 500 metres"
    else:
        area = StudyArea("mine", QgsGeometry.fromWkt("POLYGON((0 0,1 0,1 1,0 0))"), "")
        found = replace(found, question=Question(within=area))
        told = "whole rings"
    with pytest.raises(AnalysisError, match=told):
        page_of(project, found, Mode.PUBLICATION)
    page_of(project, found)


# ---------------------------------------------------------------------- the map


def test_the_incidents_on_the_map_are_those_of_the_table(project):
    columns = "field=occurred_on:date&field=hour:integer&field=category:string"
    layer = QgsVectorLayer(f"Point?crs=EPSG:27700&{columns}", "Incidents", "memory")
    east, north = 533500, 180050
    rows = [
        (0, 0, "2025-06-06", 23, "theft"),
        (10, 0, "2025-06-06", 12, "theft"),  # by day
        (20, 0, "2025-06-06", 23, "domestic abuse"),  # left out by the preset
        (30, 0, "2024-06-06", 23, "theft"),  # the year before
        (499, 0, "2025-12-31", 18, "theft"),
        (0, 501, "2025-06-06", 23, "theft"),  # beyond the outer ring
        (0, 2_000, "2025-12-31", 23, "theft"),
    ]
    features = []
    for x, y, day, hour, category in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([QDate.fromString(day, "yyyy-MM-dd"), hour, category])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(east + x, north + y)))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    project.addMapLayer(layer)
    preset = Preset("alcohol-hours", "Alcohol hours", (Band.EVENING_AND_NIGHT,), ("domestic-abuse",))
    finder = PlaceFinder()
    planned = plan([PointSource(layer)], Question(preset=preset), date(2026, 1, 15))
    found = search(planned, finder.at(east, north), CoverageMap(), BoroughRanks(LocalStore(None), finder))
    (points,) = incidents_of(found, project)
    assert sorted(points.eastings - east) == [0, 499]
    assert found.answer.rows[0].figures[-1].count == 2
    page = page_of(project, found)
    assert "Alcohol hours: 18:00–05:59." in label_of(page, "asked")


def test_it_stands_on_the_chosen_base_map_with_its_attribution(project, samples, tmp_path):
    found = samples.proximity_result([samples.dataset_answer("mps", "Met", ("x",), 1, 50)])
    file = write_zoomstack(tmp_path / "base-map.gpkg")
    source = BaseSource(BaseKind.FILE, "OS Open Zoomstack", "Contains invented map data 2026.", file)
    imprint = Imprint("A title", "A. Analyst", "A borough")
    layout = build_proximity_layout(project, ProximityReport(found, imprint, base=source))
    names = [layer.name() for layer in layout.itemById("map").layers()]
    assert "Main road" in names and "Postcode" not in names  # where there are streets, nothing need stand for them
    assert "Contains invented map data 2026." in label_of(layout, "attribution")
    without = page_of(project, found)
    assert "Postcode" in [layer.name() for layer in without.itemById("map").layers()]


# ---------------------------------------------------------------------- charts


def test_classes_of_the_week_hold_every_count_once():
    for unit, counts in ((1, (0, 1, 2)), (1, range(18)), (5, range(0, 130, 5)), (5, (0, 5))):
        highest = classes(tuple(counts), unit)
        told = ranges(highest, unit)
        for count in counts:
            low, high = told[class_of(count, highest)]
            assert low <= count <= high
            assert sum(low <= count <= high for low, high in told) == 1
        assert len(told) <= 6
    assert classes((0, 0), 1) == (0,)


def test_the_week_is_printed_in_the_blocks_in_which_it_is_told(project, samples):
    found = samples.proximity_result([samples.dataset_answer("lfb", "Fire", samples.FIRES, 4, 112, timed=True)])
    for mode in Mode:
        answer = found.answer if mode is Mode.OPERATIONAL else published(found)
        (part,) = answer.datasets
        layout = page_of(project, found, mode)
        (frame,) = [i for i in layout.items() if isinstance(i, QgsLayoutFrame) and i.id() == "week_chart"]
        cells = [[cell.content() for cell in row][1:] for row in frame.multiFrame().tableContents()][1:]
        assert len(cells) == len(part.weekdays)
        for days, row in zip(part.weekdays, cells):
            assert len(row) == 24 // part.hour_step
            for block, words in enumerate(row):
                counts = {part.hours[day][block * part.hour_step] for day in days}
                assert {words} == {"*" if count is None else f"{count:,}" for count in counts}
    assert part.hour_step > 1  # in public the hours of this place are too few for one another


def test_months_are_drawn_in_the_blocks_in_which_they_are_told(samples):
    part = samples.dataset_answer("mps", "Met", ("x",), 1, 5)
    part = replace(part, trend=(None,) * 12 + (5,) * 12 + (10,) * 12, trend_step=12)
    assert bars(part) == [Bar(0, 11, None), Bar(12, 23, 5), Bar(24, 35, 10)]
    part = replace(part, trend=tuple(range(36)), trend_step=1)
    assert [bar.count for bar in bars(part)] == list(range(36))
    nothing = replace(part, code="none", trend=(0,) * 36)
    answer = samples.proximity_result([part, nothing]).answer
    assert [one.code for one in drawn_of(answer)] == ["mps"]


def test_months_stand_as_high_as_their_counts(project, samples):
    found = samples.proximity_result([samples.dataset_answer("mps", "Met", samples.CATEGORIES, 5, 1400)])
    layout = page_of(project, found)
    trend = np.array(found.answer.datasets[0].trend)
    heights = np.array([layout.itemById(f"trend_mps_bar_{month}").rect().height() for month in range(36)])
    assert np.allclose(heights / heights.max(), trend / trend.max(), atol=0.01)
    assert f"up to {trend.max():,} a month" in all_words(layout)


@pytest.mark.parametrize(
    "subset", ["\"occurred_on\" = '2025-03-09'", '"hour" = 1', "\"category\" = 'theft'", "month > '2025-03'"]
)
def test_a_report_of_a_filtered_layer_is_not_published_and_tells_the_filter(project, samples, subset):
    """Of two filters that differ by a day or an hour, the difference would be a few incidents."""
    found = samples.proximity_result([samples.dataset_answer("lfb", "Fires", samples.FIRES, 3, 300)])
    layer = QgsVectorLayer("Point?crs=EPSG:27700&field=month:string&field=occurred_on:date", "Fires", "memory")
    facts = replace(PointSource(layer).facts, dataset="lfb")
    open_to_all = replace(found, sources=(facts,))
    assert published(open_to_all).public and not product_of(open_to_all, project).guarded
    filtered = replace(found, sources=(facts, replace(facts, subset=subset)))
    with pytest.raises(AnalysisError, match="“Fires” is filtered.*take the filter off"):
        page_of(project, filtered, Mode.PUBLICATION)
    product = product_of(filtered, project)
    assert ["“Fires” is filtered" in told.sentence for told in product.guarded] == [True]
    (used,) = product.datasets
    assert used.audited_filter["filter_length"] == len(subset)
    noted = replace(found.answer.datasets[0], notes=(filter_note(replace(facts, subset=subset)),))
    page = page_of(project, replace(filtered, answer=replace(found.answer, datasets=(noted,))))
    assert subset in all_words(page)
