"""What a load would make of files, without loading them: for suppliers before they send, and for the team."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from ..datasets.definitions import DatasetDefinition
from ..datasets.definitions import Delivery as DeliveryMode
from ..errors import SafeStatsError
from ..geocoding.places import Places, place_described
from ..geocoding.review import waiting_for_review
from ..ingest import saved_mappings
from ..ingest.mappings import Mapping, read_mappings
from ..ingest.pipeline import PlacesDescribed, Prepared, finish, prepare
from ..ingest.recognition import all_headers, missing_headers
from ..ingest.rows import read_rows
from ..ingest.tables import SourceFile, read_tables
from ..instants import london_today
from ..quality.measuring import Part, completeness
from ..quality.standards import Measure
from ..services import Services

_MOST_ROWS = 20  # rows with trouble that are told one by one
_SYNTHETIC_MARK = "synthetic"


@dataclass(frozen=True)
class RowTrouble:
    """A row that would not be taken: where it stands and why, never what it holds."""

    file: str
    line: int
    reason: str


@dataclass
class CheckReport:
    """What would become of files. ``refusal`` is the sentence with which they would be refused, else ""."""

    dataset: str
    site: str = ""
    files: list[str] = field(default_factory=list)
    refusal: str = ""
    months: list[str] = field(default_factory=list)
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    left: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    blanked: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    undated: int = 0  # of the accepted rows, those whose date is not known
    unplaced: int = 0  # those whose place is not known
    to_review: int = 0  # those whose description of the place somebody would have to look at
    notes: list[str] = field(default_factory=list)
    rows: list[RowTrouble] = field(default_factory=list)  # the first of those with trouble

    @property
    def taken(self) -> bool:
        """Whether a load would take the files."""
        return not self.refusal

    @property
    def rows_in(self) -> int:
        """Every row counted once."""
        return self.accepted + self.rejected.total() + self.duplicates + self.left.total()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        counters = ("rejected", "left", "dropped", "blanked", "unmapped")
        return {
            "dataset": self.dataset,
            "site": self.site,
            "files": self.files,
            "taken": self.taken,
            "refusal": self.refusal,
            "months": self.months,
            "rows_in": self.rows_in,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "undated": self.undated,
            "unplaced": self.unplaced,
            "to_review": self.to_review,
            **{name: dict(getattr(self, name)) for name in counters},
            "notes": self.notes,
            "rows": [{"file": row.file, "line": row.line, "reason": row.reason} for row in self.rows],
        }

    def sentences(self) -> list[str]:
        """The report for people."""
        if self.refusal:
            return [f"This would be refused: {self.refusal}", "Nothing was changed."]
        when = f" of {self.months[0]}" if len(self.months) == 1 else ""
        when = f" of {self.months[0]} to {self.months[-1]}" if len(self.months) > 1 else when
        lines = [
            f"This would be taken as {self.dataset}: {_rows(self.accepted)} of {self.rows_in:,}{when}.",
            *(f"{_rows(number)} would be rejected: {reason}." for reason, number in self.rejected.most_common()),
        ]
        if self.duplicates:
            lines.append(f"{_rows(self.duplicates)} would be left out, being there a second time.")
        lines += [f"{_rows(number)} would be left out: they belong to {other}." for other, number in self.left.items()]
        if self.undated:
            lines.append(f"{_rows(self.undated)} would be taken without a date, which is not known.")
        if self.unplaced:
            lines.append(f"{_rows(self.unplaced)} would be taken without a place, which is not known.")
        if self.to_review:
            lines.append(
                f"{_rows(self.to_review)} would wait until the SafeStats team has looked at the place’s words."
            )
        lines += [
            f"Not agreed and dropped: {_values(number)} of {what}." for what, number in self.dropped.items() if number
        ]
        lines += [f"Taken out of the text: {_values(number)}, {what}." for what, number in self.blanked.items()]
        lines += [f"In no code list: {_values(number)} of {name}." for name, number in self.unmapped.items()]
        lines += self.notes
        lines += [f"{row.file}, line {row.line}: {row.reason}." for row in self.rows]
        told = self.rejected.total() - len(self.rows)
        if told > 0 and self.rows:
            lines.append(f"And {_rows(told)} more with trouble.")
        return [*lines, "What is held was not compared, and nothing was changed."]


def check(
    services: Services,
    dataset: str,
    sources: Sequence[SourceFile],
    site: str = "",
    organisation: str | None = None,
    today: date | None = None,
) -> CheckReport:
    """Read, screen, map and validate files as a load of that dataset and site would; the database is only read.

    Raises ``SafeStatsError`` where the question itself is wrong (no such dataset, no file): what is wrong with the
    files is told by the report.
    """
    definition = services.definition(dataset)
    if not sources:
        raise SafeStatsError("No file was named: name at least one.")
    report = CheckReport(dataset, site, [source.name for source in sources])
    try:
        _take(services, definition, sources, organisation, today or london_today(), report)
    except SafeStatsError as error:
        report.refusal = str(error)
    return report


def dataset_of(services: Services, source: SourceFile) -> str:
    """The dataset whose file this is, by its headers; raises ``SafeStatsError`` where it is none's, or several's."""
    mappings = _mappings(services)
    tables = read_tables(source, all_headers(mappings))
    fitting = {code for table in tables for one in mappings if not missing_headers(table, one) for code in one.datasets}
    known = sorted(fitting & set(services.definitions))
    if len(known) == 1:
        return known[0]
    if known:
        raise SafeStatsError(f"{source.name} may be a file of {' or '.join(known)}: say which with --dataset.")
    raise SafeStatsError(f"{source.name} is like no dataset's file: say which is meant with --dataset.")


def _mappings(services: Services) -> list[Mapping]:
    return read_mappings(services.settings.resources_dir / "mappings", dict(services.definitions))


def _take(
    services: Services,
    definition: DatasetDefinition,
    sources: Sequence[SourceFile],
    organisation: str | None,
    today: date,
    report: CheckReport,
) -> None:
    mappings = _mappings(services)
    synthetic = [_SYNTHETIC_MARK in source.name.casefold() for source in sources]
    if any(synthetic) and not all(synthetic):
        raise SafeStatsError("Synthetic and real incidents are never loaded together: send them apart.")
    with services.database.read() as session:
        saved = saved_mappings.mapping_for(services, session, organisation, definition.code, report.site, mappings)
        opened: list[Places] = []

        def place(frame: pl.DataFrame) -> pl.DataFrame:
            if not opened:
                opened.append(Places.open(services, session, definition.code, synthetic=all(synthetic)))
            return place_described(frame, opened[0])

        parts = [_prepared(services, definition, source, mappings, saved, today, place, report) for source in sources]
    _refuse_the_same_month_twice(definition, sources, parts)
    rows, duplicates = finish(pl.concat([part.good for part in parts]), definition, services.keys)
    report.accepted, report.duplicates = len(rows), len(duplicates)
    known = completeness(definition, rows)
    report.undated, report.unplaced = (_unknown(known.get(one)) for one in (Measure.DATE, Measure.PLACE))
    report.to_review = len(waiting_for_review(rows))


def _prepared(
    services: Services,
    definition: DatasetDefinition,
    source: SourceFile,
    mappings: Sequence[Mapping],
    saved: Mapping | None,
    today: date,
    place: PlacesDescribed,
    report: CheckReport,
) -> Prepared:
    raw = read_rows(source, definition, mappings, saved)
    prepared = prepare(raw, definition, services.areas, today, source.name, report.site, place)
    report.months = sorted({*report.months, *prepared.months, *({raw.zero_return} - {""})})
    report.left += prepared.counts.left
    report.rejected += prepared.counts.rejected
    report.rejected.update(torn.reason.split(":")[0] for torn in raw.torn)
    report.unmapped += prepared.counts.unmapped
    report.dropped += raw.dropped
    report.blanked += raw.blanked
    report.notes += [*raw.notes, *prepared.notes]
    troubles = [RowTrouble(torn.file, torn.line, torn.reason) for torn in raw.torn]
    troubles += [RowTrouble(*row) for row in prepared.bad.select("file", "line", "reason").iter_rows()]
    report.rows += troubles[: _MOST_ROWS - len(report.rows)]
    return prepared


def _refuse_the_same_month_twice(
    definition: DatasetDefinition, sources: Sequence[SourceFile], parts: Sequence[Prepared]
) -> None:
    if definition.delivery not in (DeliveryMode.REPLACES, DeliveryMode.REPLACES_RETURN):
        return
    first: dict[Any, str] = {}
    for source, part in zip(sources, parts, strict=True):
        for covered in part.months if definition.delivery == DeliveryMode.REPLACES else part.returns:
            if first.setdefault(covered, source.name) != source.name:
                raise SafeStatsError(
                    f"{first[covered]} and {source.name} both hold the same month, and each file is the whole of its "
                    "month: send only the newer one."
                )


def _unknown(part: Part | None) -> int:
    return part.of - part.count if part else 0


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _values(number: int) -> str:
    return "1 value" if number == 1 else f"{number:,} values"
