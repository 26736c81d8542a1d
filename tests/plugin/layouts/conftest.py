"""A finished hotspot run and a finished search, small or as full as life makes them, without any real incident."""

from __future__ import annotations

import sys
from datetime import date

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core.hotspot_styles import (
    DensityClasses,
    density_classes,
    gi_classes,
    style_gi_grid,
    style_raster,
)
from safestats.qgis_plugin.core.hotspots import HotspotResult, Method
from safestats.qgis_plugin.core.periods import Period
from safestats.qgis_plugin.core.proximity import DatasetRings, Place, ProximityResult, RingCounts
from safestats.qgis_plugin.core.study_areas import StudyArea, burn
from safestats.qgis_plugin.layouts.base_map import BOUNDARIES

YEAR = Period("2025-01", "2025-12")
YEAR_BEFORE = Period("2024-01", "2024-12")
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


def rings_of(labels, seed: int, scale: int):
    """Categories with counts that fall from one to the next; some of them small."""
    random = np.random.default_rng(seed)
    rows = []
    for number, label in enumerate(labels):
        outer = int(scale / (number + 1) ** 1.3)
        counts = (outer // 14, outer // 4, outer)
        before = tuple(int(c * random.uniform(0.7, 1.3)) for c in counts)
        rows.append(RingCounts(label, counts, before))
    total = RingCounts(
        "All categories",
        tuple(sum(r.counts[i] for r in rows) for i in range(3)),
        tuple(sum(r.previous[i] for r in rows) for i in range(3)),
    )
    return tuple(rows), total


def dataset_rings(code: str, title: str, labels, seed: int, scale: int, **changes) -> DatasetRings:
    """One dataset's part of a search."""
    rows, total = rings_of(labels, seed, scale)
    values = {
        "layer_id": "",
        "dataset": code,
        "title": title,
        "rows": rows,
        "total": total,
        "period": YEAR,
        "previous_period": YEAR_BEFORE,
        "unplaced": 412,
        "largest_stack": 37,
        "snapped": code != "lfb",
        "caveats": CAVEATS if code != "lfb" else ("Only incidents outside homes have exact places.",),
        "attribution": MET_ATTRIBUTION,
        "synthetic": True,
        "newest_month": "2025-12",
        "hours": None,
        "unknown_hour": 0,
    }
    return DatasetRings(**{**values, **changes})


def proximity_result(datasets, **changes) -> ProximityResult:
    """A search around SE1 2AA."""
    radii = (100, 250, 500)
    centre = QgsGeometry.fromPointXY(QgsPointXY(533500, 180050))
    values = {
        "place": Place(
            label="SE1 2AA",
            easting=533500,
            northing=180050,
            accuracy="The point is within the building of the address nearest the postcode's mean position.",
            postcode="SE1 2AA",
            borough="Southwark",
        ),
        "radii": radii,
        "areas_km2": tuple(np.pi * (r / 1000) ** 2 for r in radii),
        "rings": tuple(centre.buffer(r, 72) for r in radii),
        "period": YEAR,
        "band": "",
        "datasets": tuple(datasets),
        "searched_on": date(2026, 11, 22),
    }
    return ProximityResult(**{**values, **changes})


def busy_hours() -> tuple[tuple[int, ...], ...]:
    """A week whose weekend nights are busy."""
    hours = np.arange(24)
    week = []
    for weekday in range(7):
        night = 14 if weekday >= 4 else 4
        week.append(
            tuple(int(n) for n in 2 + 6 * np.exp(-((hours - 17) ** 2) / 18) + night * np.exp(-((hours - 23) ** 2) / 6))
        )
    return tuple(week)


def four_datasets() -> list[DatasetRings]:
    """As full as it gets: 14 categories, big counts, four datasets, hours in one of them."""
    return [
        dataset_rings("mps", "Metropolitan Police incidents", CATEGORIES, 1, 21467),
        dataset_rings("colp", "City of London Police incidents", CATEGORIES, 2, 1240),
        dataset_rings("btp", "British Transport Police incidents", CATEGORIES[:9], 3, 530),
        dataset_rings(
            "lfb",
            "London Fire Brigade incidents",
            ("False alarm", "Special service", "Fire"),
            4,
            312,
            hours=busy_hours(),
            unknown_hour=7,
        ),
    ]


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
