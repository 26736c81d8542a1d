"""The centre of a search: a postcode, or a point of the National Grid."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...shared.areas import Boundaries
from ...shared.postcodes import PostcodeError, PostcodeIndex, parse
from ...shared.ranks import borough_postcodes
from ...shared.ring_answer import Place
from .analysis_error import AnalysisError
from .resource_files import BOUNDARIES, POSTCODES
from .study_areas import BoroughMap

_POINT = re.compile(r"\s*(\d{5,6})(?:\.\d+)?\s*[,; ]\s*(\d{5,6})(?:\.\d+)?\s*")
# Well around London: a centre beyond it is a slip of the finger, or a map in other units.
_WEST, _SOUTH, _EAST, _NORTH = 450_000, 100_000, 620_000, 260_000


class PlaceFinder:
    """Finds places in the files that come with the plugin; each is read when first needed."""

    def __init__(self, postcodes: Path = POSTCODES, boundaries: Path = BOUNDARIES) -> None:
        self._postcodes_path, self._boundaries_path = postcodes, boundaries
        self._postcodes: PostcodeIndex | None = None
        self._boroughs: BoroughMap | None = None
        self._areas: Boundaries | None = None
        self._postcodes_of: dict[str, np.ndarray] = {}

    @staticmethod
    def check(text: str) -> None:
        """Raises ``AnalysisError`` where the text is neither a point nor of a postcode's shape; reads no file."""
        if not _POINT.fullmatch(text):
            try:
                parse(text)
            except PostcodeError as error:
                raise AnalysisError(str(error), "postcode") from error

    def find(self, text: str) -> Place:
        """The place of a postcode, or of “530000, 180000”; ``AnalysisError`` says what is wrong with the text."""
        point = _POINT.fullmatch(text)
        if point:
            return self.at(float(point[1]), float(point[2]))
        try:
            found = self._index().find(text)
        except PostcodeError as error:
            raise AnalysisError(str(error), "postcode") from error
        label = str(found.postcode)
        borough = self._borough_map().at(found.easting, found.northing)
        return Place(
            label=label,
            easting=found.easting,
            northing=found.northing,
            accuracy=f"One point stands for the whole postcode: {found.quality_text}.",
            postcode=label,
            borough=borough.name if borough else "",
            warning=found.warning,
            borough_code=borough.code if borough else "",
        )

    def suggest(self, text: str, limit: int) -> list[str]:
        """Known postcodes that begin with ``text``, in order, at most ``limit``; ``AnalysisError`` without the list."""
        return self._index().suggest(text, limit)

    def at(self, easting: float, northing: float) -> Place:
        """The place at a point, rounded to whole metres; ``AnalysisError`` where it is far from London."""
        if not (_WEST <= easting <= _EAST and _SOUTH <= northing <= _NORTH):
            raise AnalysisError(
                f"The point {easting:,.0f}, {northing:,.0f} lies far outside London, which is what SafeStats covers: "
                "pick a point in London.",
                "postcode",
            )
        east, north = round(easting), round(northing)
        borough = self._borough_map().at(east, north)
        return Place(
            label=f"{east}, {north}",
            easting=east,
            northing=north,
            accuracy="The point that was picked, to the metre.",
            borough=borough.name if borough else "",
            borough_code=borough.code if borough else "",
        )

    def postcodes_of(self, borough: str) -> np.ndarray:
        """Where the postcodes of a borough (its code) are that can be searched around: eastings and northings."""
        if not self._postcodes_of:
            self._postcodes_of = borough_postcodes(self._index(), self._read_areas())
        return self._postcodes_of[borough]

    def borough_name(self, borough: str) -> str:
        """The name of the borough with this code."""
        return self._read_areas().boroughs[borough].name

    def _read_areas(self) -> Boundaries:
        if self._areas is None:
            try:
                self._areas = Boundaries.read(self._boundaries_path)
            except OSError as error:
                raise AnalysisError(str(error)) from error
        return self._areas

    def _index(self) -> PostcodeIndex:
        if self._postcodes is None:
            try:
                self._postcodes = PostcodeIndex.load(self._postcodes_path)
            except OSError as error:
                raise AnalysisError(
                    f"The list of postcodes cannot be read from {self._postcodes_path}: install the plugin again, or "
                    "pick a point on the map.",
                    "postcode",
                ) from error
        return self._postcodes

    def _borough_map(self) -> BoroughMap:
        if self._boroughs is None:
            self._boroughs = BoroughMap(self._boundaries_path)
        return self._boroughs
