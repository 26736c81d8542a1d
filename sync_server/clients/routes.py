"""The plugin repository for QGIS's plugin manager. It needs no session: the plugin holds no data."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from ..dependencies import ServicesDep
from ..problems import Problem
from ..settings import Settings
from .plugin_package import NoPlugin, PluginPackage, read_package, repository_list

logger = logging.getLogger(__name__)

# Not a part of the interface between plugin and server: its form is QGIS's.
router = APIRouter(prefix="/plugins", include_in_schema=False)


@router.get("/plugins.xml")
def plugins(request: Request, services: ServicesDep) -> Response:
    """The list that QGIS reads at start and when its plugin manager opens."""
    package = _package(services.settings)
    address = services.settings.public_address or str(request.base_url)
    return Response(repository_list(package, address.rstrip("/")), media_type="text/xml; charset=utf-8")


@router.get("/{name}", response_class=FileResponse)
def package(name: str, services: ServicesDep) -> FileResponse:
    """The zip, by the name that the list told."""
    found = _package(services.settings)
    if name != found.file_name:
        raise Problem(404, "not-found", "Not Found", "There is no such version of the plugin here.")
    return FileResponse(found.path, media_type="application/zip", stat_result=found.path.stat())


def _package(settings: Settings) -> PluginPackage:
    try:
        return read_package(settings.plugin_path)
    except NoPlugin as error:
        logger.warning("%s", error)
        raise Problem(404, "no-plugin", "No plugin", "This server hands out no plugin.") from error
