"""Counts around a place of rows that are only counted: fixed questions, perturbed, worked out once a release.

The questions: around a postcode, within 100, 250 and 500 m, in a year of whole months or the one before, in each
listed band of the day, of everything and of each category, with or without what a preset leaves out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from ...shared.cell_key import Records, perturbed
from ...shared.presets import Exclusion
from ...shared.rings import FIXED_RADII, Band, in_band, squared_distances
from ...shared.windows import MOST_BEHIND, Window, comparison, month_number, month_of, newest_full_month
from ..agreements.opened import Scope
from ..agreements.readable import Bounds, countable, open_rows
from ..database import PERSONS_PATIENCE_MS, is_busy
from ..datasets import periods
from ..datasets.definitions import DatasetDefinition
from ..instants import now
from ..publishing.models import Release
from ..quality.register import returned_months
from ..services import Services
from .models import CellAnswer

TOP_CATEGORIES = 10
_HOUR, _WEEKDAY = "hour", "weekday"
NOTHING_LEFT_OUT = Exclusion()


@dataclass(frozen=True)
class CellRow:
    """Perturbed counts of one band within each of ``FIXED_RADII``: of all rows, or of those of one category.

    ``category`` is what the rows hold, ``None`` where that is not known.
    """

    band: Band
    every: bool
    category: str | None
    counts: tuple[int, ...]


def fixed_windows(session: Session, permitted: Scope, today: date) -> tuple[Window, ...]:
    """The windows that may be asked about: the year that ends with the newest whole month that is held, and the year
    before it, first; then those that end up to ``MOST_BEHIND`` − 1 months earlier, for answers beside other datasets.

    Empty where the release has no dated rows.
    """
    release = session.get(Release, (permitted.definition.code, permitted.release))
    returned = returned_months(session, permitted.definition)
    held = [period for period in returned or release.periods if period] if release is not None else []
    if not held:
        return ()
    newest = max(held)
    day = date.fromisoformat(newest) if periods.is_day(newest) else None
    last = newest_full_month(periods.month_of(newest), day, today)
    ends = [month_of(month_number(last) - behind) for behind in range(MOST_BEHIND)]
    return tuple(window for end in ends for window in comparison(end))


def counts_around(
    services: Services,
    session: Session,
    permitted: Scope,
    easting: int,
    northing: int,
    window: Window,
    leave_out: Exclusion = NOTHING_LEFT_OUT,
) -> tuple[CellRow, ...]:
    """The perturbed counts around a place, of the rows that the scope lets be counted and does not show.

    For each band that the dataset can tell: everything first, then the categories with most in the outermost ring, at
    most ``TOP_CATEGORIES``. Whether the question may be asked is the caller's to decide: ask around postcodes alone,
    in windows of ``fixed_windows``.
    """
    definition = permitted.definition
    asked = {
        "dataset": definition.code,
        "release": permitted.release,
        "rights": rights_digest(permitted),
        "easting": easting,
        "northing": northing,
        "first": window.first,
        "last": window.last,
        "left_out": ",".join(sorted((*leave_out.categories, *leave_out.flags))),
    }
    known = session.scalar(select(CellAnswer).filter_by(**asked))
    if known is not None:
        return tuple(map(_from_json, known.rows))
    rows = _count(services, session, permitted, easting, northing, window, leave_out)
    keep_answer(services, CellAnswer(**asked, rows=[_to_json(row) for row in rows], answered_at=now()))
    return rows


def keep_answer(services: Services, answer: CellAnswer) -> None:
    """Keep it where nobody has meanwhile; where the database is busy the next who asks gets the same anew."""
    try:
        with services.database.write(PERSONS_PATIENCE_MS // 8) as writing:
            writing.add(answer)
    except IntegrityError:
        pass
    except OperationalError as error:
        if not is_busy(error):
            raise


def rights_digest(permitted: Scope) -> str:
    """What decides which rows count, and how, as SHA-256: those with equal rights get the same answers."""
    rights = {
        "threshold": permitted.threshold,
        "version": permitted.definition.version,
        "grants": [
            {
                "areas": sorted(grant.areas),
                "months": [grant.from_month, grant.to_month],
                "counts": permitted.counts(grant),
                "shows": permitted.gives(grant),
                "groups": sorted(grant.groups),
                "place": grant.counted_place,
            }
            for grant in permitted.grants
        ],
    }
    return hashlib.sha256(json.dumps(rights, sort_keys=True).encode()).hexdigest()


def _count(
    services: Services,
    session: Session,
    permitted: Scope,
    easting: int,
    northing: int,
    window: Window,
    leave_out: Exclusion,
) -> tuple[CellRow, ...]:
    definition = permitted.definition
    declared = {field.name for field in definition.fields}
    times = [name for name in (_HOUR, _WEEKDAY) if name in declared]
    beside = ["identity", *times, *leave_out.flags]
    open_rows(session, permitted)
    held = countable(permitted, Bounds.around(easting, northing, FIXED_RADII[-1]), beside).subquery("countable")
    wanted = select(held).where(
        held.c.aggregate == 1, held.c.month >= window.first, held.c.month <= window.last, held.c.x.is_not(None)
    )
    found = session.execute(wanted).mappings().all()
    left_out = {definition.field(definition.category_field).codes.get(code, code) for code in leave_out.categories}
    found = [row for row in found if row["category"] not in left_out and not any(row[flag] for flag in leave_out.flags)]
    records = Records.of(services.keys.cell_secret, (row["identity"] for row in found))
    place = np.array([(row["x"], row["y"]) for row in found], np.int64).reshape(-1, 2)
    squared = squared_distances(place[:, 0], place[:, 1], (easting, northing))
    rings = [squared <= radius**2 for radius in FIXED_RADII]
    names = sorted({row["category"] for row in found}, key=lambda name: (name is None, str(name)))
    number_of = {name: number for number, name in enumerate(names)}
    category = np.array([number_of[row["category"]] for row in found], np.int64)
    rows: list[CellRow] = []
    for band in Band if times else (Band.ALL,):
        inside = _in_band(band, found, definition)
        everything = perturbed([ring & inside for ring in rings], records, permitted.threshold)
        rows.append(CellRow(band, True, None, tuple(everything.tolist())))
        by_category = []
        for number, name in enumerate(names):
            of_it = inside & (category == number)
            counts = perturbed([ring & of_it for ring in rings], records, permitted.threshold)
            by_category.append(CellRow(band, False, name, tuple(counts.tolist())))
        # By what is answered, never by what was counted.
        by_category.sort(key=lambda row: -row.counts[-1])
        rows += [row for row in by_category if any(row.counts)][:TOP_CATEGORIES]
    return tuple(rows)


def _in_band(band: Band, rows: Sequence[Any], definition: DatasetDefinition) -> NDArray[np.bool_]:
    if band is Band.ALL:
        return np.ones(len(rows), dtype=bool)
    names = {field.name for field in definition.fields}
    hours = [_number(row[_HOUR]) if _HOUR in names else np.nan for row in rows]
    weekday = list(definition.field(_WEEKDAY).codes.values()) if _WEEKDAY in names else []
    days = [float(weekday.index(row[_WEEKDAY])) if weekday and row[_WEEKDAY] in weekday else np.nan for row in rows]
    return in_band(band, hours, days).inside


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def _to_json(row: CellRow) -> dict[str, Any]:
    return {"band": row.band.name, "every": row.every, "category": row.category, "counts": list(row.counts)}


def _from_json(row: dict[str, Any]) -> CellRow:
    return CellRow(Band[row["band"]], row["every"], row["category"], tuple(row["counts"]))
