"""How the columns of somebody's own layer lead to a dataset: a mapping document made of plain choices, and back."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...shared.uploads import Kind
from ..datasets.definitions import DatasetDefinition, Geometry
from ..errors import SafeStatsError
from ..ingest.mappings import Mapping as FileMapping
from ..ingest.mappings import Parse, PlaceKind

# How places of layers come: metres of the National Grid, or degrees, which become such by the Ordnance Survey's rule.
_GRID, _DEGREES = {"easting", "northing"}, {"longitude", "latitude"}
_COORDINATES = _GRID | _DEGREES | {"easting_rounded", "northing_rounded"}
_WORDS = {
    "month": "Month",
    "occurred_on": "Date",
    "occurred_time": "Time",
    "arrived_on": "Date of arrival",
    "arrived_time": "Time of arrival",
    "return_month": "Month of the return",
    "site": "Site",
    "supplier_lsoa": "LSOA code",
    "supplier_borough": "Borough, by name or code",
    "location_description": "Description of the place",
    "location_postcode": "Postcode of the place",
}


@dataclass(frozen=True)
class Target:
    """Something that a column may lead to."""

    name: str
    title: str
    kind: Kind
    required: bool
    codes: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()  # what suppliers call it


@dataclass(frozen=True)
class LayerMapping:
    """Headers by target, codes by field and text, and how exact the points of the layer are."""

    columns: Mapping[str, str]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    precision_m: int = 1

    def document(self, definition: DatasetDefinition, targets: Sequence[Target]) -> str:
        """The mapping as TOML, always the same for the same choices; raises ``SafeStatsError`` where one is missing."""
        known = {target.name: target for target in targets}
        strange = sorted(set(self.columns) - set(known) - _GRID - _DEGREES)
        if strange:
            raise SafeStatsError(f"“{strange[0]}” is nothing that a column of {definition.title} leads to.")
        missing = [target.title for target in targets if target.required and target.name not in self.columns]
        if missing:
            raise SafeStatsError(f"No column leads to “{missing[0]}”, which every row of {definition.title} needs.")
        lines = [
            "[mapping]",
            f"code = {_quoted(f'layer-{definition.code}')}",
            f"title = {_quoted(f'A layer for {definition.title}')}",
            f"datasets = [{_quoted(definition.code)}]",
            "",
            "[place]",
            *self._place(),
        ]
        for name, header in sorted(self.columns.items()):
            kind = known[name].kind if name in known else Kind.TEXT
            lines += ["", "[[columns]]", f"to = {_quoted(name)}", f"headers = [{_quoted(_literal(header))}]"]
            if kind in (Kind.MONTH, Kind.DATE, Kind.TIME, Kind.INTEGER):
                lines.append(f"parse = {_quoted(str(kind))}")
            lines.append("required = true")
        for name, codes in sorted(self.codes.items()):
            if codes:
                lines += ["", f"[codes.{_quoted(name)}]"]
                lines += [f"{_quoted(_literal(text))} = {_quoted(code)}" for text, code in sorted(codes.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def of(cls, document: str) -> LayerMapping | None:
        """The choices that gave a document; ``None`` where it was made in another way."""
        try:
            parts = tomllib.loads(document)
            if not parts["mapping"]["code"].startswith("layer-"):
                return None
            columns = {entry["to"]: entry["headers"][0] for entry in parts.get("columns", ())}
            return cls(columns, parts.get("codes", {}), int(parts["place"].get("precision_m", 1)))
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, IndexError):
            return None

    def _place(self) -> list[str]:
        for kind, needed in (("grid", _GRID), ("lonlat", _DEGREES)):
            if needed <= set(self.columns):
                return [f'kind = "{kind}"', 'method = "reported"', f"precision_m = {self.precision_m}"]
        if "location_description" in self.columns:
            return ['kind = "described"']
        return ['kind = "area"']


def targets_of(definition: DatasetDefinition, supplied: Iterable[FileMapping]) -> list[Target]:
    """What columns of a layer may lead to: what the suppliers' own files give, but for the place of points."""
    sources = {source.target: source for mapping in supplied for source in mapping.sources}
    declared = {one.name: one for one in definition.fields}
    day = "month" if definition.date_precision == "month" else "occurred_on"
    names = dict.fromkeys((day, *sources))
    targets = []
    for name in names:
        if name in _COORDINATES:
            continue
        field_ = declared.get(name)
        parse = sources[name].parse if name in sources else Parse.TEXT
        kinds = {Parse.MONTH: Kind.MONTH, Parse.TIME: Kind.TIME, Parse.INTEGER: Kind.INTEGER}
        kind = kinds.get(parse, Kind.TEXT)
        if parse in (Parse.DATE, Parse.INSTANT):
            kind = Kind.DATE
        if name == "month":
            kind = Kind.MONTH
        elif name == "occurred_on":
            kind = Kind.DATE
        codes = field_.codes if field_ is not None else {}
        if codes:
            kind = Kind.CODE
        required = name == day or (field_ is not None and field_.required) or _of_counts(definition, name)
        title = _WORDS.get(name) or (field_.alias if field_ is not None else name.replace("_", " ").capitalize())
        headers = tuple(header for header in sources[name].headers if "*" not in header) if name in sources else ()
        targets.append(Target(name, title, kind, required, codes, headers))
    return sorted(targets, key=lambda target: not target.required)


def described(supplied: Iterable[FileMapping]) -> bool:
    """Whether the supplier's own files tell places in words."""
    return any(mapping.placing.kind == PlaceKind.DESCRIBED for mapping in supplied)


def _of_counts(definition: DatasetDefinition, name: str) -> bool:
    counting = definition.counting
    return definition.geometry == Geometry.COUNTS and (
        name == "supplier_borough" or (counting is not None and name == counting.field)
    )


def _literal(text: str) -> str:
    """A mapping takes “*” for anything; what is meant here is the one header or value."""
    return text.replace("*", " ")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
