"""Which area a point lies in, and which areas lie near each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ...shared.manifest import SRID
from ..errors import SafeStatsError
from .definitions import NEAREST_WITHIN_M
from .models import Area, AreaEdition, AreaLevel

OUTSIDE = "outside"  # the area code of rows placed outside every LSOA
UNPLACED = "unplaced"  # the area code of rows without a place


@dataclass(frozen=True)
class Lsoa:
    """An LSOA's name and the code of its borough."""

    name: str
    borough_code: str


@dataclass(frozen=True)
class Assignment:
    """For each point the code of its LSOA ("" if none), and whether it is only the nearest one."""

    codes: NDArray[np.object_]
    nearest: NDArray[np.bool_]


class AreaIndex:
    """The LSOAs and boroughs of one edition, in memory."""

    def __init__(
        self, edition: str, attribution: str, lsoas: dict[str, Lsoa], shapes: NDArray, boroughs: dict[str, str]
    ) -> None:
        """``shapes`` are the polygons of ``lsoas``, in their order; ``boroughs`` maps code to name."""
        self.edition = edition
        self.attribution = attribution
        self.lsoas = lsoas
        self.boroughs = boroughs
        self._codes = np.array(list(lsoas), dtype=object)
        self._shapes = shapes
        west, south, east, north = shapely.total_bounds(shapes).tolist()
        self.bounds: tuple[float, float, float, float] = (west, south, east, north)  # metres
        self._tree = shapely.STRtree(shapes)

    @classmethod
    def open(cls, session: Session) -> AreaIndex:
        """The index of the loaded edition that has LSOAs; raises ``SafeStatsError`` where there is none."""
        rows = session.execute(
            select(Area.edition, Area.code, Area.name, Area.parent, Area.shape)
            .where(Area.level == AreaLevel.LSOA)
            .order_by(Area.code)
        ).all()
        if not rows:
            raise SafeStatsError("No areas are loaded: run `safestats init`, or `safestats areas load`.")
        edition = session.get_one(AreaEdition, rows[0].edition)
        boroughs = session.execute(
            select(Area.code, Area.name).where(Area.level == AreaLevel.BOROUGH).order_by(Area.code)
        ).all()
        return cls(
            edition.code,
            edition.attribution,
            {row.code: Lsoa(row.name, row.parent) for row in rows},
            shapely.from_wkb([row.shape for row in rows]),
            {row.code: row.name for row in boroughs},
        )

    def assign(
        self,
        eastings: Sequence[int] | NDArray,
        northings: Sequence[int] | NDArray,
        within_m: float = NEAREST_WITHIN_M,
    ) -> Assignment:
        """The LSOA of each point (metres, EPSG:27700): the one that it lies in, on a border the lower code;
        else the nearest within ``within_m``."""
        places = np.column_stack([np.asarray(eastings), np.asarray(northings)])
        unique, inverse = np.unique(places, axis=0, return_inverse=True)
        points = shapely.points(unique.astype(float))
        found = self._lowest(len(points), *self._tree.query(points, predicate="intersects"))
        away = np.flatnonzero(found < 0)
        near, polygons = self._tree.query_nearest(points[away], max_distance=within_m)
        found[away] = self._lowest(len(away), near, polygons)
        nearest = np.zeros(len(points), dtype=bool)
        nearest[away] = found[away] >= 0
        codes = np.where(found >= 0, self._codes[found], "")
        inverse = inverse.reshape(-1)
        return Assignment(codes[inverse], nearest[inverse])

    def near(self, codes: Iterable[str], metres: float) -> tuple[str, ...]:
        """The codes of the LSOAs within ``metres`` of these areas (LSOAs or boroughs), themselves included."""
        wanted = set(codes)
        chosen = [
            index
            for index, (code, lsoa) in enumerate(self.lsoas.items())
            if code in wanted or lsoa.borough_code in wanted
        ]
        if not chosen:
            return ()
        touched = self._tree.query(self._shapes[chosen], predicate="dwithin", distance=metres)[1]
        return tuple(sorted(self._codes[np.unique(touched)]))

    def land(self, codes: Collection[str], near: shapely.Geometry) -> shapely.Geometry:
        """The land of these areas (LSOAs or boroughs) that meets a shape, as one."""
        wanted = set(codes)
        touched = [
            index
            for index in self._tree.query(near, predicate="intersects")
            if self._codes[index] in wanted or self.lsoas[self._codes[index]].borough_code in wanted
        ]
        return shapely.union_all(self._shapes[touched])

    def codes_in(self, shape: shapely.Geometry) -> list[str]:
        """The codes of the LSOAs that meet a shape."""
        return [str(self._codes[index]) for index in sorted(self._tree.query(shape, predicate="intersects"))]

    def shapes_in(self, shape: shapely.Geometry) -> list[shapely.Geometry]:
        """The LSOAs that meet a shape."""
        return [self._shapes[index] for index in sorted(self._tree.query(shape, predicate="intersects"))]

    def borough_shapes(self, simplified_m: float = 0) -> dict[str, shapely.Geometry]:
        """The outline of each borough by its code, for drawing; borders stay shared where they are simplified."""
        of_lsoa = np.array([lsoa.borough_code for lsoa in self.lsoas.values()], dtype=object)
        codes = sorted(set(of_lsoa))
        whole = np.array([shapely.union_all(self._shapes[of_lsoa == code]) for code in codes], dtype=object)
        if simplified_m:
            whole = shapely.coverage_simplify(whole, simplified_m)
        return dict(zip(codes, whole, strict=True))

    def lsoa_shapes(self, codes: Iterable[str], simplified_m: float = 0) -> dict[str, shapely.Geometry]:
        """The outlines of these LSOAs by code, as ``borough_shapes``."""
        wanted = set(codes)
        chosen = np.array([code in wanted for code in self._codes], dtype=bool)
        shapes = self._shapes[chosen]
        if simplified_m and len(shapes):
            shapes = shapely.coverage_simplify(shapes, simplified_m)
        return dict(zip(self._codes[chosen].tolist(), shapes, strict=True))

    @staticmethod
    def _lowest(count: int, points: NDArray, polygons: NDArray) -> NDArray:
        """For each of ``count`` points the lowest of its polygons, -1 for none. Polygons are in code order."""
        none = np.iinfo(np.int64).max
        found = np.full(count, none)
        np.minimum.at(found, points, polygons)
        found[found == none] = -1
        return found


def load_supplied_areas(session: Session, boundaries: Path) -> str:
    """Load the boundaries that come with the project, unless areas are loaded; returns the edition's code."""
    loaded = session.scalar(select(AreaEdition.code))
    if loaded is not None:
        return loaded
    edition = pyogrio.read_arrow(boundaries, layer="edition")[1].to_pylist()[0]
    for level, parent in ((AreaLevel.BOROUGH, None), (AreaLevel.LSOA, "borough_code")):
        load_areas(
            session,
            boundaries,
            level,
            edition["code"],
            code_field="code",
            name_field="name",
            parent_field=parent,
            title=edition["title"],
            attribution=edition["attribution"],
            layer=str(level),
        )
    return edition["code"]


def load_areas(
    session: Session,
    file: Path,
    level: AreaLevel,
    edition: str,
    *,
    code_field: str,
    name_field: str,
    parent_field: str | None = None,
    title: str = "",
    attribution: str = "",
    layer: str | None = None,
) -> int:
    """Load one level of one edition from any file that GDAL reads; returns how many areas.

    An installation has one edition of each level: LSOAs of another one replace those that are there, and so do
    boroughs and wards. An LSOA's or ward's borough is named by ``parent_field``, else it is the one that its inner
    point lies in. Raises ``SafeStatsError``.
    """
    codes, names, parents, shapes = _read(file, layer, code_field, name_field, parent_field)
    if len(set(codes)) != len(codes):
        raise SafeStatsError(f"{file.name}: the field {code_field} holds a code twice: it does not name areas.")
    if level != AreaLevel.BOROUGH and parents is None:
        parents = _boroughs_of(session, file, shapes)
    known = session.get(AreaEdition, edition)
    if known is None:
        session.add(AreaEdition(code=edition, title=title or edition, attribution=attribution))
        session.flush()
    session.execute(delete(Area).where(Area.level == level))
    session.add_all(
        Area(
            edition=edition,
            code=code,
            level=level,
            name=names[index],
            parent=parents[index] if parents else None,
            shape=shapely.to_wkb(shapes[index]),
        )
        for index, code in enumerate(codes)
    )
    session.flush()
    session.execute(delete(AreaEdition).where(AreaEdition.code.not_in(select(Area.edition))))
    return len(codes)


def list_areas(session: Session) -> list[tuple[str, str, int, str]]:
    """(edition, level, number of areas, title) of what is loaded."""
    found = session.execute(
        select(Area.edition, Area.level, func.count(), AreaEdition.title)
        .join(AreaEdition, AreaEdition.code == Area.edition)
        .group_by(Area.edition, Area.level, AreaEdition.title)
        .order_by(Area.edition, Area.level)
    )
    return [(edition, str(level), number, title) for edition, level, number, title in found]


def _read(
    file: Path, layer: str | None, code_field: str, name_field: str, parent_field: str | None
) -> tuple[list[str], list[str], list[str] | None, NDArray]:
    try:
        meta, table = pyogrio.read_arrow(file, layer=layer, datetime_as_string=True)
    except (DataSourceError, DataLayerError) as error:
        raise SafeStatsError(f"{file}: this file cannot be read as boundaries ({error}).") from error
    for field in filter(None, (code_field, name_field, parent_field)):
        if field not in table.column_names:
            there = ", ".join(map(str, meta["fields"]))
            raise SafeStatsError(f"{file.name} has no field “{field}”; it has: {there}.")
    crs = meta["crs"] or ""
    if crs != f"EPSG:{SRID}" and "British" not in crs:
        raise SafeStatsError(f"{file.name} is not in British National Grid (EPSG:{SRID}): convert it first.")
    shapes = shapely.from_wkb(table.column(meta["geometry_name"] or "wkb_geometry").to_pylist())
    order = np.argsort(np.array(table.column(code_field).to_pylist(), dtype=str), kind="stable")
    column = {
        field: [str(value) for value in np.array(table.column(field).to_pylist(), dtype=object)[order]]
        for field in filter(None, (code_field, name_field, parent_field))
    }
    parents = column[parent_field] if parent_field else None
    return column[code_field], column[name_field], parents, shapely.force_2d(shapes)[order]


def _boroughs_of(session: Session, file: Path, shapes: NDArray) -> list[str]:
    boroughs = session.execute(
        select(Area.code, Area.shape).where(Area.level == AreaLevel.BOROUGH).order_by(Area.code)
    ).all()
    if not boroughs:
        raise SafeStatsError(f"{file.name}: load the boroughs first, or name the field of the area's borough.")
    tree = shapely.STRtree(shapely.from_wkb([row.shape for row in boroughs]))
    inner = shapely.point_on_surface(shapes)
    points, polygons = tree.query_nearest(inner, all_matches=False)
    found = dict(zip(points.tolist(), polygons.tolist(), strict=True))
    return [boroughs[found[index]].code for index in range(len(shapes))]


def borough_code_of(areas: AreaIndex, borough: str) -> str:
    """The code of a borough that is told by it or by its name; raises ``SafeStatsError``."""
    if borough in areas.boroughs:
        return borough
    for code, name in areas.boroughs.items():
        if name.casefold() == borough.strip().casefold():
            return code
    raise SafeStatsError(f"There is no borough {borough[:30]}: name one as in Camden, or by its code, as in E09000007.")
