"""Datasets are declared: reads ``resources/datasets/*.toml`` into definitions. What they hold is in no code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

DATE_PRECISIONS = ("month", "day", "hour", "minute")
# Generalised banks and borders leave a few real places in the water or just outside: they get the nearest LSOA.
NEAREST_WITHIN_M = 100
# Known only of rows that have a date.
_OF_A_DATE = ("occurred_on", "weekday")
REGISTERS = ("", "hospitals")  # of sites
SITE = "site"  # the field that names a supplier's site, by its code
RETURN_MONTH = "return_month"  # the field that names the month which a site reported
# Counts have an area, never a place: these built-in fields are none of theirs.
_OF_A_PLACE = ("lsoa_code", "easting", "northing", "location_method", "precision_m")


class DefinitionError(ValueError):
    """A definition cannot be used; the message names the file and what is wrong."""


class FieldGroup(StrEnum):
    """What a grant permits, by kind of field."""

    CORE = "core"  # what and when
    AREA = "area"  # borough and LSOA
    LOCATION = "location"  # coordinates and how they were found
    PLACE = "place"  # a street's or station's name
    DEMOGRAPHIC = "demographic"


class FieldType(StrEnum):
    """Types that every engine, GeoPackage and QGIS share."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    DATE = "date"
    BOOLEAN = "boolean"


class Delivery(StrEnum):
    """What a delivery means for rows that it does not hold."""

    REPLACES = "replaces"  # it is the whole of its months: absent rows are withdrawn
    REPLACES_RETURN = "replaces-return"  # it is the whole of its sites' months of return: absent rows are withdrawn
    UPSERTS = "upserts"  # absent rows stay


class Within(StrEnum):
    """Where the supplier's id names one incident."""

    MONTH = "month"  # the id may come again in another month, for another incident
    DATASET = "dataset"  # a row of that id in another month is the same incident, its date corrected


class Geometry(StrEnum):
    """What a row is."""

    POINTS = "points"  # an incident, which has or may have a place
    COUNTS = "counts"  # a number of an area and a month: it lies nowhere, and rows are summed, not counted


class Undated(StrEnum):
    """What becomes of rows that bear no date."""

    REJECT = "reject"
    KEEP = "keep"  # in a slice of their own, which grants bounded by months do not show


class Publish(StrEnum):
    """Who makes what was loaded visible."""

    BY_HAND = "by-hand"  # somebody of the team, having looked at it
    AT_ONCE = "at-once"  # records as they come, files by hand; the newest days are slices of their own


class Outside(StrEnum):
    """What becomes of rows placed outside the area that the platform covers."""

    REJECT = "reject"
    KEEP = "keep"


@dataclass(frozen=True)
class Field:
    """One declared field. ``codes`` maps code to label, empty where the field is free.

    Rows hold the label: layers are read by people, and a column of a GeoPackage carries no code list. ``bands`` maps
    codes to the whole numbers (first, last) that they stand for: the number itself is never kept.
    """

    name: str
    alias: str
    type: FieldType
    group: FieldGroup
    unit: str = ""
    required: bool = False
    mutable: bool = False  # the supplier corrects it; it is no part of the identity
    assumed: bool = False  # nothing public says that the supplier has it, or what it is called
    codes: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Counting:
    """How rows that are counts may be added up."""

    field: str  # holds the number; null where it is unknown
    withheld: str  # true where the supplier withheld a small number: it is unknown, and never 0
    unlike: tuple[str, ...]  # rows that differ in these are not added: they may count the same people


@dataclass(frozen=True)
class Identity:
    """How a row is known again: the supplier's id where it is unique, else ``stable`` fields and an ordinal."""

    id_field: str | None
    stable: tuple[str, ...]
    within: Within = Within.MONTH


@dataclass(frozen=True)
class DatasetDefinition:
    """Everything that is particular to one dataset."""

    code: str
    version: int
    title: str
    supplier: str
    description: str
    date_precision: str  # "month", "day" or "minute"
    fields: tuple[Field, ...]
    category_field: str
    identity: Identity
    delivery: Delivery
    outside: Outside
    attribution: str
    caveats: tuple[str, ...]
    cadence: str
    suppression_threshold: int
    colour: str
    sensitive: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    undated: Undated = Undated.REJECT
    nearest_within_m: int = NEAREST_WITHIN_M  # a place in no area belongs to the nearest one so near
    geometry: Geometry = Geometry.POINTS
    counting: Counting | None = None  # of counts alone
    assumptions: tuple[str, ...] = ()  # what nothing public says, and is taken to be so
    sites: bool = False  # several sites of the supplier deliver, each its own rows
    retention_months: int = 0  # rows older than that are removed for good; 0: none
    free_text: tuple[str, ...] = ()  # targets in people's own words: screened, used to find places, never stored
    publish: Publish = Publish.BY_HAND
    due_day: int = 0  # of the month in which a month's return is due; 0: nothing says when
    due_months: int = 1  # that month is so many after the one that is reported
    due_every: int = 1  # months that a return is of: of 3 that of a quarter, which is its last month's
    register: str = ""  # of sites that are expected to deliver; "": those that did

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader must know: the caveats, then the assumptions."""
        return (*self.caveats, *(f"Assumed: {text}" for text in self.assumptions))

    @property
    def sensitive_categories(self) -> tuple[str, ...]:
        """The sensitive ones among the categories, as rows hold them."""
        return self.sensitive_by_column.get(self.category_field, ())

    @property
    def sensitive_by_column(self) -> dict[str, tuple[str, ...]]:
        """The sensitive values of every column that has any, as rows hold them."""
        codes = {declared.name: declared.codes for declared in BUILT_IN_FIELDS + self.fields}
        return {name: tuple(codes[name][code] for code in guarded) for name, guarded in self.sensitive.items()}

    def field(self, name: str) -> Field:
        """The field of that name; raises ``KeyError``."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


# Every incident has these, filled by the pipeline; they come first in a layer.
BUILT_IN_FIELDS = (
    Field("month", "Month", FieldType.TEXT, FieldGroup.CORE),
    Field("borough_code", "Borough code", FieldType.TEXT, FieldGroup.AREA),
    Field("borough", "Borough", FieldType.TEXT, FieldGroup.AREA),
    Field("lsoa_code", "LSOA code", FieldType.TEXT, FieldGroup.AREA),
    Field("easting", "Easting", FieldType.INTEGER, FieldGroup.LOCATION, unit="m"),
    Field("northing", "Northing", FieldType.INTEGER, FieldGroup.LOCATION, unit="m"),
    Field("location_method", "How it was placed", FieldType.TEXT, FieldGroup.LOCATION),
    Field("precision_m", "Precision of the place", FieldType.INTEGER, FieldGroup.LOCATION, unit="m"),
)


def layer_fields(definition: DatasetDefinition) -> tuple[Field, ...]:
    """The built-in fields and the declared ones, in the order of a layer's columns."""
    if definition.geometry == Geometry.COUNTS:
        return tuple(field for field in BUILT_IN_FIELDS if field.name not in _OF_A_PLACE) + definition.fields
    return BUILT_IN_FIELDS + definition.fields


def read_definition(path: Path) -> DatasetDefinition:
    """The definition in one TOML file; raises ``DefinitionError``."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        definition = _definition(document)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise DefinitionError(f"{path.name}: this dataset definition cannot be read: {error}.") from error
    trouble = _trouble(definition)
    if trouble:
        raise DefinitionError(f"{path.name}: {trouble}.")
    return definition


def read_definitions(folder: Path) -> dict[str, DatasetDefinition]:
    """All definitions of a folder, by code."""
    definitions = [read_definition(path) for path in sorted(folder.glob("*.toml"))]
    return {definition.code: definition for definition in definitions}


def _trouble(definition: DatasetDefinition) -> str | None:
    """What is wrong with a definition that could be read, or ``None``."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,23}", definition.code):
        return f"the code “{definition.code}” is not 2 to 24 small letters, digits and underscores"
    if definition.date_precision not in DATE_PRECISIONS:
        return f"date_precision is none of {', '.join(DATE_PRECISIONS)}"
    everything = BUILT_IN_FIELDS + definition.fields
    fields = {field.name: field for field in everything}
    if len(fields) != len(everything):
        return "a field is declared twice or bears the name of a built-in field"
    for name in (definition.category_field, *definition.identity.stable, *definition.sensitive):
        if name not in fields:
            return f"“{name}” is used but not declared as a field"
    if "occurred_on" in fields and fields["occurred_on"].group != FieldGroup.CORE:
        return "“occurred_on” is a core field: a feature's id tells its day to whoever sees the row"
    if not fields[definition.category_field].codes:
        return f"the category field “{definition.category_field}” has no code list"
    for declared in definition.fields:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", declared.name):
            return f"the name “{declared.name}” is not in small letters, digits and underscores"
        if len({label.casefold() for label in declared.codes.values()}) != len(declared.codes):
            return f"two codes of “{declared.name}” have the same label"
        if declared.mutable and declared.name in definition.identity.stable:
            return f"“{declared.name}” cannot be mutable and part of the identity"
    if definition.identity.within == Within.DATASET and not definition.identity.id_field:
        return "identity within the dataset needs an id of the supplier's"
    if definition.undated == Undated.KEEP:
        if definition.delivery == Delivery.REPLACES:
            return "a delivery that replaces months cannot keep undated rows: which of them it replaces is unknown"
        for name in _OF_A_DATE:
            if name in fields and fields[name].required:
                return f"“{name}” cannot be required where undated rows are kept"
    for name, codes in definition.sensitive.items():
        for code in codes:
            if code not in fields[name].codes:
                return f"the sensitive code “{code}” is none of “{name}”"
    return (
        _trouble_of_counts(definition, fields)
        or _trouble_of_deliveries(definition, fields)
        or _trouble_of_people(definition, fields)
    )


def _trouble_of_counts(definition: DatasetDefinition, fields: Mapping[str, Field]) -> str | None:
    counting = definition.counting
    if definition.geometry == Geometry.POINTS:
        return None if counting is None else "only a dataset of counts says how they are added up"
    if counting is None:
        return "a dataset of counts says in [counts] which field holds the number"
    for name, kind in ((counting.field, FieldType.INTEGER), (counting.withheld, FieldType.BOOLEAN)):
        if name not in fields or fields[name].type != kind or fields[name].group != FieldGroup.CORE:
            return f"“{name}” is no core field of the type {kind}, which a dataset of counts needs"
    for name in counting.unlike:
        if name not in fields:
            return f"“{name}” is used but not declared as a field"
    for declared in definition.fields:
        if declared.group in (FieldGroup.LOCATION, FieldGroup.PLACE):
            return f"“{declared.name}” is of the group {declared.group}, but counts lie nowhere"
    if definition.date_precision != "month" or definition.undated == Undated.KEEP:
        return "counts are of months: their date_precision is month, and undated ones are rejected"
    return None


def _trouble_of_deliveries(definition: DatasetDefinition, fields: Mapping[str, Field]) -> str | None:
    if definition.sites and SITE not in fields:
        return f"a dataset of several sites needs the field “{SITE}”"
    if definition.delivery == Delivery.REPLACES_RETURN:
        if not definition.sites or RETURN_MONTH not in fields:
            return f"a delivery that replaces returns needs sites and the field “{RETURN_MONTH}”"
        if missing := {SITE, RETURN_MONTH} - set(definition.identity.stable):
            return f"“{min(missing)}” is part of the identity where a delivery replaces returns"
    if not 0 <= definition.due_day <= 28 or definition.due_months < 0:
        return "due_day is a day of every month, 1 to 28, or 0 where none is known, and due_months is 0 or more"
    if definition.due_every not in (1, 2, 3, 4, 6, 12):
        return "due_every is the months that a return is of: 1, 3 for a quarter, 12 for a year, or 2, 4 or 6"
    if definition.register not in REGISTERS:
        return f"register is none of {', '.join(filter(None, REGISTERS))}"
    if definition.retention_months < 0:
        return "retention_months is 0, for no limit, or more"
    return None


def _trouble_of_people(definition: DatasetDefinition, fields: Mapping[str, Field]) -> str | None:
    for name in definition.free_text:
        if name in fields:
            return f"“{name}” is free text, which is never stored: it cannot be a field"
    for declared in definition.fields:
        if declared.assumed and not definition.assumptions:
            return f"“{declared.name}” is assumed, but no assumption says why"
        if declared.bands and set(declared.bands) - set(declared.codes):
            return f"“{min(set(declared.bands) - set(declared.codes))}” is a band of “{declared.name}” without a label"
        bands = sorted(declared.bands.values())
        apart = all(earlier[1] < later[0] for earlier, later in pairwise(bands))
        if not apart or any(first > last for first, last in bands):
            return f"the bands of “{declared.name}” overlap or end before they begin"
    return None


def _definition(document: dict[str, Any]) -> DatasetDefinition:
    dataset = document["dataset"]
    identity = document["identity"]
    return DatasetDefinition(
        code=dataset["code"],
        version=int(dataset["version"]),
        title=dataset["title"],
        supplier=dataset["supplier"],
        description=dataset["description"],
        date_precision=dataset["date_precision"],
        fields=tuple(_field(entry) for entry in document["fields"]),
        category_field=dataset["category_field"],
        identity=Identity(identity.get("id"), tuple(identity["stable"]), Within(identity["within"])),
        delivery=Delivery(dataset["delivery"]),
        outside=Outside(dataset["outside"]),
        attribution=dataset["attribution"],
        caveats=tuple(dataset.get("caveats", ())),
        cadence=dataset["cadence"],
        suppression_threshold=int(dataset["suppression_threshold"]),
        colour=dataset["colour"],
        sensitive={name: tuple(codes) for name, codes in document.get("sensitive", {}).items()},
        undated=Undated(dataset["undated"]),
        nearest_within_m=int(dataset.get("nearest_within_m", NEAREST_WITHIN_M)),
        geometry=Geometry(dataset.get("geometry", Geometry.POINTS)),
        counting=_counting(document["counts"]) if "counts" in document else None,
        assumptions=tuple(dataset.get("assumptions", ())),
        sites=bool(dataset.get("sites", False)),
        retention_months=int(dataset.get("retention_months", 0)),
        free_text=tuple(dataset.get("free_text", ())),
        publish=Publish(dataset.get("publish", Publish.BY_HAND)),
        due_day=int(dataset.get("due_day", 0)),
        due_months=int(dataset.get("due_months", 1)),
        due_every=int(dataset.get("due_every", 1)),
        register=dataset.get("register", ""),
    )


def _counting(entry: dict[str, Any]) -> Counting:
    return Counting(entry["field"], entry["withheld"], tuple(entry["unlike"]))


def _field(entry: dict[str, Any]) -> Field:
    return Field(
        name=entry["name"],
        alias=entry["alias"],
        type=FieldType(entry["type"]),
        group=FieldGroup(entry["group"]),
        unit=entry.get("unit", ""),
        required=bool(entry.get("required", False)),
        mutable=bool(entry.get("mutable", False)),
        assumed=bool(entry.get("assumed", False)),
        codes=dict(entry.get("codes", {})),
        bands={code: (int(first), int(last)) for code, (first, last) in entry.get("bands", {}).items()},
    )
