"""Templates of one's own: what they hold, what they lack, and what stands in for a font or picture that is not here."""

from __future__ import annotations

import os
import re

import pytest
from qgis.core import QgsLayoutItemLabel, QgsLayoutItemMap
from qgis.PyQt.QtGui import QImage
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.core.house_styles import HouseRules
from safestats.qgis_plugin.layouts.checks import findings, missing_furniture
from safestats.qgis_plugin.layouts.export import Format, leave
from safestats.qgis_plugin.layouts.hotspot_map import HotspotMap, build_hotspot_layout
from safestats.qgis_plugin.layouts.house import style_of
from safestats.qgis_plugin.layouts.mending import remedied
from safestats.qgis_plugin.layouts.own_templates import OwnTemplates, TemplateTrouble, fill
from safestats.qgis_plugin.layouts.sheet import HouseStyle, Imprint, Mode
from safestats.qgis_plugin.layouts.typography import family
from safestats.shared.furniture import FurnitureItem


@pytest.fixture
def content(samples, project, tmp_path):
    """A density of Camden, and how its page is to be."""
    area = samples.borough_shape("Camden")
    layer = samples.density_raster(str(tmp_path / "density.tif"), area, 200)
    project.addMapLayer(layer, False)  # a raster that Python alone owns may outlive what QGIS draws it with
    result = samples.hotspot_result(layer, area, "Camden", Method.KDE_RASTER)

    def made(mode=Mode.OPERATIONAL, title="The house page", style=None):
        style = style or HouseStyle()
        return HotspotMap(result, Imprint(title, "A. Analyst", "London Borough of Camden", mode, style=style))

    return made


@pytest.fixture
def saved(project, content, tmp_path):
    """A page of the plugin's own, saved as a template."""
    templates = OwnTemplates(tmp_path / "own")
    return templates.save(build_hotspot_layout(project, content(title="Secret title")), "House A4")


def test_a_saved_template_holds_nothing_of_the_data(saved, tmp_path):
    text = saved.read_text(encoding="utf-8")
    for word in ("Secret title", "12,345", "density.tif", str(tmp_path), "A. Analyst", "theft"):
        assert word not in text, word
    assert "@safestats_title" in text


def test_it_is_filled_with_another_map_and_its_words(project, content, saved, tmp_path):
    filled = fill(project, saved, content(Mode.PUBLICATION, title="Filled anew"))
    assert filled.notes == ()
    layout = filled.layout
    assert missing_furniture(layout) == ()
    assert layout.itemById(FurnitureItem.TITLE.value).currentText() == "Filled anew"
    assert layout.itemById(FurnitureItem.MARKING_TOP.value).currentText() == "OFFICIAL"
    assert "12,345 incidents" in " ".join(layout.itemById(FurnitureItem.COUNTS.value).currentText().split())
    shown = layout.itemById("map")
    assert isinstance(shown, QgsLayoutItemMap) and shown.layers()
    (pdf, _twin) = leave(layout, tmp_path, "filled", [Format.PDF], lambda _: None)
    assert pdf.stat().st_size > 20_000


def test_furniture_that_a_template_lacks_is_listed_and_can_be_put_back(project, content, saved, tmp_path):
    text = saved.read_text(encoding="utf-8")
    for item in (FurnitureItem.SOURCE, FurnitureItem.DISCLAIMER, FurnitureItem.NORTH_ARROW):
        text = text.replace(f'id="{item.value}"', 'id="other"')
    lacking = saved.with_name("lacking.qpt")
    lacking.write_text(text, encoding="utf-8")
    layout = fill(project, lacking, content()).layout
    assert [finding.item for finding in findings(layout)] == [
        FurnitureItem.NORTH_ARROW,
        FurnitureItem.SOURCE,
        FurnitureItem.DISCLAIMER,
    ]
    while remedies := remedied(layout):
        assert remedies[0].mend is not None, remedies[0]
        remedies[0].mend()
    assert layout.pageCollection().pageCount() == 2
    source = layout.itemById(FurnitureItem.SOURCE.value)
    assert source.currentText() == "Metropolitan Police incidents, through SafeStats."
    # Both sheets are marked: they may part.
    assert sum(i.id() == "marking-top" for i in layout.items() if isinstance(i, QgsLayoutItemLabel)) == 2


def test_a_missing_font_and_a_missing_picture_are_told_and_replaced(project, content, saved, tmp_path):
    text = saved.read_text(encoding="utf-8")
    text = re.sub(r'fontFamily="[^"]*"', 'fontFamily="Nowhere Grotesk"', text)
    text = re.sub(r'file="[^"]*north_arrow.svg"', 'file="/gone/arrow.svg"', text)
    text = text.replace('id="north-arrow"', 'id="crest"', 1)
    broken = saved.with_name("broken.qpt")
    broken.write_text(text, encoding="utf-8")
    filled = fill(project, broken, content())
    assert filled.notes == (
        f"The template's font “Nowhere Grotesk” is not on this computer: {family()} stands in its place.",
        "The template's picture “arrow.svg” is missing: its place stays empty.",
    )
    title = filled.layout.itemById(FurnitureItem.TITLE.value)
    assert title.textFormat().font().family() == family()


def test_what_is_no_template_is_refused_in_a_sentence(project, content, tmp_path):
    for name, text in (("a.qpt", "<html/>"), ("b.qpt", "no xml")):
        (tmp_path / name).write_text(text)
        with pytest.raises(TemplateTrouble, match=f"“{name}” is no template of QGIS"):
            fill(project, tmp_path / name, content())
    with pytest.raises(TemplateTrouble, match=r"“c\.qpt” cannot be read"):
        fill(project, tmp_path / "c.qpt", content())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_takes_nothing_is_told(project, content, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir(mode=0o500)
    with pytest.raises(TemplateTrouble, match="cannot be"):
        OwnTemplates(folder).save(build_hotspot_layout(project, content()), "x")


def test_a_folder_that_is_a_file_is_told(project, content, tmp_path):
    (tmp_path / "own").write_text("in the way")
    with pytest.raises(TemplateTrouble, match=r"The template cannot be kept in .*own"):
        OwnTemplates(tmp_path / "own").save(build_hotspot_layout(project, content()), "x")


def test_the_house_style_is_drawn_as_far_as_this_computer_can(project, content, tmp_path):
    logo = tmp_path / "logo.png"
    picture = QImage(40, 20, QImage.Format.Format_RGB32)
    picture.fill(0xFFAA0011)
    picture.save(str(logo))
    whole = style_of(HouseRules("Camden", "#aa0011", family(), logo, True, "Camden Council"))
    assert whole.notes == () and whole.logo == logo
    layout = build_hotspot_layout(project, content(style=whole))
    assert layout.itemById("logo").picturePath() == str(logo)
    assert missing_furniture(layout) == ()

    logo.write_bytes(b"no picture")
    lacking = style_of(HouseRules("Camden", "nonsense", "Nowhere Grotesk", logo, True, "Camden Council"))
    assert lacking.notes == (
        f"The house font “Nowhere Grotesk” is not on this computer: the page is set in {family()}.",
        "The house logo cannot be read here: “Camden Council” stands in its place.",
    )
    assert lacking.colour == HouseStyle().colour
    layout = build_hotspot_layout(project, content(style=lacking))
    assert layout.itemById("logo").currentText() == "Camden Council"
    assert style_of(HouseRules()).notes == ()
