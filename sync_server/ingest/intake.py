"""Takes a delivery's files in, one after the other: read, screened, validated and placed, nothing stored yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from ..datasets.areas import AreaIndex
from ..datasets.definitions import DatasetDefinition
from ..datasets.definitions import Delivery as DeliveryMode
from ..errors import SafeStatsError
from ..geocoding.places import Places, place_described
from ..progress import Between
from ..screening.names import shown_file
from ..services import Services
from .mappings import Mapping
from .pipeline import PlacesDescribed, prepare
from .report import DeliveryReport
from .rows import read_rows
from .source import SYNTHETIC_MARK
from .tables import SourceFile, TornRow


class Intake:
    """Takes file after file and keeps what became of their rows."""

    def __init__(
        self,
        definition: DatasetDefinition,
        areas: AreaIndex,
        mappings: Sequence[Mapping],
        saved: Mapping | None,
        places: PlacesDescribed,
        today: date,
        site: str,
        report: DeliveryReport,
    ) -> None:
        self.good: list[pl.DataFrame] = []  # rows as ``pipeline.prepare`` gives them
        self.bad: list[pl.DataFrame] = []
        self.refused: list[pl.DataFrame] = []  # as ``refused_rows.refused_of`` gives them
        self.torn: list[TornRow] = []
        self.returns: set[tuple[str, str]] = set()
        self._definition = definition
        self._areas = areas
        self._mappings = mappings
        self._saved = saved
        self._places = places
        self._today = today
        self._site = site
        self._report = report
        self._file_of_month: dict[str, str] = {}

    def take(self, source: SourceFile, between: Between) -> None:
        """Read and prepare one file; adds to the report."""
        between()
        raw = read_rows(source, self._definition, self._mappings, self._saved, between)
        name = source.name
        del source
        prepared = prepare(raw, self._definition, self._areas, self._today, name, self._site, self._places, between)
        months = set(prepared.months) | ({raw.zero_return} - {""})
        if self._definition.delivery == DeliveryMode.REPLACES:
            self._refuse_second_file(months, name)
        elif self._definition.delivery == DeliveryMode.REPLACES_RETURN:
            self._refuse_second_file({f"{site} in {month}" for site, month in prepared.returns}, name)
        self.good.append(prepared.good)
        self.bad.append(prepared.bad)
        self.refused.append(prepared.refused)
        self.torn += raw.torn
        self.returns |= prepared.returns
        report = self._report
        counts = prepared.counts
        report.months = sorted(set(report.months) | months)
        report.returns = [] if report.additions else sorted([site, month] for site, month in self.returns)
        report.left += counts.left
        report.rejected += counts.rejected
        # What cut a row off differs by row; the record of the row tells it.
        report.rejected.update(torn.reason.split(":")[0] for torn in raw.torn)
        report.unmapped += counts.unmapped
        for field, values in counts.unmapped_values.items():
            known = Counter(report.unmapped_values.get(field, {})) + values
            report.unmapped_values[field] = dict(known.most_common())
        report.stacked += counts.stacked
        report.dropped += raw.dropped
        report.blanked += raw.blanked
        report.mappings[raw.mapping.code] = report.mappings.get(raw.mapping.code, 0) + 1
        report.notes += [*raw.notes, *prepared.notes]

    def _refuse_second_file(self, months: set[str], name: str) -> None:
        for month in sorted(months):
            if month in self._file_of_month:
                raise SafeStatsError(
                    f"{self._file_of_month[month]} and {name} both hold {self._definition.code} for {month}, "
                    "and each file is the whole of its month: name only the newer one."
                )
            self._file_of_month[month] = name


def is_synthetic(files: Sequence[Path], told: bool | None) -> bool:
    """Whether the files hold made-up incidents; raises ``SafeStatsError`` where some do and some do not."""
    if not files:
        raise SafeStatsError("No file was named: name at least one.")
    marked = [
        shown_file(file.name, at) for at, file in enumerate(files, start=1) if SYNTHETIC_MARK in file.name.casefold()
    ]
    if marked and (told is False or len(marked) < len(files)):
        raise SafeStatsError(
            f"{marked[0]} is synthetic by its name: synthetic and real incidents are never loaded together."
        )
    return bool(marked) if told is None else told


def read_sources(files: Sequence[Path], report: DeliveryReport) -> list[SourceFile]:
    """The files, each content once; the report names them."""
    sources: dict[str, SourceFile] = {}
    for number, path in enumerate(files, start=1):
        source = SourceFile.read(path, number)
        first = sources.setdefault(source.sha256, source)
        if first is not source:
            report.notes.append(f"{source.name} is the same file as {first.name}: it was taken once.")
    report.files = [
        {"name": source.name, "size": len(source.data), "sha256": source.sha256} for source in sources.values()
    ]
    return list(sources.values())


def places_for(services: Services, dataset: str, synthetic: bool) -> PlacesDescribed:
    """The geocoder, which is opened only where a mapping calls for it."""
    opened: list[Places] = []

    def place(frame: pl.DataFrame) -> pl.DataFrame:
        if not opened:
            # A session of its own, ended here: one that is used after its end holds the database's former state.
            with services.database.read() as session:
                opened.append(Places.open(services, session, dataset, synthetic=synthetic))
        return place_described(frame, opened[0])

    return place
