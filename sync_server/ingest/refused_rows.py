"""Rows that a file has and that could not be taken: which held incidents they are, and how they are told of.

An incident that stands in the file, if with a date that does not exist, has not left its month: it stays as it is held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from ..datasets.definitions import RETURN_MONTH, SITE, DatasetDefinition, Within
from ..datasets.incidents import incident_table
from ..keys import Keys
from .identity import identities_of_id, likenesses
from .tables import TornRow

OF_ANOTHER_SITE, OUTSIDE_LONDON = "of another site", "outside London"
_ELSEWHERE = (OF_ANOTHER_SITE, OUTSIDE_LONDON)  # what such a row says has left
_OF_A_DATE = ("occurred_on", "occurred_time", "hour")
_LEAST_KNOWN = 2  # stable fields, beside those of the return
_LINES_TOLD = 8
_CHUNK = 500


def refused_of(frame: pl.DataFrame, definition: DatasetDefinition, supplier_id: pl.Expr) -> pl.DataFrame:
    """What can be known of the rows of a prepared frame that have a reason: ``period`` (null where its date cannot be
    used, and nothing of the date with it), ``supplier_id`` and the stable fields, coded ones as codes."""
    stable = definition.identity.stable
    dated = pl.col("period").is_not_null()
    return frame.filter(pl.col("reason").is_not_null() & ~pl.col("reason").is_in(_ELSEWHERE)).select(
        "period",
        supplier_id.alias("supplier_id"),
        *(pl.when(dated).then(pl.col(name)).alias(name) if name in _OF_A_DATE else pl.col(name) for name in stable),
    )


def standing_in_file(
    session: Session,
    definition: DatasetDefinition,
    missing: pl.DataFrame,
    refused: pl.DataFrame,
    months: Collection[str],
    keys: Keys,
) -> pl.DataFrame:
    """The ``identity`` of those ``missing`` incidents (``row_id``, ``identity``) that are refused rows of the delivery.

    Known by the supplier's id, else by all of the stable fields that the row has, one incident for one row. A row whose
    date cannot be used may be of any of the ``months``.
    """
    named = refused.filter(pl.col("supplier_id").is_not_null())
    known = set(_identities(definition, named, months, keys))
    by_id = missing.filter(pl.col("identity").is_in(sorted(known)))
    rest = missing.join(by_id, on="identity", how="anti")
    unnamed = refused.filter(pl.col("supplier_id").is_null())
    if rest.is_empty() or unnamed.is_empty():
        return by_id.select("identity")
    return pl.concat([by_id.select("identity"), _alike(_fields_of(session, definition, rest), unnamed, definition)])


def told(bad: Sequence[pl.DataFrame], torn: Iterable[TornRow]) -> str:
    """The rejected rows of a delivery in words, by reason with their lines; "" where there are none."""
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for frame in bad:
        for file, line, reason in frame.select("file", "line", "reason").iter_rows():
            lines[reason, file].append(line)
    for one in torn:
        lines[one.reason.split(":")[0], one.file].append(one.line)
    number, files = sum(map(len, lines.values())), {file for _, file in lines}
    if not number:
        return ""
    parts = [
        f"{reason}: {f'{file} ' if len(files) > 1 else ''}{_lines(sorted(found))}"
        for (reason, file), found in sorted(lines.items(), key=lambda one: (-len(one[1]), one[0]))[:_LINES_TOLD]
    ]
    rows = "One of its rows was" if number == 1 else f"{number:,} of its rows were"
    return f"{rows} rejected, and may be among them ({'; '.join(parts)}): have these mended, and the file sent again."


def _lines(lines: Sequence[int]) -> str:
    if len(lines) > _LINES_TOLD:
        return f"{len(lines):,} lines from {lines[0]} to {lines[-1]}"
    return f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"


def _identities(
    definition: DatasetDefinition, named: pl.DataFrame, months: Collection[str], keys: Keys
) -> Iterable[str]:
    """All by which the incidents of rows with an id may be held: with their likeness, where others bear the id."""
    everywhere = definition.identity.within == Within.DATASET
    by_month: dict[str, list[tuple[str, str]]] = defaultdict(list)
    texts = likenesses(named, definition.identity).to_list()
    for name, period, likeness in zip(named["supplier_id"], named["period"], texts, strict=True):
        for month in [""] if everywhere else [period] if period else months:
            by_month[month] += [(name, ""), (name, likeness)]
    for month, names in by_month.items():
        yield from identities_of_id(keys, definition.code, month, names)


def _fields_of(session: Session, definition: DatasetDefinition, rows: pl.DataFrame) -> pl.DataFrame:
    """``identity``, ``period`` and the stable fields of held rows."""
    table = incident_table(definition)
    names = ["identity", "period", *definition.identity.stable]
    ids = rows.get_column("row_id").to_list()
    found: list[Row[Any]] = []
    for start in range(0, len(ids), _CHUNK):
        chosen = table.c.row_id.in_(ids[start : start + _CHUNK])
        found += session.execute(select(*(table.c[name] for name in names)).where(chosen)).all()
    texts = [[None if value is None else str(value) for value in row] for row in found]
    return pl.DataFrame(texts, schema=dict.fromkeys(names, pl.String), orient="row")


def _alike(held: pl.DataFrame, unnamed: pl.DataFrame, definition: DatasetDefinition) -> pl.DataFrame:
    """The identities of held rows that agree with a refused one in all that is known of it; the fuller ones first."""
    codes = {field.name: dict(field.codes) for field in definition.fields if field.codes}
    fields = ("period", *definition.identity.stable)
    rows = unnamed.select(
        pl.col(name).replace_strict(codes[name], default=None, return_dtype=pl.String)
        if name in codes
        else pl.col(name).cast(pl.String)
        for name in fields
    )
    telling = [name for name in definition.identity.stable if name not in (SITE, RETURN_MONTH)]
    rows = rows.with_columns(
        pl.concat_str([pl.col(name).is_not_null().cast(pl.Int8) for name in fields]).alias("_known"),
        pl.sum_horizontal(pl.col(name).is_not_null() for name in telling).alias("_number"),
    ).filter(pl.col("_number") >= min(_LEAST_KNOWN, len(telling)))
    found: list[pl.DataFrame] = [pl.DataFrame(schema={"identity": pl.String})]
    groups = rows.group_by("_number", "_known", maintain_order=True)
    for (_, known), alike in sorted(groups, key=lambda one: one[0], reverse=True):
        on = [name for name, there in zip(fields, str(known), strict=True) if there == "1"]
        numbered = [one.with_columns(pl.int_range(pl.len()).over(on).alias("_at")) for one in (held, alike)]
        same = numbered[0].join(numbered[1], on=[*on, "_at"], how="semi").select("identity")
        held = held.join(same, on="identity", how="anti")
        found.append(same)
    return pl.concat(found)
