"""What an agreement opens, as plain data: rows, columns, months, how exactly. Worked out by ``scope``, read by all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from ..datasets.definitions import DatasetDefinition, Field, FieldGroup, layer_fields
from ..datasets.periods import month_of
from ..problems import Problem
from .models import Precision, Use

COORDINATES = frozenset({"easting", "northing"})
_KEPT_AT_THE_DESK = frozenset({Use.EXPORT, Use.PUBLISH})


@dataclass(frozen=True)
class GrantProfile:
    """What one grant shows: of which areas and months (``YYYY-MM``, "" = open), which fields, how exactly."""

    areas: tuple[str, ...]
    groups: tuple[FieldGroup, ...]
    precision: Precision
    grid_m: int
    from_month: str
    to_month: str
    uses: frozenset[Use]
    officer_records: bool = False  # a licensing officer, too, is shown rows
    # Where rows that are only counted count as lying: never closer than those who are shown rows could see.
    counted: Precision = Precision.POINT
    counted_m: int = 0

    @property
    def shown_precision(self) -> Precision:
        """The precision in effect: without the location fields there are no coordinates, whatever it says."""
        if self.precision == Precision.AGGREGATE or FieldGroup.LOCATION in self.groups:
            return self.precision
        return Precision.AREA

    @property
    def counted_place(self) -> tuple[Precision, int]:
        """How exactly a row lies when it is counted, with the cell of the grid in metres."""
        if FieldGroup.LOCATION not in self.groups:
            return Precision.AREA, 0
        if self.precision == Precision.AGGREGATE:
            return self.counted, self.counted_m
        return self.precision, self.grid_m if self.precision == Precision.GRID else 0

    def only_counted(self) -> GrantProfile:
        """The grant without its rows: they are counted where they would have been shown."""
        if self.precision == Precision.AGGREGATE:
            return self
        counted, counted_m = self.counted_place
        return replace(self, precision=Precision.AGGREGATE, grid_m=0, counted=counted, counted_m=counted_m)

    def covers(self, period: str) -> bool:
        """Whether the month, or the day's month, is in the grant; undated rows ("") only where no month bounds it."""
        month = month_of(period)
        if not month:
            return not self.from_month and not self.to_month
        return self.from_month <= month and (not self.to_month or month <= self.to_month)

    def fields(self, definition: DatasetDefinition) -> tuple[Field, ...]:
        """The fields that the grant shows, in the order of the layer; none where rows are only counted."""
        if self.precision == Precision.AGGREGATE:
            return ()
        return tuple(
            field
            for field in layer_fields(definition)
            if field.group in self.groups and (field.name not in COORDINATES or self.shown_precision != Precision.AREA)
        )


@dataclass(frozen=True)
class Scope:
    """The rows and columns of one dataset that an agreement opens for one use, at one release.

    ``threshold``: counts below it are masked before they are published, by the dataset and the supplier's terms.
    """

    definition: DatasetDefinition
    grants: tuple[GrantProfile, ...]
    agreement: str
    until: date
    release: int
    use: Use = Use.SYNC
    threshold: int = 0
    terms_version: int | None = None  # of the supplier's terms that clipped the grants

    def gives(self, grant: GrantProfile) -> bool:
        """Whether the grant shows rows for this use; one that does not still hides its rows from later grants."""
        return self.counts(grant) and grant.precision != Precision.AGGREGATE

    def counts(self, grant: GrantProfile) -> bool:
        """Whether the rows of the grant may be counted for this use: those shown, and those only counted."""
        return self.use in grant.uses

    @property
    def gives_rows(self) -> bool:
        """Whether any grant shows rows for this use."""
        return any(self.gives(grant) for grant in self.grants)

    @property
    def gives_counts(self) -> bool:
        """Whether the rows of any grant may be counted for this use."""
        return any(self.counts(grant) for grant in self.grants)

    @property
    def uses(self) -> tuple[Use, ...]:
        """What may be done with rows.

        The server keeps view and sync row by row: any grant opens them. A copy does not tell which grant a row is of,
        so what is kept at the desk holds only where every grant that gives the copy rows permits it.
        """
        copied = [grant for grant in self.grants if replace(self, use=Use.SYNC).gives(grant)]
        return tuple(
            use
            for use in Use
            if (
                bool(copied) and all(use in grant.uses for grant in copied)
                if use in _KEPT_AT_THE_DESK
                else replace(self, use=use).gives_rows
            )
        )

    def require_rows(self) -> None:
        """Raises ``Refusal`` where no grant shows rows for this use, or nothing has been published."""
        if not self.gives_rows:
            if self.gives_counts:
                raise Refusal(
                    "aggregates-only",
                    f"Agreement {self.agreement} opens counts of {self.definition.title} to you, not its records: "
                    "ask for counts instead.",
                )
            raise self._use_not_granted()
        self._require_release()

    def require_counts(self) -> None:
        """Raises ``Refusal`` where nothing may be counted for this use, or nothing has been published."""
        if not self.gives_counts:
            raise self._use_not_granted()
        self._require_release()

    def _use_not_granted(self) -> Refusal:
        return Refusal(
            "use-not-granted",
            f"Agreement {self.agreement} does not permit “{self.use.value}” of {self.definition.title}: "
            "ask the SafeStats team to have it amended.",
        )

    def _require_release(self) -> None:
        if self.release == 0:
            reason = f"Nothing of {self.definition.title} has been published yet."
            raise Refusal("not-published", reason, status=404)

    @property
    def columns(self) -> tuple[Field, ...]:
        """Every field that some grant shows, in the order of the layer."""
        names = {field.name for grant in self.grants if self.gives(grant) for field in grant.fields(self.definition)}
        return tuple(field for field in layer_fields(self.definition) if field.name in names)

    @property
    def geometry(self) -> str:
        """``point`` where some grant shows coordinates, else ``none``."""
        shown = (grant.shown_precision for grant in self.grants if self.gives(grant))
        return "point" if any(precision != Precision.AREA for precision in shown) else "none"

    def covers(self, period: str) -> bool:
        """Whether some grant shows rows of the month (or, "", undated ones)."""
        return any(self.gives(grant) and grant.covers(period) for grant in self.grants)

    def fingerprint(self, period: str) -> str:
        """What decides the rows and columns of a month, as SHA-256: equal rights have equal fingerprints.

        Neither organisation, agreement nor the month itself is in it, so artefacts are shared by those who
        hold the same rights and "the last 36 months" only selects among them.
        """
        grants = [grant for grant in self.grants if grant.covers(period)]
        return self._digest(grants, {"definition_version": self.definition.version})

    @property
    def rights(self) -> str:
        """What decides rows and columns but for months and the definition's version, as SHA-256.

        It is known before the files of changed rights are made: a client whose copy was made under others lets go.
        """
        return self._digest(self.grants, {})

    def _digest(self, grants: Iterable[GrantProfile], beside: Mapping[str, int]) -> str:
        rights = {
            "dataset": self.definition.code,
            **beside,
            "geometry": self.geometry,
            "columns": [field.name for field in self.columns],
            "grants": [
                {
                    "areas": sorted(grant.areas),
                    "shown": self.gives(grant),
                    "columns": [field.name for field in grant.fields(self.definition)],
                    "precision": grant.shown_precision,
                    "grid_m": grant.grid_m if grant.shown_precision == Precision.GRID else 0,
                }
                for grant in grants
            ],
        }
        canonical = json.dumps(rights, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class Refusal(Problem):
    """Access refused; ``reason`` is the sentence for the person, ``code`` the name for programs."""

    def __init__(self, code: str, reason: str, status: int = 403) -> None:
        super().__init__(status, code, "This layer is not open to you", reason)
        self.code = code
        self.reason = reason
