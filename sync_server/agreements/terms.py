"""The suppliers' terms: read from TOML, kept in versions, the one that counts today.

A dataset without recorded terms has no ceiling: agreements in force go on, but none is signed or activated.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..audit.log import EventType
from ..datasets.definitions import DatasetDefinition, FieldGroup, Geometry
from ..errors import SafeStatsError
from ..instants import now
from .ceiling import Ceiling
from .models import Precision, SupplierTerms, Use

if TYPE_CHECKING:
    from ..services import Services

TERMS_FOLDER = "terms"
_KEYS = {
    "dataset",
    "version",
    "supplier",
    "fields",
    "precision",
    "grid_m",
    "uses",
    "recipients",
    "suppression_threshold",
    "retention_months",
    "from",
    "to",
    "note",
}


def read_terms(path: Path, definitions: Mapping[str, DatasetDefinition]) -> SupplierTerms:
    """The terms in one TOML file, not yet recorded; raises ``SafeStatsError`` naming the file and what is wrong."""
    try:
        content = path.read_bytes()
        terms = _terms(tomllib.loads(content.decode("utf-8"))["terms"])
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        reason = f"“{error.args[0]}” is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise SafeStatsError(f"{path.name}: these terms cannot be read: {reason}.") from error
    if trouble := _trouble(terms, definitions):
        raise SafeStatsError(f"{path.name}: {trouble}.")
    terms.sha256 = hashlib.sha256(content).hexdigest()
    return terms


def load_terms(services: Services, session: Session, actor: str, path: Path) -> SupplierTerms | None:
    """Record the terms of a file as a new version; ``None`` where that very version is there already.

    Raises ``SafeStatsError`` where the file is unfit, or the version is not newer than what is recorded.
    """
    terms = read_terms(path, services.definitions)
    versions = terms_of(session, terms.dataset)
    if any((known.version, known.sha256) == (terms.version, terms.sha256) for known in versions):
        return None
    if versions and terms.version <= versions[-1].version:
        raise SafeStatsError(
            f"{path.name}: version {versions[-1].version} of the terms on “{terms.dataset}” is recorded: "
            "what was recorded stays; give changed terms a higher version."
        )
    terms.loaded_by, terms.loaded_at = actor, now()
    session.add(terms)
    session.flush()
    services.audit.record(
        EventType.TERMS_SET,
        actor=actor,
        dataset=terms.dataset,
        filter={"version": terms.version, "sha256": terms.sha256, "from": str(terms.starts)},
    )
    return terms


def supplied_terms(services: Services) -> list[Path]:
    """The files that come with the project, one a dataset: examples to be replaced by what a supplier signed."""
    return sorted((services.settings.resources_dir / TERMS_FOLDER).glob("*.toml"))


def terms_of(session: Session, dataset: str | None = None) -> Sequence[SupplierTerms]:
    """The recorded versions of a dataset's terms, or of all, the oldest first."""
    wanted = select(SupplierTerms).order_by(SupplierTerms.dataset, SupplierTerms.version)
    if dataset is not None:
        wanted = wanted.where(SupplierTerms.dataset == dataset)
    return session.scalars(wanted).all()


def ceiling_on(session: Session, dataset: str, today: date) -> Ceiling | None:
    """The terms that count today: the newest that have started, else the first to start; ``None`` without any.

    They may have run out, or not have started: ask ``in_force``.
    """
    return ceiling_among(terms_of(session, dataset), today)


def ceiling_among(versions: Sequence[SupplierTerms], today: date) -> Ceiling | None:
    """``ceiling_on`` of these versions, the oldest first."""
    if not versions:
        return None
    started = [terms for terms in versions if terms.starts <= today]
    return ceiling_of(started[-1] if started else min(versions, key=lambda terms: terms.starts))


def ceiling_of(terms: SupplierTerms) -> Ceiling:
    """The terms as plain data."""
    groups, uses = terms.groups.split(), terms.uses.split()
    return Ceiling(
        dataset=terms.dataset,
        version=terms.version,
        groups=tuple(group for group in FieldGroup if group in groups),
        precision=Precision(terms.precision),
        grid_m=terms.grid_m,
        uses=frozenset(use for use in Use if use in uses),
        recipients=tuple(terms.recipients.split()),
        suppression_threshold=terms.suppression_threshold,
        retention_months=terms.retention_months,
        starts=terms.starts,
        ends=terms.ends,
        sha256=terms.sha256,
    )


def datasets_without_terms(session: Session, definitions: Mapping[str, DatasetDefinition]) -> list[str]:
    """The codes of declared datasets on which no terms are recorded."""
    recorded = set(session.scalars(select(SupplierTerms.dataset).distinct()))
    return [code for code in definitions if code not in recorded]


def _terms(entry: dict[str, Any]) -> SupplierTerms:
    if unknown := sorted(set(entry) - _KEYS):
        raise ValueError(f"“{unknown[0]}” is no part of terms")
    return SupplierTerms(
        dataset=_text(entry, "dataset"),
        version=_number(entry, "version"),
        supplier=_text(entry, "supplier"),
        groups=" ".join(FieldGroup(name) for name in entry["fields"]),
        precision=Precision(entry["precision"]),
        grid_m=_number(entry, "grid_m", 0),
        uses=" ".join(Use(name) for name in entry["uses"]),
        recipients=" ".join(str(name) for name in entry.get("recipients", ())),
        suppression_threshold=_number(entry, "suppression_threshold"),
        retention_months=_number(entry, "retention_months", 0),
        starts=_day(entry, "from"),
        ends=_day(entry, "to") if "to" in entry else None,
        note=_text(entry, "note") if "note" in entry else "",
    )


def _trouble(terms: SupplierTerms, definitions: Mapping[str, DatasetDefinition]) -> str | None:
    if terms.dataset not in definitions:
        return f"there is no dataset “{terms.dataset}”; there are: {', '.join(sorted(definitions))}"
    if terms.version < 1:
        return "a version is 1 or more"
    if FieldGroup.CORE not in terms.groups.split():
        return "terms permit the core fields, or nothing could be given"
    of_places = {FieldGroup.LOCATION, FieldGroup.PLACE} & set(terms.groups.split())
    if definitions[terms.dataset].geometry == Geometry.COUNTS and of_places:
        return f"{terms.dataset} holds counts by area: its terms cannot permit {', '.join(sorted(of_places))}"
    if not terms.uses:
        return "terms permit at least one use"
    if (terms.grid_m > 0) != (terms.precision == Precision.GRID):
        return "a grid, and nothing else, has a cell (grid_m) of more than 0 metres"
    if terms.suppression_threshold < 0 or terms.retention_months < 0:
        return "the threshold and the months of retention are 0 or more"
    if terms.ends is not None and terms.ends < terms.starts:
        return f"the terms would end ({terms.ends}) before they start ({terms.starts})"
    return None


def _text(entry: dict[str, Any], name: str) -> str:
    if not isinstance(entry[name], str) or not entry[name].strip():
        raise ValueError(f"“{name}” is no text")
    return entry[name].strip()


def _number(entry: dict[str, Any], name: str, absent: int | None = None) -> int:
    value = entry[name] if absent is None else entry.get(name, absent)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"“{name}” is no whole number")
    return value


def _day(entry: dict[str, Any], name: str) -> date:
    if type(entry[name]) is not date:
        raise ValueError(f"“{name}” is no date (written 2026-11-22, without quotes)")
    return entry[name]
