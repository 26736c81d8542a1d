"""Which slices make up a layer, and what they and its snapshot are called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..agreements.opened import Scope
from ..datasets.periods import is_day


@dataclass(frozen=True, order=True)
class SliceKey:
    """The rows of a period as rights of that fingerprint show them."""

    fingerprint: str
    period: str


def slice_keys(scope: Scope, periods: Iterable[str]) -> list[SliceKey]:
    """The slices that make up the scope's layer, in the order of the periods; it has those that it covers."""
    fingerprints: dict[tuple[bool, ...], str] = {}
    keys = []
    for period in sorted(periods):
        if scope.covers(period):
            # Months that the same grants cover have the same fingerprint: a layer has many months and few of those.
            covering = tuple(grant.covers(period) for grant in scope.grants)
            if covering not in fingerprints:
                fingerprints[covering] = scope.fingerprint(period)
            keys.append(SliceKey(fingerprints[covering], period))
    return keys


def in_snapshot(keys: Iterable[SliceKey]) -> list[SliceKey]:
    """Those that a layer's snapshot holds: the newest days are not among them, so that a record makes none anew."""
    return [key for key in keys if not is_day(key.period)]


def snapshot_name(scope: Scope, slices: Sequence[str]) -> str:
    """The name of the file that holds exactly these slices of a layer, which are ``in_snapshot``."""
    columns = [column.name for column in scope.columns]
    content = {
        "dataset": scope.definition.code,
        "geometry": scope.geometry,
        "columns": columns,
        "slices": slices,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
