"""Which incidents a recall means: those of a release, or those that are named."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from ..datasets.definitions import DatasetDefinition, Within
from ..datasets.erasing import (
    identities_of_features,
    identities_of_release,
    periods_held,
    stable_fields,
    versions_of,
)
from ..errors import SafeStatsError
from ..ingest.identity import identities_of_id, likenesses
from ..publishing.models import Release
from ..services import Services
from .likeness import Likenesses
from .models import RecallKind
from .never_load import Marks


@dataclass(frozen=True)
class Named:
    """What was asked for: a ``release``, or incidents by the supplier's ids, by feature ids of a layer, or by keyed
    identities."""

    release: int | None = None
    incidents: tuple[str, ...] = ()
    features: tuple[int, ...] = ()
    identities: tuple[str, ...] = ()

    @property
    def kind(self) -> RecallKind:
        """Whether a release or rows."""
        return RecallKind.ROWS if self.release is None else RecallKind.RELEASE


@dataclass(frozen=True)
class Chosen:
    """The keyed identities that are held, the marks by which they are known again, and what was named and is not
    held."""

    identities: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def read_list(path: Path) -> tuple[str, ...]:
    """Suppliers' ids from a file: a line each, or the first column of a CSV file; raises ``SafeStatsError``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SafeStatsError(f"{path} cannot be read: give a text file with an id in each line.") from error
    if not cells:
        raise SafeStatsError(f"{path} names no incident: give a text file with an id in each line.")
    return tuple(dict.fromkeys(cells))


def choose(services: Services, session: Session, definition: DatasetDefinition, named: Named) -> Chosen:
    """The incidents that are meant; raises ``SafeStatsError`` where a release brought none of its own."""
    likenesses = Likenesses(services.keys, definition)
    if named.release is not None:
        identities = _of_release(session, definition, named.release)
        return Chosen(identities, _marks_of(session, likenesses, identities))
    found, marks, unknown = set(named.identities), [], []
    held = {version.identity for version in versions_of(session, definition, named.identities)}
    unknown += [identity for identity in named.identities if identity not in held]
    features = identities_of_features(session, definition, named.features)
    found |= set(features.values())
    unknown += [str(fid) for fid in named.features if fid not in features]
    if named.incidents:
        by_id = _of_ids(services, session, definition, named.incidents)
        found |= {identity for places in by_id.values() for identity, _ in places}
        unknown += [name for name in named.incidents if name not in by_id]
        known = Marks.of(services.keys, definition)
        marks = known.in_months(sorted({(name, month) for name, places in by_id.items() for _, month in places}))
        marks += known.anywhere(sorted(by_id))
    identities = sorted(found - set(unknown))
    return Chosen(identities, sorted({*marks, *_marks_of(session, likenesses, identities)}), unknown)


def _marks_of(session: Session, likenesses: Likenesses, identities: Sequence[str]) -> list[str]:
    return sorted({mark for _, mark in likenesses.of_held(session, identities)})


def _of_release(session: Session, definition: DatasetDefinition, number: int) -> list[str]:
    release = session.get(Release, (definition.code, number))
    if release is None:
        raise SafeStatsError(f"{definition.code} has no release {number}.")
    if release.content_of is not None:
        raise SafeStatsError(
            f"Release {number} of {definition.code} is a rollback to release {release.content_of} and brought nothing "
            "of its own: recall the release that brought what is to go."
        )
    return identities_of_release(session, definition, number)


def _of_ids(
    services: Services, session: Session, definition: DatasetDefinition, ids: Sequence[str]
) -> dict[str, set[tuple[str, str]]]:
    """The identities that bear these ids of the supplier's, with their months, by id."""
    if definition.identity.id_field is None:
        raise SafeStatsError(
            f"The supplier of {definition.code} gives its incidents no id: name them with --feature, by the feature id "
            "that a layer shows."
        )
    everywhere = definition.identity.within == Within.DATASET
    found: dict[str, set[tuple[str, str]]] = {}
    months = [""] if everywhere else periods_held(session, definition)
    candidates = {
        identity: (name, month)
        for month in months
        for name, identity in zip(
            ids, identities_of_id(services.keys, definition.code, month, [(name, "") for name in ids]), strict=True
        )
    }
    for version in versions_of(session, definition, sorted(candidates)):
        name, month = candidates[version.identity]
        found.setdefault(name, set()).add((version.identity, month))
    if not everywhere:
        # Where several different rows of a month bear an id, their other fields are part of their identities.
        for month in months:
            rows = stable_fields(session, definition, month)
            held = set(rows.get_column("identity").to_list())
            texts = likenesses(rows, definition.identity).unique().to_list()
            for name in ids:
                made = identities_of_id(services.keys, definition.code, month, [(name, text) for text in texts])
                for identity in held.intersection(made):
                    found.setdefault(name, set()).add((identity, month))
    return found
