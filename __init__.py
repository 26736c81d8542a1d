"""SafeStats: London's community-safety incident data, from a sync server to the analyst's QGIS.

This folder is the package ``safestats`` and, zipped, the root of the QGIS plugin.
"""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """QGIS calls this to get the plugin; imported here so that the server never loads QGIS."""
    from .qgis_plugin.plugin import SafeStatsPlugin

    return SafeStatsPlugin(iface)
