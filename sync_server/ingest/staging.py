"""Compares a delivery with what is held and writes the difference for the next release.

What is published is never changed: a row that goes is closed at the next release, a new version begins there.
Rows that were staged and not yet published are replaced physically.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Table, and_, delete, false, func, or_, select, update
from sqlalchemy.orm import Session

from ...shared.manifest import FID_KEY_BITS
from ..datasets.definitions import BUILT_IN_FIELDS, RETURN_MONTH, SITE, DatasetDefinition, Delivery, Within
from ..datasets.incidents import incident_table
from ..errors import SafeStatsError
from ..keys import PRECISIONS, Keys, day_number
from ..progress import Between, ReportsProgress, unwatched
from ..spatial.backend import backend_of

# More than this share of a month gone at once is a wrong or cut file rather than a correction.
WITHDRAWABLE_SHARE = 0.2
_PIECE = 100_000
_FIDS = tuple(f"fid_{precision}" for precision in PRECISIONS)


class WithdrawsTooMuchError(SafeStatsError):
    """The delivery lacks so many incidents of a month that somebody must say that it is whole."""


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
) -> Difference:
    """The difference between the delivered ``rows`` and those held of what the delivery is the ``whole`` of.

    Where an id names one incident of the whole dataset, it is looked up in every month. Raises ``SafeStatsError``
    where too much of a month would be withdrawn.
    """
    table = incident_table(definition)
    covered = sorted({*whole.months, *rows.get_column("period").unique()})
    # A return's assaults lie in several months; and ids must not clash with those of other rows of the same days.
    by_return = definition.delivery == Delivery.REPLACES_RETURN
    where = table.c.period.in_(covered)
    held = _held(session, table, or_(where, _of_returns(table, whole.returns)) if by_return else where)
    if definition.identity.within == Within.DATASET:
        standing = held.filter(pl.col("to_release").is_null())
        missing = rows.join(standing, on="identity", how="anti").get_column("identity").to_list()
        elsewhere = [
            _held(session, table, table.c.identity.in_(chunk) & table.c.period.not_in(covered))
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
        withdrawn = replaced.join(rows.select("identity"), on="identity", how="anti")
        if not accept_withdrawals:
            _refuse_mass_withdrawal(definition, replaced, withdrawn)
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


def _held(session: Session, table: Table, which: ColumnElement[bool]) -> pl.DataFrame:
    names = ("row_id", "identity", "content", "period", "from_release", "to_release", *_FIDS)
    found = session.execute(select(*(table.c[name] for name in names)).where(which))
    texts = {"identity", "content", "period"}
    schema = {name: pl.String if name in texts else pl.Int64 for name in names}
    return pl.DataFrame([tuple(row) for row in found], schema=schema, orient="row")


def _refuse_mass_withdrawal(definition: DatasetDefinition, heads: pl.DataFrame, gone: pl.DataFrame) -> None:
    live = dict(heads.get_column("period").value_counts().iter_rows())
    for month, number in sorted(gone.get_column("period").value_counts().iter_rows()):
        if number > WITHDRAWABLE_SHARE * live[month]:
            raise WithdrawsTooMuchError(
                f"This delivery lacks {number:,} of the {live[month]:,} incidents that {definition.code} holds "
                f"for {month}, so nothing was loaded: ask the supplier whether the file is whole; if it is, "
                "load it again and accept the withdrawals (--accept-withdrawals)."
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
    for precision, name in zip(PRECISIONS, _FIDS, strict=True):
        fids = known.get_column(name)
        waiting = fids.is_null().arg_true()
        attempt = 0
        while len(waiting):
            made = [pl.Series([], dtype=pl.Int64)]
            for start in range(0, len(waiting), _PIECE):
                between()
                piece = waiting.slice(start, _PIECE)
                ids = keys.feature_ids(precision, identities[piece].to_list(), days[piece.to_numpy()], attempt)
                made.append(pl.Series(ids, dtype=pl.Int64))
            found = pl.concat(made)
            free = found.is_first_distinct() & ~found.is_in(held.get_column(name).implode())
            if attempt:
                free &= ~found.is_in(fids.drop_nulls().implode())
            fids = fids.scatter(waiting.filter(free), found.filter(free))
            waiting, attempt = waiting.filter(~free), attempt + 1
        rows = rows.with_columns(fids.alias(name))
    return rows


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
        session, definition, ready.select(names), lambda stored: progress("Storing rows", stored, len(ready))
    )


def _chunks(ids: Sequence[Any], size: int = 500) -> Iterable[Sequence[Any]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
