"""Collections and their items, as the subject's agreements show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import ColumnElement, Row, func
from sqlalchemy.orm import Session

from ..agreements.models import Use
from ..agreements.months import months_back
from ..agreements.opened import Refusal, Scope
from ..agreements.scope import scope
from ..analysis.asking import Question, declared_only
from ..analysis.places import in_regions
from ..analysis.visible import CountsLieNowhere, VisibleRows, json_value
from ..audit.log import EventType
from ..datasets.definitions import Field, FieldType, Geometry
from ..identity.subject import Subject
from ..instants import iso, now
from ..problems import Problem
from ..services import Services
from .crs import Crs, extent_of, to_lonlat
from .paging import Cursor, ReleaseChanged, after, ordering, read_cursor, write_cursor
from .query import ItemsQuery, parse_items

GEOJSON = "application/geo+json"
CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
)
_SCHEMA_TYPES: dict[FieldType, dict[str, str]] = {
    FieldType.TEXT: {"type": "string"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.REAL: {"type": "number"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.BOOLEAN: {"type": "boolean"},
}
_FID_DIGITS = 19
_TOLD = ("bbox", "bbox-crs", "crs", "datetime", "limit", "sortby")


@dataclass(frozen=True)
class Asker:
    """Who asks, in which session of the database, and ``root``: the address under which collections lie."""

    services: Services
    session: Session
    subject: Subject
    root: str

    def question(self, event: EventType, dataset: str, **wanted: Any) -> Question:
        """A question of theirs, for the audit."""
        return Question(self.services, self.subject, event, dataset, wanted)

    def visible(self, permitted: Scope) -> VisibleRows:
        """The rows of the scope."""
        return VisibleRows(self.session, permitted)


@dataclass(frozen=True)
class Answer:
    """A document and the reference system of its coordinates."""

    document: dict[str, Any]
    crs: Crs


def landing(root: str, server: str) -> dict[str, Any]:
    """Where everything is."""
    return {
        "title": "SafeStats",
        "description": "Incident data as your organisation's agreements show them.",
        "links": [
            _link("self", root, "This page"),
            _link("service-desc", f"{server}/v1/openapi.json", "The interface", "application/vnd.oai.openapi+json"),
            _link("conformance", f"{root}/conformance", "What it conforms to"),
            _link("data", f"{root}/collections", "Collections"),
        ],
    }


def collections(asker: Asker) -> dict[str, Any]:
    """The collections that the subject may view."""
    question = asker.question(EventType.LAYERS_LISTED, "")
    shown = []
    for code in asker.services.definitions:
        try:
            permitted = scope(asker.session, asker.subject, code, asker.services.definitions, Use.VIEW)
        except Refusal:
            continue
        shown.append(_collection(asker, permitted))
    question.listed([collection["id"] for collection in shown])
    return {"links": [_link("self", f"{asker.root}/collections", "Collections")], "collections": shown}


def collection(asker: Asker, dataset: str) -> dict[str, Any]:
    """One collection, its extent that of the visible rows; raises ``Refusal``."""
    question = asker.question(EventType.LAYER_DESCRIBED, dataset)
    permitted = question.permitted(asker.session)
    document = _collection(asker, permitted)
    question.answered(permitted, 0)
    return document


def queryables(asker: Asker, dataset: str) -> dict[str, Any]:
    """The properties to filter by, as JSON Schema; raises ``Refusal``."""
    question = asker.question(EventType.LAYER_DESCRIBED, dataset)
    permitted = question.permitted(asker.session)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{asker.root}/collections/{dataset}/queryables",
        "type": "object",
        "title": permitted.definition.title,
        "properties": {field.name: _property_schema(field) for field in permitted.columns},
        "additionalProperties": False,
    }
    question.answered(permitted, 0)
    return document


def items(asker: Asker, dataset: str, parameters: Sequence[tuple[str, str]]) -> Answer:
    """A page of features; raises ``Problem``."""
    told = declared_only(asker.services.definitions.get(dataset), parameters, _TOLD)
    question = asker.question(EventType.ITEMS_READ, dataset, **told)
    permitted = question.permitted(asker.session)
    try:
        asked = parse_items(parameters)
        answer, rows = _page(asker, permitted, asked)
    except Problem as problem:
        raise question.refused(problem) from None
    question.answered(permitted, rows)
    return answer


def item(asker: Asker, dataset: str, fid: str, parameters: Sequence[tuple[str, str]]) -> Answer:
    """One feature; raises ``Problem``: 404 for whatever is not visible."""
    question = asker.question(EventType.ITEMS_READ, dataset, item=fid[:_FID_DIGITS] if fid.isdigit() else "")
    permitted = question.permitted(asker.session)
    try:
        asked = parse_items(parameters)
        if any(name not in ("crs", "f") for name, _ in parameters):
            raise Problem(400, "unknown-property", "No such parameter", "An item takes the parameter crs alone.")
        rows = asker.visible(permitted)
        found = _find(asker.session, rows, fid)
    except Problem as problem:
        raise question.refused(problem) from None
    (feature,) = _features(rows, [found], asked.crs)
    place = f"{asker.root}/collections/{dataset}"
    feature["links"] = [
        _link("self", f"{place}/items/{feature['id']}", "This feature", GEOJSON),
        _link("collection", place, permitted.definition.title),
    ]
    question.answered(permitted, 1)
    return Answer(feature, asked.crs)


def _page(asker: Asker, permitted: Scope, asked: ItemsQuery) -> tuple[Answer, int]:
    rows = asker.visible(permitted)
    conditions = conditions_of(rows, asked)
    order = ordering(rows, asked.sort)
    fields = [rows.fields[key.name] for key in asked.sort]
    if asked.cursor:
        cursor = read_cursor(asked.cursor, asked.text, fields)
        if cursor.release != permitted.release:
            raise ReleaseChanged
        matched = cursor.matched
        page = [*conditions, after(rows, asked.sort, cursor)]
    else:
        matched = asker.session.scalar(rows.select(func.count()).where(*conditions)) or 0
        page = conditions
    # One more than the page holds tells whether there is another.
    wanted = rows.select(*rows.everything()).where(*page).order_by(*order).limit(asked.limit + 1)
    found = list(asker.session.execute(wanted))
    shown = found[: asked.limit]
    place = f"{asker.root}/collections/{permitted.definition.code}"
    links = [
        _link("self", _address(f"{place}/items", asked, asked.cursor), "This page", GEOJSON),
        _link("collection", place, permitted.definition.title),
    ]
    if len(found) > len(shown):
        last = shown[-1]
        values = tuple(getattr(last, field.name) for field in fields)
        following = write_cursor(Cursor(permitted.release, matched, values, last.fid), asked.text)
        links.append(_link("next", _address(f"{place}/items", asked, following), "The next page", GEOJSON))
    document = {
        "type": "FeatureCollection",
        "timeStamp": iso(now()),
        "numberMatched": matched,
        "numberReturned": len(shown),
        "links": links,
        "features": _features(rows, shown, asked.crs),
    }
    return Answer(document, asked.crs), len(shown)


def conditions_of(rows: VisibleRows, asked: ItemsQuery) -> list[ColumnElement[bool]]:
    """What the question asks of a row; raises ``UnknownProperty``, ``BadValue`` or ``CountsLieNowhere``."""
    conditions = rows.equal(asked.equal)
    if asked.days is not None:
        conditions.append(rows.within_days(asked.days))
    if asked.regions is not None:
        if rows.scope.definition.geometry == Geometry.COUNTS:
            raise CountsLieNowhere(rows.scope.definition.title)
        conditions.append(in_regions(rows, asked.regions))
    return conditions


def _find(session: Session, rows: VisibleRows, fid: str) -> Row[Any]:
    known = fid.isascii() and fid.isdigit() and len(fid) <= _FID_DIGITS and int(fid) < 2**63
    found = None
    if known:
        found = session.execute(rows.select(*rows.everything()).where(rows.fid == int(fid)).limit(1)).first()
    if found is None:
        raise Problem(404, "not-found", "Not found", "There is no such feature in this layer.")
    return found


def _features(rows: VisibleRows, found: Sequence[Row[Any]], crs: Crs) -> list[dict[str, Any]]:
    places: list[list[float] | None] = [None] * len(found)
    if rows.placed:
        placed = [index for index, row in enumerate(found) if row.x is not None]
        grid = [[found[index].x, found[index].y] for index in placed]
        if crs == Crs.CRS84:
            grid = to_lonlat([x for x, _ in grid], [y for _, y in grid]).tolist()
        for index, coordinates in zip(placed, grid, strict=True):
            places[index] = coordinates
    return [
        {
            "type": "Feature",
            # Longer than the whole numbers that JavaScript knows.
            "id": str(row.fid),
            "geometry": coordinates and {"type": "Point", "coordinates": coordinates},
            "properties": {name: json_value(field, getattr(row, name)) for name, field in rows.fields.items()},
        }
        for row, coordinates in zip(found, places, strict=True)
    ]


def _collection(asker: Asker, permitted: Scope) -> dict[str, Any]:
    definition = permitted.definition
    rows = asker.visible(permitted)
    place = f"{asker.root}/collections/{definition.code}"
    document: dict[str, Any] = {
        "id": definition.code,
        "title": definition.title,
        "description": definition.description,
        "attribution": definition.attribution,
        "itemType": "feature",
        # No "storageCrs": QGIS 3.40 would take it for the layer's and leave the extent in degrees.
        "crs": [Crs.CRS84, Crs.NATIONAL_GRID],
        "links": [
            _link("self", place, definition.title),
            _link("items", f"{place}/items", "Items", GEOJSON),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/queryables",
                f"{place}/queryables",
                "Properties",
                "application/schema+json",
            ),
        ],
    }
    extent: dict[str, Any] = {}
    if rows.placed:
        wanted = rows.select(func.min(rows.x), func.min(rows.y), func.max(rows.x), func.max(rows.y))
        west, south, east, north = asker.session.execute(wanted).one()
        if west is not None:
            extent["spatial"] = {"bbox": [extent_of(west, south, east, north)], "crs": Crs.CRS84}
    interval = rows.first_and_last()
    if interval is not None:
        extent["temporal"] = {"interval": [list(_instants(*interval))]}
    if extent:
        document["extent"] = extent
    return document


def _instants(first: str, last: str) -> tuple[str, str]:
    """The beginning of the first day (or month) and the end of the last, as instants."""
    begin = first if len(first) > 7 else f"{first}-01"
    end = f"{last}T23:59:59Z" if len(last) > 7 else f"{months_back(last, -1)}-01T00:00:00Z"
    return f"{begin}T00:00:00Z", end


def _property_schema(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"title": field.alias, **_SCHEMA_TYPES[field.type]}
    if field.codes:
        schema["enum"] = list(field.codes.values())
    return schema


def _address(place: str, asked: ItemsQuery, cursor: str) -> str:
    pairs = [*asked.text, *([("cursor", cursor)] if cursor else [])]
    return f"{place}?{urlencode(pairs, quote_via=quote)}" if pairs else place


def _link(rel: str, href: str, title: str, media_type: str = "application/json") -> dict[str, str]:
    return {"rel": rel, "href": href, "title": title, "type": media_type}
