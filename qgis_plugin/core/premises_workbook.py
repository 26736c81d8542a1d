"""The answers for a list of premises as one workbook (XLSX)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Union

from osgeo import ogr

from ...shared.change import RateChange
from ...shared.ring_answer import AnswerRow, RingAnswer
from .analysis_error import AnalysisError
from .premises import Premises, Rejected
from .replacing import PATIENCE_S, delete, put_in_place

_MOST_ROWS = 1_000_000  # of a sheet; Excel ends at 1,048,576
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Value = Union[str, int, float, None]
_KINDS = {str: ogr.OFTString, int: ogr.OFTInteger64, float: ogr.OFTReal}
_PREMISES = (("line", int), ("premises", str), ("reference", str), ("postcode", str), ("borough", str))
_PREMISES += (("easting", int), ("northing", int), ("layer", str), ("hours", str))


class PremisesWorkbook:
    """A workbook that is written as answers come: all incidents, categories, and what could not be searched around.

    Use as a context: at the end it is moved into place; broken off, nothing is left. Raises ``AnalysisError`` where it
    cannot be written.
    """

    def __init__(self, path: Path, radii: Sequence[int]) -> None:
        self._path, self._part = path, path.with_name(f"{path.stem}.part.xlsx")
        figures: list[tuple[str, type]] = []
        for radius in radii:
            figures += [
                (f"{radius} m", int), (f"{radius} m before", int), (f"{radius} m change %", float),
                (f"{radius} m change, low %", float), (f"{radius} m change, high %", float),
                (f"{radius} m change in words", str), (f"{radius} m land km²", float),
                (f"{radius} m per km²", float), (f"{radius} m postcodes with fewer %", float),
                (f"{radius} m compared", str),
            ]  # fmt: skip
        self._sheets = {
            "All incidents": (*_PREMISES, *figures),
            "Categories": (*_PREMISES, ("category", str), *figures),
            "Not searched": (("line", int), ("premises", str), ("why", str)),
            "Read with care": (("layer", str), ("what to know", str)),
        }
        self._counts = dict.fromkeys(self._sheets, 0)
        self._said: set[tuple[str, str]] = set()

    def __enter__(self) -> PremisesWorkbook:
        self._source = _create(self._part, self._path)
        self._layers = {}
        for name, columns in self._sheets.items():
            layer = self._source.CreateLayer(name, None, ogr.wkbNone)
            for column, kind in columns:
                layer.CreateField(ogr.FieldDefn(column, _KINDS[kind]))
            self._layers[name] = layer
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._layers.clear()
        self._source = None  # GDAL writes the file when it is let go
        try:
            if kind is None:
                put_in_place(self._part, self._path)
        except OSError as trouble:
            raise _unwritable(self._path, trouble.strerror or str(trouble)) from trouble
        finally:
            delete(self._part)

    def add(self, premises: Premises, answer: RingAnswer) -> None:
        """The rows of an answer."""
        place = premises.place
        who = (premises.line, premises.name, premises.reference, place.postcode, place.borough)
        for row in answer.rows:
            told = (*who, place.easting, place.northing, row.title, row.band.words)
            if row.category is None:
                self._write("All incidents", (*told, *_figures(row)))
            else:
                self._write("Categories", (*told, row.label, *_figures(row)))
        for dataset in answer.datasets:
            for caveat in dataset.caveats:
                self._say(dataset.title, caveat)
            self._say(dataset.title, dataset.attribution)

    def reject(self, rejected: Iterable[Rejected]) -> None:
        """Rows of the list that could not be searched around, with the reason."""
        for one in rejected:
            self._write("Not searched", (one.line, one.name, one.sentence))

    def say(self, sentences: Iterable[str]) -> None:
        """What is to be known of all of it."""
        for sentence in sentences:
            self._say("", sentence)

    def _say(self, title: str, sentence: str) -> None:
        if sentence and (title, sentence) not in self._said:
            self._said.add((title, sentence))
            self._write("Read with care", (title, sentence))

    def _write(self, sheet: str, values: Sequence[Value]) -> None:
        layer = self._layers[sheet]
        self._counts[sheet] += 1
        if self._counts[sheet] > _MOST_ROWS:
            raise AnalysisError(
                f"The list gives more than {_MOST_ROWS:,} rows, more than a sheet holds: divide it, or choose fewer "
                "layers.",
                "premises",
            )
        feature = ogr.Feature(layer.GetLayerDefn())
        for index, value in enumerate(values):
            if value is not None:
                feature.SetField(index, _harmless(value) if isinstance(value, str) else value)
        layer.CreateFeature(feature)


def _figures(row: AnswerRow) -> list[Value]:
    values: list[Value] = []
    for figure in row.figures:
        values += [figure.count, figure.before, *_change(figure.change), figure.change_told or None]
        values += [figure.covered_km2, figure.rate_per_km2, figure.share_below, figure.sentence or None]
    return values


def _change(change: RateChange | None) -> tuple[Value, ...]:
    """Percentages; an interval without end has none."""
    if change is None or change.ratio is None:
        return None, None, None
    high = None if math.isinf(change.high) else 100 * (change.high - 1)
    return 100 * (change.ratio - 1), 100 * (change.low - 1), high


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _create(part: Path, path: Path) -> ogr.DataSource:
    driver = ogr.GetDriverByName("XLSX")
    if driver is None:
        raise AnalysisError("This QGIS cannot write workbooks (its GDAL lacks XLSX): install a complete QGIS.")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"")  # GDAL would tell only at the end
        delete(part, PATIENCE_S)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    return driver.CreateDataSource(str(part))


def _unwritable(path: Path, reason: str) -> AnalysisError:
    return AnalysisError(
        f"The workbook cannot be written to {path} ({reason}): choose a folder of your own, and close the workbook "
        "where it is open.",
        "premises",
    )
