"""Every template of the gallery: complete, nothing over anything else, no word cut; and what its figures say."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from qgis.core import QgsLayoutItem, QgsLayoutItemLabel
from safestats.qgis_plugin.core.base_source import BOUNDARIES_ONLY
from safestats.qgis_plugin.core.breakdown import Area, AreaCount, Breakdown
from safestats.qgis_plugin.core.errors import Cancelled
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.layouts.atlas import area_rows
from safestats.qgis_plugin.layouts.charts import category_words, shown_months
from safestats.qgis_plugin.layouts.checks import findings
from safestats.qgis_plugin.layouts.export import Format, leave
from safestats.qgis_plugin.layouts.html_twin import attached_tables, twin_of
from safestats.qgis_plugin.layouts.sheet import HouseStyle, Imprint, Mode
from safestats.qgis_plugin.layouts.templates import TEMPLATES, Material, PageKind, build_page
from safestats.qgis_plugin.layouts.two_periods import change_words

YEAR_BEFORE = Period("2024-01", "2024-12")
MONTHS = tuple((f"{2023 + n // 12}-{n % 12 + 1:02d}", 40 + n) for n in range(36))
MAY_LIE_ON_OTHERS = {"scale-bar", "north-arrow", "synthetic_panel"}


@pytest.fixture
def material(samples):
    """What the kinds of page need, around a density of Camden; some counts are small."""
    area = samples.borough_shape("Camden")
    categories = tuple((label, 900 // (number + 1)) for number, label in enumerate(samples.CATEGORIES))
    areas = tuple(
        AreaCount(Area(name, samples.borough_shape(name)), count, before)
        for name, count, before in (("Camden", 812, 640), ("Islington", 3, 44), ("Westminster", 90, 120))
    )

    def made(result):
        before = samples.hotspot_result(result.layer, area, "Camden", result.method, used=10_012, period=YEAR_BEFORE)
        return Material(before, Breakdown(MONTHS, categories), areas, YEAR_BEFORE)

    return made


def built(project, samples, tmp_path, material, template, mode, **style):
    area = samples.borough_shape("Camden")
    layer = samples.density_raster(str(tmp_path / "density.tif"), area, 200)
    result = samples.hotspot_result(layer, area, "Camden", Method.KDE_RASTER)
    imprint = Imprint(
        result.title, "A. Analyst", "London Borough of Camden", mode, template.page, template.upright,
        HouseStyle(**style),
    )  # fmt: skip
    return build_page(project, template.kind, result, imprint, BOUNDARIES_ONLY, material(result))


def items_of(layout):
    page = layout.pageCollection().page(0)
    return [item for item in layout.items() if isinstance(item, QgsLayoutItem) and item is not page and item.id()]


def rect_of(item):
    return item.mapRectToScene(item.rect())


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_a_page_is_complete_and_nothing_lies_on_anything_else(project, samples, tmp_path, material, template):
    mode = Mode.PUBLICATION if template.upright else Mode.OPERATIONAL
    layout = built(project, samples, tmp_path, material, template, mode, logo_words="Camden Council")
    assert findings(layout) == []
    items = items_of(layout)
    paper = layout.pageCollection().page(0).sceneBoundingRect()
    for item in items:
        assert paper.contains(rect_of(item)), item.id()
        if isinstance(item, QgsLayoutItemLabel):
            assert "…" not in item.currentText(), (item.id(), item.currentText())
    for one, other in combinations(items, 2):
        names = (one.id(), other.id())
        # Lines of a chart lie below its columns.
        same_chart = names[0].split("_")[0] == names[1].split("_")[0] and names[0].split("_")[0] in (
            "months",
            "categories",
        )
        if set(names) & MAY_LIE_ON_OTHERS or same_chart:
            continue
        shared = rect_of(one).intersected(rect_of(other))
        assert min(shared.width(), shared.height()) < 0.35, (*names, shared)


def test_an_atlas_has_a_page_for_each_area_with_its_own_words(project, samples, tmp_path, material):
    template = next(one for one in TEMPLATES if one.kind is PageKind.ATLAS)
    layout = built(project, samples, tmp_path, material, template, Mode.PUBLICATION)
    atlas = layout.atlas()
    told = []
    atlas.first()
    for number in range(atlas.count()):
        atlas.seekTo(number)
        atlas.refreshCurrentFeature()
        words = layout.itemById("figures").currentText()
        told.append((layout.itemById("title").currentText().split(": ")[-1], words.split("\n")[1]))
        assert "[%" not in words
    assert told == [("Camden", "810 incidents"), ("Islington", "<5 incidents"), ("Westminster", "* incidents")]
    twin = re.sub(r"base64,[^\"]*", "", twin_of(layout))
    assert twin.count("<h2>") == 3 and twin.count("<h1>") == 1
    assert "812" not in twin and ">3 " not in twin


def test_an_atlas_that_is_stopped_leaves_nothing_and_no_note(project, samples, tmp_path, material):
    template = next(one for one in TEMPLATES if one.kind is PageKind.ATLAS)
    layout = built(project, samples, tmp_path, material, template, Mode.OPERATIONAL)
    folder, noted, heard = tmp_path / "out", [], []
    folder.mkdir()

    def stop_soon(percent):
        heard.append(percent)
        return percent < 50

    with pytest.raises(Cancelled):
        leave(layout, folder, "atlas", [Format.PDF], noted.append, stop_soon)
    assert list(folder.iterdir()) == [] and noted == []
    (path,) = leave(layout, folder, "atlas", [Format.PDF], noted.append, lambda _percent: True)
    assert len(re.findall(rb"/Type /Page\b", path.read_bytes())) == 3
    assert len(noted) == 1


def test_the_figures_of_areas_are_made_safe_together():
    def area(count, before):
        return AreaCount(Area("x", None), count, before)

    areas = [area(812, 640), area(3, 44), area(90, 120)]
    assert area_rows(areas, Mode.OPERATIONAL, 4)[1] == ("3", "44", "−93 %")
    public = area_rows(areas, Mode.PUBLICATION, 4)
    assert public[0] == ("810", "640", "+27 %")
    assert public[1][0] == "<5" and public[1][2] == "–"
    assert public[2][0] == "*"  # else the total at the foot of the page would tell the 3
    health = area_rows([area(812, 640), area(7, 44), area(90, 120)], Mode.PUBLICATION, 7)
    assert health[1][0] == "<8"
    assert area_rows([area(5, None)], Mode.OPERATIONAL, 4) == [("5", "–", "–")]
    assert area_rows([area(5, 0)], Mode.OPERATIONAL, 4) == [("5", "0", "–")]


def test_charts_withhold_what_could_be_worked_out():
    months = (("2025-01", 40), ("2025-02", 2), ("2025-03", 12), ("2025-04", 0))
    shown = dict(shown_months(Breakdown(months, ()), Mode.PUBLICATION))
    assert shown["2025-02"] is None and shown["2025-03"] is None  # one alone would follow from the total
    assert (shown["2025-01"], shown["2025-04"]) == (40, 0)
    assert dict(shown_months(Breakdown(months, ()), Mode.OPERATIONAL))["2025-02"] == 2
    words = category_words(Breakdown((), (("Drugs", 40), ("Robbery", 12), ("Arson", 2))), Mode.PUBLICATION)
    assert words == ["40", "*", "<5"]
    many = Breakdown((), tuple((f"c{n}", 100 - n) for n in range(12)))
    assert len(category_words(many, Mode.OPERATIONAL)) == 8
    assert category_words(many, Mode.OPERATIONAL)[-1] == str(sum(100 - n for n in range(7, 12)))


def test_the_change_between_two_periods_is_told_with_its_interval(project, samples, tmp_path, material):
    area = samples.borough_shape("Camden")
    layer = samples.density_raster(str(tmp_path / "density.tif"), area, 400)

    def result(used):
        return samples.hotspot_result(layer, area, "Camden", Method.KDE_RASTER, used=used)

    words = change_words(result(120), result(100), Mode.OPERATIONAL)
    assert words.startswith("120 incidents, 100 in the period before. Change: +20 % (95 % interval −9 % to +58 %).")
    assert "say little" in change_words(result(8), result(5), Mode.OPERATIONAL)
    assert "no change can be given" in change_words(result(8), result(0), Mode.OPERATIONAL)
    public = change_words(result(123), result(101), Mode.PUBLICATION)
    assert public == "125 incidents, 100 in the period before. Change: +25 %, from the rounded counts."
    assert "No change is given on so small a base" in change_words(result(30), result(12), Mode.PUBLICATION)


def test_the_twin_of_charts_has_their_figures(project, samples, tmp_path, material):
    template = next(one for one in TEMPLATES if one.kind is PageKind.MAP_AND_CHARTS)
    layout = built(project, samples, tmp_path, material, template, Mode.PUBLICATION)
    captions = [table.caption for table in attached_tables(layout)]
    assert captions[1:] == ["Incidents by month", "Incidents by category"]
    months = attached_tables(layout)[1]
    assert months.rows[0] == ("January 2023", "40") and len(months.rows) == 36
