"""Who takes part in an answer: the rows that somebody may use, dataset by dataset, and the months that are compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy.orm import Session

from ...shared.areas import OUTSIDE, UNPLACED
from ...shared.held_months import HeldMonths
from ...shared.presets import Exclusion, Preset, exclusion
from ...shared.rings import AnyBand, Band
from ...shared.windows import Window, common_end, comparison, month_words, newest_full_month, trend
from ..agreements.models import Precision, Use
from ..agreements.opened import GrantProfile, Refusal, Scope
from ..agreements.scope import opened_scope
from ..datasets import periods
from ..datasets.definitions import FieldType, Geometry
from ..identity.subject import Subject
from ..publishing.models import Release
from ..quality.register import returned_months
from ..services import Services

HOUR, WEEKDAY, OCCURRED = "hour", "weekday", "occurred_on"


@dataclass(frozen=True)
class Part:
    """The rows of a scope that are shown, or, where ``counted``, those that it only lets be counted.

    The two never stand in one sum. ``beside`` tells that the scope has the other kind, too.
    """

    scope: Scope
    counted: bool
    beside: bool
    held: HeldMonths
    newest_day: str = ""  # of data that come in as things happen
    synthetic: bool = False

    @property
    def dataset(self) -> str:
        """The dataset's code."""
        return self.scope.definition.code

    @property
    def title(self) -> str:
        """The dataset's title; told apart where its rows are partly shown and partly only counted."""
        title = self.scope.definition.title
        return f"{title}, where only counts are open" if self.counted and self.beside else title

    @property
    def newest_month(self) -> str:
        """The newest month held."""
        return self.held.newest

    @property
    def grants(self) -> tuple[GrantProfile, ...]:
        """The grants whose rows these are."""
        return tuple(grant for grant in self.scope.grants if _has(self.scope, grant, self.counted))

    @property
    def areas(self) -> frozenset[str]:
        """The codes of the areas in which rows of the newest month are held."""
        found = {code for grant in self.grants if grant.covers(self.newest_month) for code in grant.areas}
        return frozenset(found - {OUTSIDE, UNPLACED})

    @property
    def columns(self) -> frozenset[str]:
        """The fields by which rows may be told apart."""
        if not self.counted:
            return frozenset(field.name for field in self.scope.columns)
        groups = {group for grant in self.grants for group in grant.groups}
        return frozenset(field.name for field in self.scope.definition.fields if field.group in groups)

    @property
    def timed(self) -> bool:
        """Whether the hour and the day of the week are told."""
        return HOUR in self.columns and bool({WEEKDAY, OCCURRED} & self.columns)

    @property
    def by_category(self) -> bool:
        """Whether the category is told."""
        return self.scope.definition.category_field in self.columns

    def leave_out(self, preset: Preset) -> Exclusion:
        """How the preset's exclusions are told by these rows."""
        definition = self.scope.definition
        field = definition.field(definition.category_field)
        categories = tuple(field.codes.values()) if self.by_category else ()
        flags = [one.name for one in definition.fields if one.type == FieldType.BOOLEAN and one.name in self.columns]
        return exclusion(preset, categories, flags)

    def bands(self, wanted: Sequence[AnyBand]) -> tuple[AnyBand, ...]:
        """Those of the bands that can be told."""
        return tuple(wanted) if self.timed else (Band.ALL,)

    def newest_full(self, today: date) -> str:
        """The newest month of which all is held."""
        day = date.fromisoformat(self.newest_day) if self.newest_day else None
        return newest_full_month(self.newest_month, day, today)

    def rights(self, window: Window) -> str:
        """What decides which rows of the window are counted, and how, as SHA-256: equal rights have equal tables."""
        scope = self.scope
        rights = {
            "counted": self.counted,
            "threshold": scope.threshold if self.counted else 0,
            "version": scope.definition.version,
            "columns": sorted(self.columns),
            "grants": [
                {
                    "areas": sorted(grant.areas),
                    "months": [max(grant.from_month, window.first), min(grant.to_month or window.last, window.last)],
                    "dated": bool(grant.from_month or grant.to_month),
                    "shown": scope.gives(grant),
                    "counted": scope.counts(grant),
                    "groups": sorted(grant.groups),
                    "place": grant.counted_place,
                    "precision": [grant.shown_precision, grant.grid_m],
                }
                for grant in scope.grants
            ],
        }
        return hashlib.sha256(json.dumps(rights, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """The windows, the parts that take part in them, and a sentence for each dataset that does not."""

    now: Window
    before: Window
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]

    @property
    def trend(self) -> Window:
        """The months of the trend."""
        return trend(self.now.last)


def _has(scope: Scope, grant: GrantProfile, counted: bool) -> bool:
    if counted:
        return scope.counts(grant) and not scope.gives(grant)
    return scope.gives(grant) and grant.shown_precision != Precision.AREA


def permitted_scopes(
    services: Services, session: Session, subject: Subject, use: Use, datasets: Sequence[str] = ()
) -> tuple[list[Scope], list[Refusal]]:
    """The scopes of all datasets (or of those named) that have places, and why others are not open."""
    scopes, refusals = [], []
    for code, definition in services.definitions.items():
        if definition.geometry == Geometry.COUNTS or (datasets and code not in datasets):
            continue
        try:
            scope = opened_scope(session, subject, code, services.definitions, use)
            scope.require_counts()
            scopes.append(scope)
        except Refusal as refusal:
            refusals.append(refusal)
    return scopes, refusals


def without_places(scopes: Sequence[Scope]) -> tuple[str, ...]:
    """A sentence for each scope whose rows are shown by area alone."""
    return tuple(
        f"{scope.definition.title} is left out: your agreement shows its incidents by area, without their places."
        for scope in scopes
        if not any(_has(scope, grant, counted) for grant in scope.grants for counted in (False, True))
    )


def parts_of(session: Session, scope: Scope) -> list[Part]:
    """What of the scope is dated and has places: rows that are shown, rows that are only counted."""
    release = session.get(Release, (scope.definition.code, scope.release))
    if release is None or scope.definition.geometry == Geometry.COUNTS:
        return []
    returned = returned_months(session, scope.definition)
    found = []
    for counted in (False, True):
        grants = [grant for grant in scope.grants if _has(scope, grant, counted)]
        held = [
            period for period in returned or release.periods if period and any(grant.covers(period) for grant in grants)
        ]
        if held:
            newest = max(held)
            first, last = periods.month_of(min(held)), periods.month_of(newest)
            found.append(
                Part(
                    scope=scope,
                    counted=counted,
                    beside=False,
                    held=HeldMonths.of(first, last, tuple(held) if returned else ()),
                    newest_day=newest if periods.is_day(newest) else "",
                    synthetic=release.synthetic,
                )
            )
    if len(found) == len((False, True)):
        found = [replace(part, beside=True) for part in found]
    return found


def plan(parts: Sequence[Part], today: date) -> Plan | None:
    """The last 12 months that all hold in full, the 12 before, and who takes part; ``None`` without any rows."""
    if not parts:
        return None
    full = [part.newest_full(today) for part in parts]
    now, before = comparison(common_end(full))
    taking, left_out = [], []
    for part, complete in zip(parts, full, strict=True):
        if not part.held.any_of(now):
            left_out.append(f"{part.title} is left out: {part.held.none_words(now)}.")
        elif complete < now.last:
            left_out.append(
                f"{part.title} is left out: it is complete to {month_words(complete)} only, long before the others. "
                "Choose it alone."
            )
        else:
            taking.append(part)
    return Plan(now, before, tuple(taking), tuple(left_out))
