"""Compares a delivery with what is held and writes the difference for the next release.

What is published is never changed: a row that goes is closed at the next release, a new version begins there.
Rows that were staged and not yet published are replaced physically.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Table, and_, delete, false, func, or_, select, update
from sqlalchemy.orm import Session

from ...shared.manifest import FID_KEY_BITS, UNDATED
from ..datasets.definitions import BUILT_IN_FIELDS, RETURN_MONTH, SITE, DatasetDefinition, Delivery, Within
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError
from ..keys import PRECISIONS, Keys, day_number
from ..progress import Between, ReportsProgress, unwatched
from ..spatial.backend import backend_of
from .refused_rows import standing_in_file

# More than this share of a month gone at once is a wrong or cut file rather than a correction.
WITHDRAWABLE_SHARE = 0.2
# So few incidents of a month may have other dates in records that add, however small the month.
FREELY_MOVED = 5
# So few incidents of a site's return may go from it, however small it is, if one stays.
FREELY_WITHDRAWN = 3
_OF = " of "
_PIECE = 100_000
_FIDS = tuple(f"fid_{precision}" for precision in PRECISIONS)


class WithdrawsTooMuchError(SafeStatsError):
    """The delivery lacks so many incidents of a month that somebody must say that it is whole.

    ``because`` tells of the rejected rows that may be them, "" where there are none.
    """

    def __init__(self, sentence: str, because: str) -> None:
        super().__init__(f"{sentence} {because}".rstrip())
        self.because = because


@dataclass(frozen=True)
class Covered:
    """What a delivery is the whole of, where it replaces: months, or the months of sites' returns."""

    months: frozenset[str]
    returns: frozenset[tuple[str, str]] = frozenset()  # (site, month)


@dataclass(frozen=True)
class Difference:
    """What a delivery changes. Frames of held rows have ``row_id`` and ``from_release``."""

    new: pl.DataFrame  # rows to write, with their feature ids
    closed: pl.DataFrame  # held rows that end
    reopened: list[int]  # held rows whose end was staged and does not come after all
    added: int
    changed: int
    withdrawn: int
    unchanged: int
    kept: int = 0  # held rows that stay as they are, for theirs in the delivery were rejected

    @property
    def empty(self) -> bool:
        """Nothing is to be written."""
        return self.new.is_empty() and self.closed.is_empty() and not self.reopened


def compare(
    session: Session,
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    whole: Covered,
    release: int,
    keys: Keys,
    accept_withdrawals: bool,
    between: Between = unwatched,
    refused: pl.DataFrame | None = None,
    because: Callable[[], str] = str,
) -> Difference:
    """The difference between the delivered ``rows`` and those held of what the delivery is the ``whole`` of.

    Where an id names one incident of the whole dataset, it is looked up in every month. Raises
    ``WithdrawsTooMuchError`` where too much of a month, or of a return, would leave it: withdrawn, or moved elsewhere
    by another date. What is among the ``refused`` rows of the delivery stays; ``because`` tells of them.
    """
    table = incident_table(definition)
    covered = sorted({*whole.months, *rows.get_column("period").unique()})
    # A return's assaults lie in several months; and ids must not clash with those of other rows of the same days.
    by_return = definition.delivery == Delivery.REPLACES_RETURN
    where = table.c.period.in_(covered)
    held = _held(session, definition, table, or_(where, _of_returns(table, whole.returns)) if by_return else where)
    if definition.identity.within == Within.DATASET:
        standing = held.filter(pl.col("to_release").is_null())
        missing = rows.join(standing, on="identity", how="anti").get_column("identity").to_list()
        elsewhere = [
            _held(session, definition, table, table.c.identity.in_(chunk) & table.c.period.not_in(covered))
            for chunk in _chunks(missing)
        ]
        held = pl.concat([held, *elsewhere])
    heads = held.filter(pl.col("to_release").is_null())
    between()
    # Their names alone: a million rows are copied once, at the end, and only where they are not all new.
    matched = (
        rows.select("identity", "content")
        .with_row_index("_at")
        .join(
            heads.select("identity", pl.col("content").alias("_held")), on="identity", how="left", maintain_order="left"
        )
    )
    fresh = matched.filter(pl.col("_held").is_null())
    changed = matched.filter(pl.col("_held") != pl.col("content"))
    between()
    withdrawn = heads.clear()
    if by_return or definition.delivery == Delivery.REPLACES:
        if by_return:
            returned = _ids_of_returns(session, table, whole.returns)
            replaced = heads.filter(pl.col("row_id").is_in(returned))
        else:
            replaced = heads.filter(pl.col("period").is_in(covered))
        again = rows.select("identity").join(replaced, on="identity", how="semi")
        withdrawn = replaced.join(again, on="identity", how="anti")
    kept = 0
    if refused is not None and not (refused.is_empty() or withdrawn.is_empty()):
        standing = standing_in_file(session, definition, withdrawn, refused, covered, keys)
        withdrawn, kept = withdrawn.join(standing, on="identity", how="anti"), len(standing)
    if not accept_withdrawals:
        _refuse_mass_leaving(session, definition, rows, heads, withdrawn, release, because)
    closing = pl.concat([withdrawn, heads.join(changed.select("identity"), on="identity", how="semi")])
    ended = held.filter(pl.col("to_release") == release)
    coming = pl.concat([fresh, changed])
    reopened = ended.join(coming, on=["identity", "content"], how="semi")
    if not reopened.is_empty():
        coming = coming.join(reopened, on=["identity", "content"], how="anti")
    arriving = rows if len(coming) == len(rows) == len(fresh) else rows[coming.get_column("_at")]
    between()
    return Difference(
        _with_feature_ids(arriving, held, keys, between),
        closing.select("row_id", "from_release"),
        reopened.get_column("row_id").to_list(),
        added=len(fresh),
        changed=len(changed),
        withdrawn=len(withdrawn),
        unchanged=len(matched) - len(fresh) - len(changed),
        kept=kept,
    )


def write(
    session: Session,
    definition: DatasetDefinition,
    difference: Difference,
    release: int,
    delivery_id: int,
    progress: ReportsProgress,
) -> None:
    """Stage the difference for ``release``."""
    table = incident_table(definition)
    backend_of(session.get_bind().dialect).settle(session)
    staged = difference.closed.filter(pl.col("from_release") == release).get_column("row_id").to_list()
    published = difference.closed.filter(pl.col("from_release") != release).get_column("row_id").to_list()
    for chunk in _chunks(staged):
        session.execute(delete(table).where(table.c.row_id.in_(chunk)))
    for chunk in _chunks(published):
        session.execute(update(table).where(table.c.row_id.in_(chunk)).values(to_release=release))
    for chunk in _chunks(difference.reopened):
        session.execute(update(table).where(table.c.row_id.in_(chunk)).values(to_release=None))
    _insert(session, definition, difference.new, release, delivery_id, progress)


def live_rows(session: Session, definition: DatasetDefinition) -> int:
    """How many rows stand once everything staged is published."""
    table = incident_table(definition)
    return session.scalar(select(func.count()).select_from(table).where(table.c.to_release.is_(None))) or 0


def _of_returns(table: Table, returns: Iterable[tuple[str, str]]) -> ColumnElement[bool]:
    pairs = [and_(table.c[SITE] == site, table.c[RETURN_MONTH] == month) for site, month in sorted(returns)]
    return or_(false(), *pairs)


def _ids_of_returns(session: Session, table: Table, returns: Iterable[tuple[str, str]]) -> list[int]:
    return list(session.scalars(select(table.c.row_id).where(_of_returns(table, returns))))


def _held(session: Session, definition: DatasetDefinition, table: Table, which: ColumnElement[bool]) -> pl.DataFrame:
    """The versions with their feature ids."""
    return _versions(session, definition, table, which, ("row_id", "identity", "content", "period", *_FIDS))


def _versions(
    session: Session, definition: DatasetDefinition, table: Table, which: ColumnElement[bool], names: Sequence[str]
) -> pl.DataFrame:
    """The named columns of the versions, when they held, and the ``unit`` that they belong to."""
    parts = _parts_of_unit(definition)
    columns = list(dict.fromkeys((*names, "from_release", "to_release", *parts)))
    found = session.execute(select(*(table.c[name] for name in columns)).where(which))
    texts = {"identity", "content", "period", *parts}
    schema = {name: pl.String if name in texts else pl.Int64 for name in columns}
    frame = pl.DataFrame([tuple(row) for row in found], schema=schema, orient="row")
    return frame.select(*names, "from_release", "to_release", _unit(definition))


def _parts_of_unit(definition: DatasetDefinition) -> tuple[str, ...]:
    return (RETURN_MONTH, SITE) if definition.delivery == Delivery.REPLACES_RETURN else ("period",)


def _unit(definition: DatasetDefinition) -> pl.Expr:
    """What an incident would be missed from: its month, or a month's return of its site."""
    parts = [pl.col(name).fill_null("") for name in _parts_of_unit(definition)]
    return pl.concat_str(parts, separator=_OF).alias("unit")


def _of_units(definition: DatasetDefinition, table: Table, units: Sequence[str]) -> ColumnElement[bool]:
    if definition.delivery != Delivery.REPLACES_RETURN:
        return table.c.period.in_(units)
    pairs = (unit.partition(_OF) for unit in units)
    return _of_returns(table, ((site, month) for month, _, site in pairs))


def _refuse_mass_leaving(
    session: Session,
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    heads: pl.DataFrame,
    withdrawn: pl.DataFrame,
    release: int,
    because: Callable[[], str],
) -> None:
    """Raises ``WithdrawsTooMuchError`` where too many incidents of a month or return would not be in it any more.

    They are counted against what people see and against what is staged, so that one load after the other does not
    take what no single one may. What only gets its date leaves no month.
    """
    arriving = rows.select("identity", _unit(definition))
    moved = heads.join(arriving, on="identity", suffix="_to").filter(
        (pl.col("unit") != pl.col("unit_to")) & (pl.col("unit") != UNDATED)
    )
    leaving = pl.concat([withdrawn.select("identity", "unit"), moved.select("identity", "unit")])
    allowed = {Delivery.UPSERTS: FREELY_MOVED, Delivery.REPLACES_RETURN: FREELY_WITHDRAWN}.get(definition.delivery, 0)
    emptied = definition.delivery == Delivery.UPSERTS  # a month may be, by few corrected dates
    table = incident_table(definition)
    for units in _chunks(leaving.get_column("unit").unique().sort().to_list(), 100):
        held = _versions(session, definition, table, _of_units(definition, table, units), ("identity",))
        staged = held.filter(pl.col("to_release").is_null())
        ends_later = pl.col("to_release").is_null() | (pl.col("to_release") >= release)
        seen = held.filter((pl.col("from_release") < release) & ends_later)
        both = ["identity", "unit"]
        after = pl.concat([staged.select(both).join(leaving, on=both, how="anti"), arriving.select(both)])
        for before in (seen, staged):
            gone = dict(before.join(after, on=both, how="anti").get_column("unit").value_counts().iter_rows())
            there = dict(before.get_column("unit").value_counts().iter_rows())
            for unit in units:
                number = gone.get(unit, 0)
                few = number <= allowed and (emptied or number < there.get(unit, 0))
                if number and not few and number > WITHDRAWABLE_SHARE * there[unit]:
                    raise WithdrawsTooMuchError(_lacking(definition, unit, number, there[unit], moved), because())


def _lacking(definition: DatasetDefinition, unit: str, gone: int, there: int, moved: pl.DataFrame) -> str:
    elsewhere = len(moved.filter(pl.col("unit") == unit))
    told = f", counting {elsewhere:,} that it moves to other months" if elsewhere else ""
    return (
        f"This delivery lacks {gone:,} of the {there:,} incidents that {definition.code} holds for {unit}{told}, so "
        "nothing was loaded: ask the supplier whether the file is whole; if it is, load it again and accept the "
        "withdrawals (--accept-withdrawals)."
    )


def _with_feature_ids(rows: pl.DataFrame, held: pl.DataFrame, keys: Keys, between: Between) -> pl.DataFrame:
    """Rows with their feature ids: an incident keeps those that it has had on its day, a clash is hashed anew.

    The day is the upper part of the id, by which clients remove a month: another day needs another id.
    """
    # Where only the month is known its first day stands for it.
    first = (pl.col("period") + "-01").str.to_date("%Y-%m-%d", strict=False)
    day = pl.coalesce("occurred_on", first) if "occurred_on" in rows.columns else first
    # Days since 1970-01-01 are what feature ids bear, too.
    known = rows.select("identity", day.cast(pl.Int32).cast(pl.Int64).fill_null(day_number(None)).alias("_day"))
    days = known.get_column("_day").to_numpy()
    had = held.select("identity", (pl.col(_FIDS[0]) // (1 << FID_KEY_BITS)).alias("_day"), *_FIDS)
    had = had.unique(["identity", "_day"], keep="first", maintain_order=True)
    known = known.join(had, on=["identity", "_day"], how="left", maintain_order="left")
    identities = rows.get_column("identity").cast(pl.Binary)
    fids = {precision: known.get_column(name) for precision, name in zip(PRECISIONS, _FIDS, strict=True)}
    attempt = 0
    while len(waiting := _lacking_any(fids.values())):
        made: dict[str, list[pl.Series]] = {precision: [] for precision in PRECISIONS}
        for start in range(0, len(waiting), _PIECE):
            between()
            piece = waiting.slice(start, _PIECE)
            ids = keys.feature_ids(identities[piece].to_list(), days[piece.to_numpy()], attempt)
            for precision in PRECISIONS:
                made[precision].append(pl.Series(ids[precision], dtype=pl.Int64))
        for precision, name in zip(PRECISIONS, _FIDS, strict=True):
            found, there = pl.concat(made[precision]), fids[precision]
            free = found.is_first_distinct() & there.gather(waiting).is_null()
            free &= ~found.is_in(held.get_column(name).implode())
            if attempt:
                free &= ~found.is_in(there.drop_nulls().implode())
            whole = len(waiting) == len(there) and free.all()
            fids[precision] = found if whole else there.scatter(waiting.filter(free), found.filter(free))
        attempt += 1
    return rows.with_columns(fids[precision].alias(name) for precision, name in zip(PRECISIONS, _FIDS, strict=True))


def _lacking_any(fids: Iterable[pl.Series]) -> pl.Series:
    """The positions of rows that lack an id of some precision."""
    lacking = pl.DataFrame({str(at): ids.is_null() for at, ids in enumerate(fids)})
    return lacking.select(pl.any_horizontal(pl.all())).to_series().arg_true()


def _insert(
    session: Session,
    definition: DatasetDefinition,
    rows: pl.DataFrame,
    release: int,
    delivery_id: int,
    progress: ReportsProgress,
) -> None:
    fields = [declared.name for declared in (*BUILT_IN_FIELDS, *definition.fields)]
    names = ["identity", "content", "delivery_id", "from_release", *_FIDS, "period", "area_code", *fields]
    ready = rows.with_columns(pl.lit(delivery_id).alias("delivery_id"), pl.lit(release).alias("from_release"))
    progress("Storing rows", 0, len(ready))
    backend_of(session.get_bind().dialect).store(
        session, definition, ready.select(names).rechunk(), lambda stored: progress("Storing rows", stored, len(ready))
    )


def _chunks(ids: Sequence[Any], size: int = 500) -> Iterable[Sequence[Any]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
