"""From the National Grid to degrees: the best way that there is, never a ballpark, told in the metadata."""

from __future__ import annotations

from math import cos, hypot, radians
from types import SimpleNamespace

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsDatumTransform,
    QgsPointXY,
    QgsProject,
    QgsVectorLayer,
)
from safestats.qgis_plugin.core import grid_ways
from safestats.qgis_plugin.core.grid_ways import WEB_MAP, WORLD, choose_ways, way_to, way_words
from safestats.qgis_plugin.core.layers import prepare_project
from safestats.qgis_plugin.core.point_facts import NATIONAL_GRID

ETRS89 = "EPSG:4258"  # to which there is OSTN15 or a ballpark
# Ordnance Survey's worked example: the water tower of Caister.
TOWER = QgsPointXY(651_409.804, 313_177.450)
DEGREES = (1 + 42 / 60 + 57.8663 / 3600, 52 + 39 / 60 + 28.8282 / 3600)


@pytest.fixture(autouse=True)
def afresh(qgis_app):
    way_to.cache_clear()
    yield
    way_to.cache_clear()


def crs(system: str) -> QgsCoordinateReferenceSystem:
    return QgsCoordinateReferenceSystem(system)


def operations(*there: tuple[str, bool, float]):
    """What PROJ would list: name, whether it is there, metres."""
    ways = [SimpleNamespace(name=n, isAvailable=a, accuracy=m, proj=f"+proj={n}", grids=[]) for n, a, m in there]
    return SimpleNamespace(operations=lambda _from, _to: ways)


def test_without_the_grid_file_the_project_gets_the_next_best_way() -> None:
    project = QgsProject()
    project.setCrs(crs(WEB_MAP))
    # Somebody's own layers do not keep it from being chosen.
    project.addMapLayer(QgsVectorLayer("Point?crs=EPSG:3857", "own", "memory"))
    prepare_project(project)
    assert project.crs().authid() == WEB_MAP
    if way_to(WORLD).best:
        pytest.skip("OSTN15 is installed here: QGIS takes it unasked.")
    for system in (WORLD, WEB_MAP):
        transform = QgsCoordinateTransform(crs(NATIONAL_GRID), crs(system), project)
        assert transform.coordinateOperation() == way_to(system).proj
        assert way_to(system).accuracy_m == 2
    way = QgsCoordinateTransform(crs(NATIONAL_GRID), crs(WORLD), project)
    there = way.transform(TOWER)
    north, east = (there.y() - DEGREES[1]) * 111_300, (there.x() - DEGREES[0]) * 111_300 * cos(radians(DEGREES[1]))
    assert hypot(north, east) < 5
    back = QgsCoordinateTransform(crs(WORLD), crs(NATIONAL_GRID), project).transform(there)
    assert hypot(back.x() - TOWER.x(), back.y() - TOWER.y()) < 0.01
    assert "OSGB36 to WGS 84 (6)" in way_words() and "about 2 m" in way_words() and "OSTN15" in way_words()


def test_what_the_user_has_chosen_stays() -> None:
    project = QgsProject()
    ways = QgsDatumTransform.operations(crs(NATIONAL_GRID), crs(WORLD))
    own = next(way for way in reversed(ways) if way.isAvailable).proj
    context = project.transformContext()
    context.addCoordinateOperation(crs(NATIONAL_GRID), crs(WORLD), own)
    project.setTransformContext(context)
    prepare_project(project)
    assert project.transformContext().calculateCoordinateOperation(crs(NATIONAL_GRID), crs(WORLD)) == own
    assert project.crs().authid() == NATIONAL_GRID


def test_a_ballpark_is_never_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = operations(("OSTN15", False, 0.03), ("Ballpark geographic offset", True, -1.0))
    monkeypatch.setattr(grid_ways, "QgsDatumTransform", listed)
    project = QgsProject()
    project.setCrs(crs(ETRS89))
    choose_ways(project)
    assert way_to(ETRS89) is None and "no exact way" in way_words()
    assert not project.transformContext().hasTransform(crs(NATIONAL_GRID), crs(ETRS89))


def test_the_best_way_is_used_once_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    project = QgsProject()
    helmert = ("Helmert", True, 2.0)
    monkeypatch.setattr(
        grid_ways, "QgsDatumTransform", operations(("OSTN15", False, 1.0), ("old", True, 21.0), helmert)
    )
    choose_ways(project)
    chosen = project.transformContext().calculateCoordinateOperation(crs(NATIONAL_GRID), crs(WORLD))
    assert chosen == "+proj=Helmert"
    way_to.cache_clear()
    monkeypatch.setattr(grid_ways, "QgsDatumTransform", operations(("OSTN15", True, 1.0), helmert))
    choose_ways(project)
    assert not project.transformContext().hasTransform(crs(NATIONAL_GRID), crs(WORLD))
    assert way_words().endswith("“OSTN15” makes longitude and latitude of them, exact to 1 m.")
