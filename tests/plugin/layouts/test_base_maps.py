"""Base maps: a local file of Zoomstack, the organisation's own service, and what a page does where one is silent."""

from __future__ import annotations

import http.server
import sqlite3
import threading
import time
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from qgis.core import QgsLayoutExporter, QgsRectangle
from qgis.PyQt.QtCore import QBuffer, QIODevice, QSize
from qgis.PyQt.QtGui import QColor, QImage
from safestats.qgis_plugin.core import base_source
from safestats.qgis_plugin.core.base_source import BOUNDARIES_ONLY, BaseKind, service, trouble_with, zoomstack_file
from safestats.qgis_plugin.core.hotspots import Method
from safestats.qgis_plugin.layouts.checks import missing_furniture
from safestats.qgis_plugin.layouts.hotspot_map import HotspotMap, build_hotspot_layout
from safestats.qgis_plugin.layouts.sheet import Imprint
from safestats.tests.zoomstack import write_zoomstack

CAMDEN = QgsRectangle(524_000, 181_000, 532_000, 188_000)
ATTRIBUTION = "Contains OS data © Crown copyright and database right 2026."
CAPABILITIES = """<?xml version="1.0" encoding="UTF-8"?>
<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1"
  xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">
<ows:OperationsMetadata><ows:Operation name="GetTile"><ows:DCP><ows:HTTP>
<ows:Get xlink:href="{url}?"><ows:Constraint name="GetEncoding"><ows:AllowedValues><ows:Value>KVP</ows:Value>
</ows:AllowedValues></ows:Constraint></ows:Get></ows:HTTP></ows:DCP></ows:Operation></ows:OperationsMetadata>
<Contents><Layer><ows:Title>Street</ows:Title><ows:Identifier>street</ows:Identifier>
<Style isDefault="true"><ows:Identifier>default</ows:Identifier></Style><Format>image/png</Format>
<TileMatrixSetLink><TileMatrixSet>grid</TileMatrixSet></TileMatrixSetLink></Layer>
<TileMatrixSet><ows:Identifier>grid</ows:Identifier><ows:SupportedCRS>urn:ogc:def:crs:EPSG::27700</ows:SupportedCRS>
<TileMatrix><ows:Identifier>0</ows:Identifier><ScaleDenominator>80000</ScaleDenominator>
<TopLeftCorner>500000 220000</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>
<MatrixWidth>12</MatrixWidth><MatrixHeight>12</MatrixHeight></TileMatrix></TileMatrixSet></Contents></Capabilities>"""


def tile() -> bytes:
    image = QImage(256, 256, QImage.Format.Format_RGB32)
    image.fill(QColor("#12ab34"))
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data())


@pytest.fixture
def tiles(qgis_app):
    """A tile service, which may be told to keep silent: (address, the requests that it had, silence)."""
    asked, silent, over, picture = [], threading.Event(), threading.Event(), tile()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if silent.is_set():
                over.wait(60)
                return
            query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            capabilities = query.get("request") == "GetCapabilities"
            host = f"http://127.0.0.1:{self.server.server_port}/wmts"
            body = CAPABILITIES.format(url=host).encode() if capabilities else picture
            self.send_response(200)
            self.send_header("Content-Type", "text/xml" if capabilities else "image/png")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/wmts", asked, silent
    over.set()
    server.shutdown()


@pytest.fixture
def zoomstack(tmp_path):
    """The local file, as the command makes it."""
    path = write_zoomstack(tmp_path / "base-map.gpkg")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE edition (title TEXT, attribution TEXT)")
        file.execute("INSERT INTO edition VALUES ('OS Open Zoomstack, October 2026', ?)", (ATTRIBUTION,))
    return path


def page(project, samples, tmp_path, source):
    area = samples.borough_shape("Camden")
    layer = samples.density_raster(str(tmp_path / "density.tif"), area, 200)
    result = samples.hotspot_result(layer, area, "Camden", Method.KDE_RASTER)
    imprint = Imprint("A title", "A. Analyst", "London Borough of Camden")
    return build_hotspot_layout(project, HotspotMap(result, imprint, source))


def colours_of(layout):
    image = QgsLayoutExporter(layout).renderPageToImage(0, QSize(1200, 850))
    return {image.pixelColor(x, y).name() for x in range(60, 850, 3) for y in range(100, 650, 3)}


def test_a_page_on_zoomstack_has_its_streets_names_and_attribution(project, samples, tmp_path, zoomstack):
    source = zoomstack_file(zoomstack)
    assert (source.kind, source.title) == (BaseKind.FILE, "OS Open Zoomstack, October 2026")
    assert trouble_with(source, CAMDEN) == ""
    layout = page(project, samples, tmp_path, source)
    assert missing_furniture(layout) == ()
    names = [layer.name() for layer in layout.itemById("map").layers()]
    density = names.index("Density")
    assert names.index("Main road") < density < names.index("Park or open space")  # roads above the data, parks below
    assert "Street" not in names  # the borough is too wide for its side streets
    words = " ".join(layout.itemById("attribution").currentText().split())
    assert "database right 2024, 2026." in words  # one right: of the boundaries and of the map
    assert "#e6ece3" in colours_of(layout)  # a park
    legend = [node.layer().name() for node in layout.itemById("legend").model().rootGroup().findLayers()]
    assert "Main road" in legend


def test_a_file_that_is_none_is_no_base_map(tmp_path, zoomstack):
    assert zoomstack_file(tmp_path / "nowhere.gpkg") is None
    plain = write_zoomstack(tmp_path / "plain.gpkg")  # Ordnance Survey's own, not yet cut
    assert zoomstack_file(plain) is None
    source = zoomstack_file(zoomstack)
    zoomstack.unlink()
    assert "is not at" in trouble_with(source, CAMDEN) and "boundaries" in trouble_with(source, CAMDEN)


def test_a_page_on_the_organisations_service_shows_its_tiles_and_attribution(project, samples, tmp_path, tiles):
    address, asked, _silent = tiles
    source = service(address, "street", "grid", "image/png", "Map service of Camden", "© Camden 2026")
    assert trouble_with(source, CAMDEN) == ""
    assert any("GetTile" in path or "TileMatrix" in path for path in asked)
    layout = page(project, samples, tmp_path, source)
    assert "© Camden 2026" in " ".join(layout.itemById("attribution").currentText().split())
    assert "#12ab34" in colours_of(layout)
    assert missing_furniture(layout) == ()


def test_a_service_that_does_not_answer_is_told_in_time(tiles, monkeypatch):
    address, _asked, silent = tiles
    silent.set()
    monkeypatch.setattr(base_source, "WAIT_S", 1)
    began = time.monotonic()
    source = service(address, "street", "grid", "image/png", "Map service of Camden", "© Camden 2026")
    sentence = trouble_with(source, CAMDEN)
    assert sentence == "The base map “Map service of Camden” did not answer: the boundaries stand in its place."
    assert time.monotonic() - began < 30
    nowhere = service("http://127.0.0.1:9/wmts", "street", "grid", "image/png", "Nowhere", "x")
    assert "did not answer" in trouble_with(nowhere, CAMDEN)


def test_by_default_nobody_is_asked_for_tiles(project, samples, tmp_path, tiles):
    _address, asked, _silent = tiles
    layout = page(project, samples, tmp_path, BOUNDARIES_ONLY)
    colours_of(layout)
    assert asked == []
    assert all(
        "http" not in layer.source() for item in layout.items() if hasattr(item, "layers") for layer in item.layers()
    )
