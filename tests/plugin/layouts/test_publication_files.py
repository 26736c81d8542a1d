"""Published files read byte by byte: no attribute, no hidden layer, no coordinate, no name of the machine's user."""

from __future__ import annotations

import base64
import dataclasses
import getpass
import re
import subprocess
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer
from safestats.qgis_plugin.core.hotspots import HotspotSettings, Method, open_result, run_hotspots, temporary_path
from safestats.qgis_plugin.core.incidents import IncidentFilter
from safestats.qgis_plugin.core.points import PointSource
from safestats.qgis_plugin.core.public_surface import (
    cold_shape,
    nearby_counts,
    public_surface,
    too_fine_to_publish,
)
from safestats.qgis_plugin.core.study_areas import StudyArea
from safestats.qgis_plugin.layouts.checks import check
from safestats.qgis_plugin.layouts.export import Format, leave
from safestats.qgis_plugin.layouts.hotspot_map import HotspotMap, build_hotspot_layout
from safestats.qgis_plugin.layouts.sheet import Imprint, Mode
from safestats.shared.pictures import png_chunks

EAST, NORTH = 528_417, 184_923  # where one lonely incident lies; busy ones are elsewhere


def incidents(project):
    """A busy cluster, and a lonely incident far from it."""
    layer = QgsVectorLayer(
        "Point?crs=EPSG:27700&field=category:string&field=month:string&field=secret:string", "Incidents", "memory"
    )
    chance = np.random.default_rng(7)
    places = [(EAST, NORTH), *np.rint(chance.normal((529_900, 182_000), 150, (200, 2))).tolist()]
    features = []
    for number, place in enumerate(places):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(*place)))
        feature.setAttributes(["Unmentioned", "2025-03", f"ATTRIBUTE{number}"])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    project.addMapLayer(layer)
    return layer


@pytest.fixture
def run(project, samples):
    """Runs of the incidents in Camden by method and settings."""
    source = PointSource(incidents(project))
    area = StudyArea("Camden", samples.borough_shape("Camden"), "LSOA 2011")

    def made(method, **settings):
        asked = HotspotSettings(method=method, **settings)
        result = open_result(run_hotspots(source, area, IncidentFilter(), asked, temporary_path(method)))
        project.addMapLayer(result.layer, False)
        return result

    return made


def page(project, result, mode):
    imprint = Imprint("What is published", "A. Analyst", "London Borough of Camden", mode)
    return build_hotspot_layout(project, HotspotMap(result, imprint))


def opened(content: bytes) -> bytes:
    """The bytes with every compressed stream and every picture in text unpacked behind them."""
    parts = [content]
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            parts.append(zlib.decompressobj().decompress(stream))
        except zlib.error:
            continue
    for picture in re.findall(rb"data:image/png;base64,([A-Za-z0-9+/=\s]+)", content):
        parts.append(base64.b64decode(picture))
    return b"\n".join(parts)


@pytest.mark.parametrize("method", [Method.KDE_GRID, Method.GI_GRID])
def test_nothing_but_the_page_is_in_the_files(project, run, tmp_path, method):
    result = run(method, cell_m=100.0, **({"bandwidth_m": 500.0} if method is Method.KDE_GRID else {}))
    layout = page(project, result, Mode.PUBLICATION)
    written = leave(layout, tmp_path, "page", list(Format), lambda _: None)
    grid = result.layer.source().split("|")[0]
    forbidden = [b"ATTRIBUTE", b"Unmentioned", b"per_km2", b"z_score", grid.encode(), b".gpkg", b".tif"]
    forbidden += [str(EAST).encode(), str(NORTH).encode(), b"528,417", b"/tmp/", b"/root", b"/home"]
    for path in written:
        content = opened(path.read_bytes())
        for word in forbidden:
            assert word not in content, (path.name, word)
    pdf, png, svg, _html = (path.read_bytes() for path in written)
    assert {kind for kind, _ in png_chunks(png)} <= {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"pHYs",
        b"sRGB",
        b"gAMA",
    }
    assert not re.search(rb"<metadata|<desc|<!--|<title", svg)
    if getpass.getuser() != "a":
        author = subprocess.run(["pdfinfo", str(written[0])], capture_output=True, text=True, check=True).stdout
        assert "A. Analyst, London Borough of Camden" in author
        assert getpass.getuser() not in re.sub(r"File.*", "", author)
    assert b"GEO" not in pdf and b"/Measure" not in pdf and b"/OCG" not in pdf  # no georeference, no layers


def test_maps_are_pictures_in_public_and_lines_for_colleagues(project, run, tmp_path):
    result = run(Method.GI_GRID, cell_m=200.0)
    drawn = {}
    for mode in Mode:
        path = leave(page(project, result, mode), tmp_path, mode.value, [Format.PDF], lambda _: None)[0]
        drawn[mode] = len(re.findall(rb"\n?[-\d.]+ [-\d.]+ l\b", opened(path.read_bytes())))
    assert drawn[Mode.OPERATIONAL] > 2000 > 400 > drawn[Mode.PUBLICATION]


def test_sparse_cells_are_left_out_as_brute_force_finds_them(run):
    result = run(Method.KDE_GRID, cell_m=100.0, bandwidth_m=500.0)
    surface = result.surface
    counts = surface.columns["count"]
    rows, columns = np.indices(counts.shape)
    held = np.argwhere(counts)
    brute = np.zeros(counts.shape, dtype=int)
    for row, column in held:
        near = (rows - row) ** 2 + (columns - column) ** 2 <= (500 / 100) ** 2
        brute[near] += int(counts[row, column])
    assert (nearby_counts(surface, 1) == brute).all()
    public = public_surface(result)
    expected = (brute > 0) & (brute <= 4) & surface.mask
    assert public.sparse == int(expected.sum()) > 50  # around the lonely incident, and at the cluster's rim
    provider = public.layer.dataProvider()
    lonely, found = provider.sample(QgsPointXY(EAST, NORTH), 1)
    assert not found, lonely
    assert provider.sample(QgsPointXY(529_900, 182_000), 1)[1]
    operational = run(Method.KDE_RASTER, cell_m=100.0, bandwidth_m=500.0).layer.dataProvider()
    assert operational.sample(QgsPointXY(EAST, NORTH), 1)[0] > 0


def test_health_data_lose_cells_of_up_to_seven(run):
    result = dataclasses.replace(run(Method.KDE_GRID, cell_m=100.0, bandwidth_m=500.0), threshold=8)
    near = nearby_counts(result.surface, 1)
    assert public_surface(result).sparse == int(((near > 0) & (near <= 7) & result.surface.mask).sum())
    assert public_surface(result).sparse > public_surface(dataclasses.replace(result, threshold=0)).sparse


def test_gi_counts_its_neighbourhood(run):
    surface = run(Method.GI_GRID, cell_m=200.0, neighbours=2).surface
    counts, near = surface.columns["count"], nearby_counts(surface, 2)
    padded = np.pad(counts, 2)
    brute = sum(
        padded[2 + dy : 2 + dy + counts.shape[0], 2 + dx : 2 + dx + counts.shape[1]]
        for dy in range(-2, 3)
        for dx in range(-2, 3)
    )
    assert (near == brute).all()


def test_where_a_few_incidents_lie_gi_shows_what_it_shows_where_none_do(run):
    result = run(Method.GI_GRID, cell_m=200.0)
    values = public_surface(result).surface.columns["class"]
    near = nearby_counts(result.surface, 1)
    few = (near > 0) & (near <= 4) & result.surface.mask
    assert few.any() and (values[few] == 0).all()
    assert public_surface(result).surface.mask.sum() == result.surface.mask.sum()  # no holes
    busy = (near > 4) & result.surface.mask
    assert (values[busy] == result.surface.columns["class"][busy]).all() and (values[busy] > 0).any()


def test_cold_spots_are_hatched_as_well_as_coloured(project, run):
    result = run(Method.GI_GRID, cell_m=200.0)
    classes = result.surface.columns["class"].copy()
    classes[result.surface.mask & (classes == 0)] = -2
    cold = dataclasses.replace(result.surface, columns={**result.surface.columns, "class": classes})
    shape = cold_shape(cold)
    assert shape.area() == pytest.approx((cold.mask & (classes < 0)).sum() * 200**2)
    layout = page(project, dataclasses.replace(result, surface=cold), Mode.OPERATIONAL)
    shown = [node.layer().name() for node in layout.itemById("legend").model().rootGroup().findLayers()]
    assert "Hatched: cold spots" in shown
    assert "Hatched: cold spots" in [layer.name() for layer in layout.itemById("map").layers()]


def test_a_fine_bandwidth_is_not_published(run):
    assert too_fine_to_publish(run(Method.KDE_RASTER, cell_m=100.0, bandwidth_m=300.0)) == 500
    assert too_fine_to_publish(run(Method.KDE_RASTER, cell_m=100.0, bandwidth_m=500.0)) is None
    assert too_fine_to_publish(run(Method.GI_GRID, cell_m=200.0)) is None


class Reader(HTMLParser):
    """Elements of a page: names, attributes, and the texts of its tables' cells."""

    def __init__(self):
        super().__init__()
        self.elements, self.cells, self._inside = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._inside = tag
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self._inside in ("td", "th"):
            self.cells[-1] += data

    def handle_endtag(self, tag):
        self._inside = ""


def test_the_twin_tells_what_the_page_shows_without_seeing_it(project, run, tmp_path):
    result = run(Method.KDE_RASTER, cell_m=100.0, bandwidth_m=500.0)
    layout = page(project, result, Mode.PUBLICATION)
    check(layout)
    twin = leave(layout, tmp_path, "page", [Format.PDF], lambda _: None)[-1]
    assert twin.name == "page.html"
    reader = Reader()
    text = twin.read_text(encoding="utf-8")
    reader.feed(text)
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("h1") == 1 and "What is published" in text
    assert not {"script", "link", "iframe", "object"} & set(tags)
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    pictures = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert len(pictures) == 2 and all(one["alt"] for one in pictures)
    assert "Class by class" in pictures[0]["alt"] or "Class by class" in pictures[1]["alt"]
    for label, km2 in zip((one.label for one in result.classes), public_surface(result).class_km2):
        assert reader.cells[reader.cells.index(label) + 1] == f"{km2:,.1f} km²"
    assert text.count('<p class="marking">OFFICIAL</p>') == 2
    assert reader.elements[0] == ("html", {"lang": "en-GB"})


def test_colleagues_get_no_twin(project, run, tmp_path):
    layout = page(project, run(Method.GI_GRID, cell_m=200.0), Mode.OPERATIONAL)
    assert [path.name for path in leave(layout, tmp_path, "page", [Format.PNG], lambda _: None)] == ["page.png"]
