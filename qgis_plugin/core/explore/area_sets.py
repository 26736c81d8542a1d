"""The areas that counts are told by: boroughs and LSOAs that come with the plugin, wards that the server has loaded."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from qgis.core import QgsGeometry, QgsVectorLayer

from ....shared.areas import Boundaries, strays
from ..analysis_error import AnalysisError
from ..errors import ServerTrouble
from ..resource_files import BOUNDARIES
from ..transport import Cancel, Transport, never
from .selection import By

NEAR_M = 1.0  # boroughs so near to each other are neighbours


class Held(Enum):
    """How much of an area the local copy holds; a count of the others would look like peace."""

    WHOLE = "whole"
    PART = "part"
    NONE = "none"


@dataclass(frozen=True)
class Place:
    """An area; ``borough`` is the code of the borough that it is in, its own where it is one."""

    code: str
    name: str
    borough: str


@dataclass(frozen=True)
class AreaSet:
    """The areas of a level by code, in order of their names; the edition is named beside every figure."""

    by: By
    edition: str
    attribution: str
    places: Mapping[str, Place]
    shapes: Mapping[str, QgsGeometry]


class AreaSets:
    """Each set is made once; for tasks, as reading shapes takes a while."""

    def __init__(self) -> None:
        self._made: dict[By, AreaSet] = {}
        self._boundaries: Boundaries | None = None

    @property
    def boundaries(self) -> Boundaries:
        """Codes and names of boroughs and LSOAs, without shapes."""
        if self._boundaries is None:
            self._boundaries = Boundaries.read(BOUNDARIES)
        return self._boundaries

    def known(self, by: By) -> AreaSet | None:
        """The set, where it was made before."""
        return self._made.get(by)

    def get(self, by: By, transport: Transport | None, cancelled: Cancel = never) -> AreaSet:
        """The areas of a level; wards are asked of the server, by ``transport``.

        Raises ``DeskError`` where there are no wards, or nobody is signed in to ask for them.
        """
        if by not in self._made:
            self._made[by] = self._wards(transport, cancelled) if by is By.WARD else self._supplied(by)
        return self._made[by]

    def forget_wards(self) -> None:
        """They are asked for anew: each server has its own edition."""
        self._made.pop(By.WARD, None)

    def neighbours(self, boroughs: Collection[str]) -> frozenset[str]:
        """The boroughs that border these, without them."""
        shapes = self.get(By.BOROUGH, None).shapes
        near = QgsGeometry.unaryUnion([shapes[code] for code in boroughs if code in shapes]).buffer(NEAR_M, 4)
        return frozenset(code for code, shape in shapes.items() if code not in boroughs and shape.intersects(near))

    def held(self, of: AreaSet, areas: Collection[str], in_layer: Mapping[str, int] | None = None) -> dict[str, Held]:
        """How much of each area a copy holds that is bounded to ``areas`` (codes); none named: it is not bounded.

        ``in_layer`` are the rows by borough, all that there ever were (``None``: not shown). An agreement may open
        more than the supplier covers: a borough without any row is not held, and where one borough of all London has
        nearly all rows, what others have is a part.
        """
        beyond = self.uncovered(areas, in_layer)
        named, lsoas = frozenset(areas), self.boundaries.lsoas
        every = Counter(lsoa.parent for lsoa in lsoas.values())
        there = Counter(lsoas[code].parent for code in named if code in lsoas)

        def share(place: Place) -> Held:
            if place.borough in beyond:
                return beyond[place.borough]
            if not areas or place.code in named or place.borough in named:
                return Held.WHOLE
            if of.by is By.LSOA:
                return Held.NONE
            held = there[place.borough]
            return Held.NONE if not held else Held.WHOLE if held == every[place.borough] else Held.PART

        return {code: share(place) for code, place in of.places.items()}

    def uncovered(self, areas: Collection[str], in_layer: Mapping[str, int] | None) -> dict[str, Held]:
        """The boroughs that the agreement opens whole, and in which the layer has nothing, or only strays."""
        if in_layer is None:
            return {}
        boroughs = self.boundaries.boroughs
        opened = [code for code in boroughs if not areas or code in areas]
        found = {code: Held.NONE for code in opened if not in_layer.get(code)}
        return {**found, **dict.fromkeys(strays(opened, boroughs, in_layer), Held.PART)}

    def _supplied(self, by: By) -> AreaSet:
        layer = QgsVectorLayer(f"{BOUNDARIES}|layername={by.value}", by.value, "ogr")
        if not layer.isValid():
            raise AnalysisError(f"The boundaries cannot be read from {BOUNDARIES}: install the plugin again.")
        shapes = {feature["code"]: QgsGeometry(feature.geometry()) for feature in layer.getFeatures()}
        known = self.boundaries.boroughs if by is By.BOROUGH else self.boundaries.lsoas
        places = {area.code: Place(area.code, area.name, area.parent or area.code) for area in known.values()}
        edition = QgsVectorLayer(f"{BOUNDARIES}|layername=edition", "edition", "ogr")
        attribution = next((feature["attribution"] for feature in edition.getFeatures()), "")
        return AreaSet(by, self.boundaries.edition, attribution, _by_name(places), shapes)

    @staticmethod
    def _wards(transport: Transport | None, cancelled: Cancel) -> AreaSet:
        if transport is None:
            raise AnalysisError("Wards come from the server: sign in first, or count by boroughs or LSOAs.", "area")
        answer = transport.get_json(f"/v1/areas/{By.WARD.value}", cancelled=cancelled)
        try:
            return _read_areas(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise ServerTrouble("The server told its wards in a way that cannot be read: update the plugin.") from error


def _read_areas(answer: Mapping[str, Any]) -> AreaSet:
    places, shapes = {}, {}
    for area in answer["areas"]:
        code = str(area["code"])
        shape = QgsGeometry()
        shape.fromWkb(b64decode(area["shape"]))
        if shape.isEmpty():
            raise ValueError(f"{code} has no shape")
        places[code] = Place(code, str(area["name"]), str(area["borough"]))
        shapes[code] = shape
    return AreaSet(By.WARD, str(answer["title"]), str(answer["attribution"]), _by_name(places), shapes)


def _by_name(places: Mapping[str, Place]) -> dict[str, Place]:
    return dict(sorted(places.items(), key=lambda item: (item[1].name, item[0])))
