"""A finished hotspot run and a finished search, small or as full as life makes them, without any real incident."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import tomllib
from osgeo import gdal, osr
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core.coverage import circle
from safestats.qgis_plugin.core.hotspot_styles import (
    DensityClasses,
    density_classes,
    gi_classes,
    style_gi_grid,
    style_raster,
)
from safestats.qgis_plugin.core.hotspots import HotspotResult, Method
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.proximity import PlaceSearch
from safestats.qgis_plugin.core.proximity_question import Question
from safestats.qgis_plugin.core.study_areas import StudyArea, burn
from safestats.qgis_plugin.layouts.base_map import BOUNDARIES
from safestats.shared.change import change
from safestats.shared.ring_answer import AnswerRow, DatasetAnswer, Place, RingAnswer, RingFigure
from safestats.shared.rings import FIXED_RADII, Band, ring_area_km2
from safestats.shared.windows import Window, trend

YEAR = Period("2025-01", "2025-12")
NOW = Window("2025-01", "2025-12")
COVERED = tuple(ring_area_km2(radius) for radius in FIXED_RADII)
FIRES = ("False alarm", "Special service", "Fire")
CAVEATS = (
    "Places are snapped to shared map points: an incident may have happened up to a few hundred metres away.",
    "Dates are known to the month only.",
)
MET_ATTRIBUTION = (
    "Contains public sector information licensed under the Open Government Licence v3.0. Source: data.police.uk."
)

CATEGORIES = (
    "Violence and sexual offences",
    "Anti-social behaviour",
    "Theft from the person",
    "Other theft",
    "Shoplifting",
    "Public order",
    "Criminal damage and arson",
    "Drugs",
    "Vehicle crime",
    "Burglary",
    "Robbery",
    "Bicycle theft",
    "Possession of weapons",
    "Other crime",
)


def borough_shape(*names: str) -> QgsGeometry:
    """The union of boroughs, all of London where none is named."""
    layer = QgsVectorLayer(f"{BOUNDARIES}|layername=borough", "borough", "ogr")
    return QgsGeometry.unaryUnion([f.geometry() for f in layer.getFeatures() if not names or f["name"] in names])


def density_raster(path: str, area: QgsGeometry, cell: float) -> QgsRasterLayer:
    """A smooth surface of three bumps inside the area, classed by multiples of its mean."""
    box = area.boundingBox()
    columns, rows = int(box.width() / cell) + 1, int(box.height() / cell) + 1
    east = box.xMinimum() + (np.arange(columns) + 0.5) * cell
    north = box.yMaximum() - (np.arange(rows) + 0.5) * cell
    surface = np.zeros((rows, columns), dtype=np.float32)
    for x, y, weight in ((0.5, 0.25, 60.0), (0.45, 0.6, 30.0), (0.6, 0.85, 15.0)):
        dx = (east - (box.xMinimum() + x * box.width())) / (0.12 * box.width())
        dy = (north - (box.yMinimum() + y * box.height())) / (0.12 * box.height())
        surface += (weight * np.exp(-0.5 * (dx[None, :] ** 2 + dy[:, None] ** 2))).astype(np.float32)
    inside = burn(area, box.xMinimum(), box.yMaximum(), cell, (rows, columns), touched=False)
    surface[~inside] = -9999
    file = gdal.GetDriverByName("GTiff").Create(path, columns, rows, 1, gdal.GDT_Float32)
    file.SetGeoTransform((box.xMinimum(), cell, 0, box.yMaximum(), 0, -cell))
    grid = osr.SpatialReference()
    grid.ImportFromEPSG(27700)
    file.SetProjection(grid.ExportToWkt())
    file.GetRasterBand(1).WriteArray(surface)
    file.GetRasterBand(1).SetNoDataValue(-9999)
    file = None
    layer = QgsRasterLayer(path, "Density")
    style_raster(layer, density_classes(surface[inside], DensityClasses.MULTIPLES))
    return layer


def gi_layer(area: QgsGeometry, cell: float) -> QgsVectorLayer:
    """Squares inside the area with classes -3 to 3 in bands."""
    layer = QgsVectorLayer("Polygon?crs=EPSG:27700&field=class:integer", "Gi*", "memory")
    box = area.boundingBox()
    features = []
    for i in range(int(box.width() / cell)):
        for j in range(int(box.height() / cell)):
            x, y = box.xMinimum() + i * cell, box.yMinimum() + j * cell
            square = QgsGeometry.fromWkt(
                f"POLYGON(({x} {y},{x + cell} {y},{x + cell} {y + cell},{x} {y + cell},{x} {y}))"
            )
            if square.centroid().intersects(area):
                feature = QgsFeature(layer.fields())
                feature.setGeometry(square)
                feature["class"] = round(3 * np.sin(i / 5) * np.cos(j / 4))
                features.append(feature)
    layer.dataProvider().addFeatures(features)
    style_gi_grid(layer, gi_classes())
    return layer


def hotspot_result(layer, area: QgsGeometry, place: str, method: Method, **changes) -> HotspotResult:
    """A run's result around a layer."""
    density = method is Method.KDE_RASTER
    values = {
        "method": method,
        "layer": layer,
        "source_layer_id": "",
        "dataset": "mps",
        "dataset_title": "Metropolitan Police incidents",
        "what": "theft from the person",
        "period": YEAR,
        "study_area": StudyArea(place, area, "LSOA 2011"),
        "legend_title": "Incidents per km²" if density else "Gi*, compared with the whole study area",
        "classes": (),
        "parameters": (
            ("Method", "Kernel density, quartic kernel, corrected at the edge of the study area")
            if density
            else ("Method", "Getis-Ord Gi* (Ord and Getis 1995), binary weights with self, two-sided"),
            ("Bandwidth", "650 m (automatic)") if density else ("Neighbourhood", "the cell and its eight neighbours"),
            ("Cell", "100 m × 100 m"),
            ("Study area", f"{place}, 21.8 km², 2,179 cells"),
            ("Incidents", "n = 12,345"),
            *(() if density else (("Correction", "Benjamini–Hochberg over all 2,179 cells of the study area"),)),
        ),
        "used": 12345,
        "outside": 312,
        "unmapped": 87,
        "largest_stack": 164,
        "snapped": True,
        "caveats": CAVEATS,
        "attribution": MET_ATTRIBUTION,
        "synthetic": True,
        "newest_month": "2025-12",
        "run_on": date(2026, 11, 22),
    }
    return HotspotResult(**{**values, **changes})


def row_of(code, title, category, label, now, before, covered=COVERED, borough="Southwark", band=Band.ALL) -> AnswerRow:
    """A row of exact counts (``before`` may be ``None``); ranked by its outermost count where a borough is given."""
    figures = []
    for number, radius in enumerate(FIXED_RADII):
        share = min(now[-1] // 20 * 10, 90)
        words = f"more than around {share // 10} in 10" if share >= 60 else "about as many as most"
        figures.append(
            RingFigure(
                radius_m=radius,
                count=now[number],
                before=None if before is None else before[number],
                change=None if before is None else change(now[number], before[number]),
                rate_per_km2=now[number] / covered[number],
                covered_km2=covered[number],
                share_below=float(share) if borough else None,
                sentence=f"{words} postcodes in {borough}" if borough else "",
            )
        )
    return AnswerRow(code, title, category, label, band, tuple(figures))


def dataset_answer(code: str, title: str, labels, seed: int, scale: int, timed: bool = False, **changes):
    """One dataset's part of an answer, of incidents drawn at random: rows, months and hours all tell the same ones."""
    random = np.random.default_rng(seed)
    shares = np.array([1 / (number + 1) ** 1.3 for number in range(len(labels))])
    counts = [random.poisson(scale * np.outer(shares, (0.06, 0.2, 0.74))).cumsum(axis=1) for _ in range(2)]
    totals = [each.sum(axis=0) for each in counts]
    rows = [row_of(code, title, None, "All incidents", totals[0].tolist(), totals[1].tolist())]
    parts = [
        row_of(code, title, label, label, now.tolist(), before.tolist())
        for label, now, before in zip(labels, *counts)
        if now[-1] or before[-1]
    ]
    rows += sorted(parts, key=lambda row: (-row.figures[-1].count, row.label))
    months = 1 + 0.3 * np.sin(np.arange(12) / 2)
    years = [int(totals[1][-1] * 0.9), int(totals[1][-1]), int(totals[0][-1])]
    trend = np.concatenate([random.multinomial(year, months / months.sum()) for year in years])
    unknown = 3 if timed and totals[0][-1] > 30 else 0
    week = np.array([[2 + 6 * np.exp(-((hour - 17) ** 2) / 18) for hour in range(24)] for _ in range(7)])
    week[4:] += 14 * np.exp(-((np.arange(24) - 23) ** 2) / 6)
    hours = random.multinomial(int(totals[0][-1]) - unknown, (week / week.sum()).ravel()).reshape(7, 24)
    values = {
        "code": code,
        "title": title,
        "rows": tuple(rows),
        "hours": tuple(map(tuple, hours.tolist())) if timed else None,
        "trend": tuple(trend.tolist()),
        "coarse": (0, 0, 0) if timed else (int(totals[0][0]), 0, 0),
        "newest": "2025-12",
        "attribution": MET_ATTRIBUTION,
        "caveats": ("Only incidents outside homes have exact places.",) if timed else CAVEATS,
        "notes": (f"{unknown} incidents of unknown hour are left out of the time of day.",) if unknown else (),
        "unplaced": 412,
        "unknown_hour": unknown,
        "largest_stack": 37,
        "synthetic": True,
    }
    return DatasetAnswer(**{**values, **changes})


def proximity_result(datasets, radii=FIXED_RADII, question=None, **changes) -> PlaceSearch:
    """A search around SE1 2AA."""
    place = Place(
        label="SE1 2AA",
        easting=533500,
        northing=180050,
        accuracy="The point is within the building of the address nearest the postcode's mean position.",
        postcode="SE1 2AA",
        borough="Southwark",
        borough_code="E09000028",
    )
    values = {
        "place": place,
        "radii": tuple(radii),
        "now": NOW,
        "before": NOW.before(),
        "trend": trend(NOW.last),
        "preset": "Everything",
        "datasets": tuple(datasets),
        "boundary_note": "Incidents across the boundary of Southwark are counted, as far as they are held.",
        "answered_on": date(2026, 11, 22),
    }
    return PlaceSearch(
        answer=RingAnswer(**{**values, **changes}),
        question=question or Question(radii=tuple(radii)),
        rings=tuple(circle((place.easting, place.northing), radius) for radius in radii),
    )


def four_datasets() -> list[DatasetAnswer]:
    """As full as a borough's desk has it: 14 categories, big counts, four datasets, hours in one of them."""
    return [
        dataset_answer("mps", "Metropolitan Police incidents", CATEGORIES, 1, 6467),
        dataset_answer("colp", "City of London Police incidents", CATEGORIES, 2, 540),
        dataset_answer("btp", "British Transport Police incidents", CATEGORIES[:9], 3, 130),
        dataset_answer("lfb", "London Fire Brigade incidents", FIRES, 4, 112, timed=True),
    ]


def ten_datasets() -> list[DatasetAnswer]:
    """More than any page has room for: ten datasets of fourteen categories."""
    return [
        dataset_answer(f"d{number}", f"Dataset of supplier number {number}", CATEGORIES, number, 900 // number)
        for number in range(1, 11)
    ]


def declared(code: str) -> dict:
    """A dataset as it is declared; its cautions as a reader gets them."""
    path = Path(__file__).resolve().parents[3] / "resources" / "datasets" / f"{code}.toml"
    dataset = tomllib.loads(path.read_text(encoding="utf-8"))["dataset"]
    cautions = (*dataset["caveats"], *(f"Assumed: {words}" for words in dataset["assumptions"]))
    return {"title": dataset["title"], "attribution": dataset["attribution"], "caveats": cautions}


def declared_datasets() -> list[DatasetAnswer]:
    """Six datasets with the titles, attributions and cautions that they are declared with, five small and one large."""
    sizes = {"istv": (6, 9), "btp": (13, 140), "tfl": (4, 110), "colp": (1, 1), "las": (12, 130), "mps": (14, 1100)}
    made = []
    for seed, (code, (categories, scale)) in enumerate(sizes.items(), 1):
        words = declared(code)
        notes = (
            f"{seed + 7} incidents of the period, anywhere in the layer, have no place: no ring counts them.",
            f"Up to {seed + 2} incidents lie on one and the same point.",
            f"Placed less exactly than the ring is wide: {seed} within 100 m, of {scale} in all.",
        )
        labels = CATEGORIES[:categories]
        made.append(dataset_answer(code, words.pop("title"), labels, seed, scale, code == "las", notes=notes, **words))
    return made


def sparse_datasets() -> list[DatasetAnswer]:
    """Hardly anything: all counts small, some of them none."""
    empty = row_of("lfb", "London Fire Brigade incidents", None, "All incidents", (0, 0, 0), (0, 0, 0))
    nothing = dataset_answer("lfb", "London Fire Brigade incidents", FIRES, 4, 0, timed=True, rows=(empty,))
    return [dataset_answer("mps", "Metropolitan Police incidents", CATEGORIES[:5], 8, 3), nothing]


@pytest.fixture
def project(qgis_app):
    """A project of the test's own."""
    made = QgsProject()
    yield made
    made.clear()


# The builders above, for tests that shape their own content.
@pytest.fixture
def samples():
    """This module's builders."""
    return sys.modules[__name__]
