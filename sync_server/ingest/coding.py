"""Values as the definition declares them: codes, bands, numbers, yes and no, counts that were withheld."""

from __future__ import annotations

from collections import Counter

import polars as pl

from ..datasets.definitions import DatasetDefinition, Field, FieldType
from .codes import CodeMap
from .mappings import Mapping

_YES = ("yes", "y", "true", "t", "1", "x", "red", "code red")
_NO = ("no", "n", "false", "f", "0", "none", "not red")
# More different values than that, or longer ones, are people's own words.
_MOST_LISTED = 60
_LONGEST_LISTED = 60
_WITHHELD = r"^(\*+|<\s*\d+|\[?c\]?|suppressed|withheld|\d+\s*(-|to)\s*\d+)$"
_STRANGE = "_strange"


def with_codes(frame: pl.DataFrame, definition: DatasetDefinition, mapping: Mapping) -> pl.DataFrame:
    """Coded fields by code, by label or by what the mapping says of a text, without regard to case; other values
    become null, and stand in ``_strange_<field>``. Numbers and booleans are made such."""
    for declared in definition.fields:
        if declared.name not in frame.columns or frame.schema[declared.name] != pl.String:
            continue
        if declared.codes or declared.name in mapping.codes:
            frame = _coded(frame, declared, mapping.codes.get(declared.name, CodeMap()))
        elif declared.type == FieldType.BOOLEAN:
            frame = _booleans(frame, declared.name)
    if definition.counting is not None:
        frame = _counts(frame, definition.counting.field, definition.counting.withheld)
    for declared in definition.fields:
        if declared.type == FieldType.INTEGER and frame.schema.get(declared.name) == pl.String:
            number = pl.col(declared.name).str.replace_all(",", "").cast(pl.Float64, strict=False)
            frame = frame.with_columns(
                pl.when(number == number.round()).then(number.cast(pl.Int64, strict=False)).alias(declared.name)
            )
    return frame


def with_code_reasons(
    frame: pl.DataFrame,
    definition: DatasetDefinition,
    mapping: Mapping,
    unmapped: Counter[str],
    values: dict[str, Counter[str]],
) -> pl.DataFrame:
    """The reason of rows that lack what is required or have it in no code list; counts what could not be mapped, of
    rows that are taken, and lists it where it is not people's own words."""
    for declared in definition.fields:
        strange = f"{_STRANGE}_{declared.name}"
        if strange not in frame.columns:
            continue
        there = pl.col(strange).is_not_null()
        found = frame.filter(there & pl.col("reason").is_null()).get_column(strange)
        if len(found):
            unmapped[declared.name] += len(found)
            _list(found, declared, definition, mapping, values)
        if declared.required:
            told = pl.when(there).then(pl.lit(f"{declared.alias.lower()} in no code list"))
            frame = frame.with_columns(pl.coalesce(pl.col("reason"), told).alias("reason"))
        frame = frame.drop(strange)
    return frame


def _coded(frame: pl.DataFrame, declared: Field, codes: CodeMap) -> pl.DataFrame:
    """Every text once."""
    own = CodeMap.of({**{label: code for code, label in declared.codes.items()}, **{c: c for c in declared.codes}})
    texts = frame.get_column(declared.name).drop_nulls().unique(maintain_order=True)
    found = []
    for text in texts:
        # What suppliers mean by a number comes before the project's own words.
        code = codes.find(text) or own.find(text)
        if code is None and declared.bands:
            code = _band(text, declared)
        found.append(code)
    if not declared.codes:  # free text with a list of corrections
        found = [text if code is None else code for text, code in zip(texts, found, strict=True)]
    given = pl.col(declared.name)
    led = given.replace_strict(texts, pl.Series(found, dtype=pl.String), default=None, return_dtype=pl.String)
    strange = pl.when(given.is_not_null() & led.is_null()).then(given)
    return frame.with_columns(led.alias(declared.name), strange.alias(f"{_STRANGE}_{declared.name}"))


def _band(text: str, declared: Field) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return next((code for code, (first, last) in declared.bands.items() if first <= int(number) <= last), None)


def _booleans(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    text = pl.col(name).str.to_lowercase()
    return frame.with_columns(
        pl.when(text.is_in(_YES)).then(True).when(text.is_in(_NO)).then(False).cast(pl.Boolean).alias(name)
    )


def _counts(frame: pl.DataFrame, name: str, withheld: str) -> pl.DataFrame:
    """A number, or that it was withheld: never 0 for what is not known."""
    text = pl.col(name)
    hidden = text.str.to_lowercase().str.contains(_WITHHELD).fill_null(False)
    number = pl.when(~hidden).then(text.str.replace_all(",", "").cast(pl.Float64, strict=False))
    told = pl.col(withheld).fill_null(False) if frame.schema.get(withheld) == pl.Boolean else pl.lit(False)
    whole = (number == number.round()) & (number >= 0)
    trouble = pl.when(~hidden & ~told & ~whole.fill_null(False)).then(pl.lit("no number that counts people"))
    return frame.with_columns(
        pl.when(whole & ~told).then(number.cast(pl.Int64, strict=False)).alias(name),
        (hidden | told).alias(withheld),
        pl.coalesce("reason", trouble).alias("reason"),
    )


def _list(
    found: pl.Series,
    declared: Field,
    definition: DatasetDefinition,
    mapping: Mapping,
    values: dict[str, Counter[str]],
) -> None:
    source = mapping.source(declared.name)
    if declared.name in definition.free_text or (source is not None and source.in_own_words):
        return
    counted = dict(found.value_counts().iter_rows())
    if len(counted) > _MOST_LISTED:
        return
    listed = values.setdefault(declared.name, Counter())
    listed.update({text: number for text, number in counted.items() if len(text) <= _LONGEST_LISTED})
