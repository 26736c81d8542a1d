"""From rows of text to incidents: parse, validate, place, assign areas, code, identify. No database in here.

Every step works on whole columns and on unique values. A row that cannot be taken keeps the first reason found;
nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from ...shared.manifest import UNDATED
from ..datasets.areas import OUTSIDE, AreaIndex
from ..datasets.definitions import BUILT_IN_FIELDS, DatasetDefinition, FieldType, Outside, Within
from ..datasets.definitions import Delivery as DeliveryMode
from ..errors import SafeStatsError
from ..keys import Keys
from ..progress import Between, unwatched
from .coding import with_code_reasons, with_codes
from .identity import content_hashes, identify
from .mappings import Mapping, PlaceKind
from .placing import stacked, with_areas, with_places
from .recognition import OWNER
from .refused_rows import OUTSIDE_LONDON, refused_of
from .returns import with_returns
from .rows import RawRows
from .times import with_times

DUPLICATE = "the same incident a second time in this delivery"
CORRECTED = "an incident that a later row of this delivery corrects"
_UNTIDY = r"[\x00-\x1f\x7f]|[^\S ]|\s\s|^\s|\s$"  # what a trimmed text has not
_SAID = "said:"  # before the names of texts as they came
# What the geocoder gives beside the place, for the review queue.
REVIEWED = ("place_key", "ambiguous")
# Places described in words are found by the geocoder, which is given from outside.
PlacesDescribed = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass
class Counts:
    """What became of the rows of one file that were not taken, and values that were not."""

    left: Counter[str] = field(default_factory=Counter)  # by the dataset that they belong to
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    unmapped: Counter[str] = field(default_factory=Counter)  # values in no code list, by field
    unmapped_values: dict[str, Counter[str]] = field(default_factory=dict)  # those that are nobody's own words
    stacked: int = 0  # rows at a point with nine others or more


@dataclass(frozen=True)
class Prepared:
    """One file's rows, and the months that it covers (never that of undated rows, "").

    ``good`` has the declared fields (coded ones as codes), the built-in ones, ``period``, ``area_code``,
    ``supplier_id``, ``area_from``, ``borough_differs``, ``place_key`` and ``ambiguous`` (null but for described
    places that somebody must look at), ``file`` and ``line``; ``bad`` the texts as they came but for free ones,
    ``file``, ``line`` and ``reason``.
    """

    good: pl.DataFrame
    bad: pl.DataFrame
    refused: pl.DataFrame  # what the bad ones may be known again by (``refused_rows.refused_of``)
    months: frozenset[str]
    counts: Counts
    returns: frozenset[tuple[str, str]] = frozenset()  # (site, month) that the file is the whole of
    notes: tuple[str, ...] = ()


def prepare(
    raw: RawRows,
    definition: DatasetDefinition,
    areas: AreaIndex,
    today: date,
    name: str,
    site: str = "",
    place_described: PlacesDescribed | None = None,
    between: Between = unwatched,
) -> Prepared:
    """Make the rows of one file into incidents, all but their identity.

    Raises ``SafeStatsError`` where the whole file belongs to another dataset, or nothing tells whose site it is.
    """
    counts = Counts()
    mapping = raw.mapping
    frame = _texts(raw.frame, mapping, between)
    frame = _leave_others(frame, mapping, definition, counts, name)
    hidden = {"file", "line", OWNER, "reason", *definition.free_text}
    texts = [column for column in frame.columns if column not in hidden]
    frame = frame.with_columns(pl.col(column).alias(_SAID + column) for column in texts)
    frame, told = with_times(frame, definition, mapping, today, raw.months)
    notes = told.lines(name)
    returns: frozenset[tuple[str, str]] = frozenset()
    if definition.delivery == DeliveryMode.REPLACES_RETURN:
        frame, found = with_returns(frame, name, site, raw.months, raw.zero_return)
        returns = found.covered
        notes += found.notes
    between()
    frame = with_codes(frame, definition, mapping)
    between()
    if mapping.placing.kind == PlaceKind.DESCRIBED:
        if place_described is None:
            raise ValueError("described places need a geocoder")
        frame = place_described(frame)
    frame = with_places(frame, mapping)
    between()
    frame = with_areas(frame, areas, definition)
    between()
    if definition.outside == Outside.REJECT:
        outside = pl.when(pl.col("area_code") == OUTSIDE).then(pl.lit(OUTSIDE_LONDON))
        frame = frame.with_columns(pl.coalesce("reason", outside).alias("reason"))
    frame = with_code_reasons(frame, definition, mapping, counts.unmapped, counts.unmapped_values)
    frame = _complete(frame, definition)
    missing = [
        pl.when(pl.col(declared.name).is_null()).then(pl.lit(f"no {declared.alias.lower()}"))
        for declared in definition.fields
        if declared.required
    ]
    frame = frame.with_columns(pl.coalesce("reason", *missing).alias("reason"))
    between()
    months = frozenset(frame.get_column("period").drop_nulls().unique().to_list()) - {UNDATED}
    taken = frame.get_column("reason").is_null()
    bad = frame.filter(~taken).select("file", "line", "reason", *(pl.col(_SAID + name).alias(name) for name in texts))
    counts.rejected.update(dict(bad.get_column("reason").value_counts().iter_rows()))
    id_field = definition.identity.id_field
    supplier_id = (
        pl.col(_SAID + id_field) if id_field and _SAID + id_field in frame.columns else pl.lit(None, pl.String)
    )
    refused = refused_of(frame, definition, supplier_id)
    good = frame.select(
        "file",
        "line",
        "area_from",
        "borough_differs",
        *REVIEWED,
        supplier_id.alias("supplier_id"),
        "period",
        "area_code",
        *_stored(definition),
    )
    del frame  # of a million rows, no two frames at once that need not be
    between()
    if not taken.all():
        good = good.filter(taken)
    between()
    counts.stacked = stacked(good)
    return Prepared(
        good,
        bad,
        refused,
        months,
        counts,
        returns,
        tuple(notes),
    )


def finish(
    good: pl.DataFrame, definition: DatasetDefinition, keys: Keys, between: Between = unwatched
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of a whole delivery with ``identity`` and ``content``, codes made labels; and the duplicates, which
    have ``reason``."""
    marked = identify(good, definition.code, keys, definition.identity, between)
    marked = marked.with_columns(
        pl.col(declared.name).replace_strict(dict(declared.codes), default=None, return_dtype=pl.String)
        for declared in definition.fields
        if declared.codes
    )
    marked = marked.with_columns(content_hashes(marked, ["period", "area_code", *_stored(definition)], between))
    twice = bool(marked.get_column("duplicate").any())
    rows = (marked.filter(~pl.col("duplicate")) if twice else marked).drop("duplicate")
    duplicates = marked.filter("duplicate")
    # The few that are asked for first: joined to all, a million rows would be looked up.
    taken = rows.select("identity", pl.col("content").alias("_taken")).join(duplicates, on="identity", how="semi")
    duplicates = duplicates.join(taken, on="identity", how="left", maintain_order="left")
    other = pl.lit(definition.identity.within == Within.DATASET) & (pl.col("content") != pl.col("_taken"))
    reason = pl.when(other).then(pl.lit(CORRECTED)).otherwise(pl.lit(DUPLICATE))
    return rows, duplicates.select("file", "line", reason.alias("reason"))


def _stored(definition: DatasetDefinition) -> list[str]:
    return [declared.name for declared in (*BUILT_IN_FIELDS, *definition.fields)]


def _complete(frame: pl.DataFrame, definition: DatasetDefinition) -> pl.DataFrame:
    """Every declared field, null where nothing gave it."""
    kinds = {
        FieldType.INTEGER: pl.Int64,
        FieldType.REAL: pl.Float64,
        FieldType.BOOLEAN: pl.Boolean,
        FieldType.DATE: pl.Date,
    }
    missing = [
        pl.lit(None, kinds.get(declared.type, pl.String)).alias(declared.name)
        for declared in definition.fields
        if declared.name not in frame.columns
    ]
    reviewed: dict[str, pl.DataType] = {"place_key": pl.String(), "ambiguous": pl.List(pl.String)}
    missing += [pl.lit(None, kind).alias(name) for name, kind in reviewed.items() if name not in frame.columns]
    return frame.with_columns(missing)


def _texts(frame: pl.DataFrame, mapping: Mapping, between: Between) -> pl.DataFrame:
    """Trimmed texts, null where there is nothing; a target that the file lacks is all null."""
    there = [source for source in mapping.sources if source.target in frame.columns]
    nothing = {source.target: ["", *source.empty] for source in there}
    # Control characters are no text: a GeoPackage would end at a NUL what the slice's name proves whole.
    untidy = frame.select(pl.col(list(nothing)).str.contains(_UNTIDY).any()).row(0, named=True) if there else {}
    between()
    made = []
    for source in there:
        text = pl.col(source.target)
        if untidy[source.target]:
            text = text.str.replace_all(r"[\s\x00-\x1f\x7f]+", " ").str.strip_chars()
        if source.strip_prefix:
            text = text.str.strip_prefix(source.strip_prefix).str.strip_chars()
        made.append(pl.when(~text.is_in(nothing[source.target])).then(text).alias(source.target))
    missing = {source.target for source in mapping.sources}.difference(nothing)
    frame = frame.with_columns(made).with_columns(pl.lit(None, pl.String).alias(target) for target in sorted(missing))
    between()
    for target, value in mapping.constants.items():
        given = pl.col(target) if target in frame.columns else pl.lit(None, pl.String)
        frame = frame.with_columns(pl.coalesce(given, pl.lit(value)).alias(target))
    return frame.with_columns(pl.lit(None, pl.String).alias("reason"))


def _leave_others(
    frame: pl.DataFrame, mapping: Mapping, definition: DatasetDefinition, counts: Counts, name: str
) -> pl.DataFrame:
    if not mapping.owner_headers or frame.is_empty():
        return frame
    owner = pl.col(OWNER).str.strip_chars().replace_strict(mapping.owners, default=None, return_dtype=pl.String)
    frame = frame.with_columns(owner.alias("_dataset"))
    others = frame.filter(pl.col("_dataset") != definition.code)
    if len(others) == len(frame):
        belongs = " and ".join(sorted(others.get_column("_dataset").unique()))
        raise SafeStatsError(f"{name} holds no row of {definition.supplier}: load it as {belongs}.")
    counts.left.update(dict(others.get_column("_dataset").value_counts().iter_rows()))
    frame = frame.filter(pl.col("_dataset").is_null() | (pl.col("_dataset") == definition.code))
    unknown = pl.when(pl.col("_dataset").is_null()).then(pl.lit("reported by nobody who is known"))
    return frame.with_columns(unknown.alias("reason")).drop("_dataset")


def rejected_records(bad: pl.DataFrame, hidden: Sequence[str] = ("file", "line", "reason")) -> list[dict[str, str]]:
    """What may be kept of each row: its mapped texts, where there are any."""
    names = [name for name in bad.columns if name not in hidden]
    return [
        {name: str(value) for name, value in zip(names, row, strict=True) if value is not None}
        for row in bad.select(names).iter_rows()
    ]
