"""Which column of a layer seems to lead where, and what its texts seem to mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from qgis.core import QgsField
from qgis.PyQt.QtCore import QMetaType

from ...shared.uploads import Kind
from .publishable import LayerMapping, Target

_ALIKE = 0.78


@dataclass(frozen=True)
class Column:
    """A column of a layer; ``dated`` where it holds days or instants."""

    name: str
    alias: str = ""
    dated: bool = False

    @classmethod
    def of(cls, field_: QgsField) -> Column:
        """That of a layer's field."""
        return cls(field_.name(), field_.alias(), field_.type() in (QMetaType.Type.QDate, QMetaType.Type.QDateTime))


def suggest_columns(
    targets: Sequence[Target], columns: Sequence[Column], before: LayerMapping | None
) -> dict[str, str]:
    """Target → column: as the last layer had it, else by names that are the same, else by names that are alike.

    The one column of dates is suggested for the date that is needed, whatever its name. No column is suggested twice.
    """
    names = {column.name for column in columns}
    found: dict[str, str] = {}
    if before is not None:
        known = {target.name for target in targets}
        found = {target: name for target, name in before.columns.items() if target in known and name in names}
    for alike in (1.0, _ALIKE):
        for target in targets:
            if target.name in found:
                continue
            free = [column for column in columns if column.name not in found.values()]
            best = max(((_likeness(target, column), column.name) for column in free), default=(0.0, ""))
            if best[0] >= alike:
                found[target.name] = best[1]
    dated = [column.name for column in columns if column.dated and column.name not in found.values()]
    for target in targets:
        if target.required and target.kind in (Kind.MONTH, Kind.DATE) and target.name not in found and len(dated) == 1:
            found[target.name] = dated[0]
    return found


def suggest_code(target: Target, text: str, before: LayerMapping | None = None) -> str:
    """The code that a text seems to mean; "" where none is alike."""
    chosen = before.codes.get(target.name, {}).get(text, "") if before is not None else ""
    if chosen in target.codes:
        return chosen
    keys = {key_of(words): code for code, label in target.codes.items() for words in (label, code)}
    if key_of(text) in keys:
        return keys[key_of(text)]
    alike = difflib.get_close_matches(key_of(text), list(keys), 1, _ALIKE)
    return keys[alike[0]] if alike else ""


def _likeness(target: Target, column: Column) -> float:
    wanted = {key_of(target.name), key_of(target.title), *map(key_of, target.headers)}
    return max(
        difflib.SequenceMatcher(None, one, other).ratio()
        for one in wanted
        for other in {key_of(column.name), key_of(column.alias or column.name)}
    )


def key_of(text: str) -> str:
    """A name without what people write differently."""
    return re.sub(r"[\W_]+", "", text.casefold())
