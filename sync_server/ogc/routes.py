"""OGC API – Features, Part 1 (Core, GeoJSON) and the reference systems of Part 2, on the rows that may be viewed.

Parameters are read by ``query``: an unknown one is an error that must read the same whether it is hidden or absent,
so the framework does not look at them.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse

from ..answers import problems
from ..dependencies import ReadDep, ServicesDep, SubjectDep
from . import service
from .documents import CollectionAnswer, CollectionsAnswer, ConformanceAnswer, LandingAnswer, QueryablesAnswer
from .parameters import ITEM_PARAMETERS, ITEMS_PARAMETERS, feature_schema, features_schema
from .service import CONFORMS_TO, GEOJSON, Answer, Asker

router = APIRouter(prefix="/v1/ogc", tags=["ogc"], responses=problems(401, 403))

Dataset = Annotated[str, Path(max_length=32)]


def _asker(request: Request, services: ServicesDep, session: ReadDep, subject: SubjectDep) -> Asker:
    return Asker(services, session, subject, f"{_server(request)}{router.prefix}")


AskerDep = Annotated[Asker, Depends(_asker)]


def _server(request: Request) -> str:
    return str(request.base_url).rstrip("/")


@router.get("", response_model=LandingAnswer)
def landing(request: Request, _subject: SubjectDep) -> Any:
    """The landing page."""
    return _json(service.landing(f"{_server(request)}{router.prefix}", _server(request)))


@router.get("/conformance", response_model=ConformanceAnswer)
def conformance(_subject: SubjectDep) -> Any:
    """The conformance classes."""
    return _json({"conformsTo": list(CONFORMS_TO)})


@router.get("/collections", response_model=CollectionsAnswer)
def collections(asker: AskerDep) -> Any:
    """The collections that the subject may view, their extents those of the visible rows."""
    return _json(service.collections(asker))


@router.get("/collections/{dataset}", response_model=CollectionAnswer, responses=problems(404))
def collection(dataset: Dataset, asker: AskerDep) -> Any:
    """One collection."""
    return _json(service.collection(asker, dataset))


@router.get("/collections/{dataset}/queryables", response_model=QueryablesAnswer, responses=problems(404))
def queryables(dataset: Dataset, asker: AskerDep) -> Any:
    """The properties that items may be filtered by, as JSON Schema."""
    return _json(service.queryables(asker, dataset), "application/schema+json")


@router.get(
    "/collections/{dataset}/items",
    response_class=JSONResponse,
    responses={200: features_schema(), **problems(400, 404, 409)},
    openapi_extra={"parameters": ITEMS_PARAMETERS},
)
def items(dataset: Dataset, request: Request, asker: AskerDep) -> JSONResponse:
    """A page of the items: by box, days and properties, sorted as asked."""
    return _geojson(service.items(asker, dataset, request.query_params.multi_items()))


@router.get(
    "/collections/{dataset}/items/{fid}",
    response_class=JSONResponse,
    responses={200: feature_schema(), **problems(400, 404)},
    openapi_extra={"parameters": ITEM_PARAMETERS},
)
def item(dataset: Dataset, fid: Annotated[str, Path(max_length=64)], request: Request, asker: AskerDep) -> JSONResponse:
    """One item."""
    return _geojson(service.item(asker, dataset, fid, request.query_params.multi_items()))


def _json(document: dict[str, Any], media_type: str = "application/json") -> JSONResponse:
    return JSONResponse(document, media_type=media_type)


def _geojson(answer: Answer) -> JSONResponse:
    return JSONResponse(answer.document, media_type=GEOJSON, headers={"Content-Crs": f"<{answer.crs}>"})
