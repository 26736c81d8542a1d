"""What QGIS's layer properties tell of a pulled copy: what it is, of when, whose, by which agreement, until when."""

from __future__ import annotations

from qgis.core import Qgis, QgsBox3D, QgsLayerMetadata, QgsVectorLayer
from qgis.PyQt.QtCore import QDateTime, Qt

from ...shared.manifest import Manifest
from .days import day_in_words, day_of
from .grid_ways import way_words
from .layer_time import months_held
from .local_store import last_day

_KEYWORDS = "gmd:topicCategory"


def layer_title(manifest: Manifest) -> str:
    """What the layer is called in the tree and in legends."""
    return f"{manifest.title} (synthetic)" if manifest.synthetic else manifest.title


def abstract(manifest: Manifest) -> str:
    """What a reader of the layer must know: period, release, agreement, validity, caveats."""
    lines = [
        f"{manifest.title}: {manifest.rows:,} incidents, {manifest.first_period} to {manifest.newest_period}, "
        f"release {manifest.release} of {manifest.published_at[:10]}.",
        f"Data Sharing Agreement {manifest.agreement}, until {day_in_words(day_of(manifest.agreement_until))}. "
        f"Local copy valid until {day_in_words(last_day(manifest))}.",
    ]
    if manifest.area_edition:
        lines.append(f"Areas: {manifest.area_edition}.")
    if manifest.synthetic:
        lines.append("These data are synthetic: invented for demonstration, they describe nothing that happened.")
    return "\n".join([*lines, *manifest.caveats])


def metadata_of(layer: QgsVectorLayer, manifest: Manifest) -> QgsLayerMetadata:
    """The metadata of the layer that shows a copy of ``manifest``."""
    metadata = QgsLayerMetadata()
    metadata.setIdentifier(f"safestats:{manifest.dataset}:{manifest.release}")
    metadata.setTitle(layer_title(manifest))
    metadata.setAbstract("\n".join([abstract(manifest), *([way_words()] if layer.isSpatial() else [])]))
    metadata.setType("dataset")
    metadata.setLanguage("ENG")
    metadata.setCrs(layer.crs())
    metadata.setRights([manifest.attribution])
    metadata.setKeywords({_KEYWORDS: ["society"], "SafeStats": [manifest.dataset, "community safety"]})
    agreed = f"Data Sharing Agreement {manifest.agreement}, until {day_in_words(day_of(manifest.agreement_until))}"
    metadata.setConstraints(
        [
            QgsLayerMetadata.Constraint(f"{agreed}.", "access"),
            QgsLayerMetadata.Constraint(
                f"This local copy may be used until {day_in_words(last_day(manifest))}. For prevention, never for "
                "enforcement or prosecution.",
                "use",
            ),
        ]
    )
    published = QDateTime.fromString(manifest.published_at, Qt.DateFormat.ISODate)
    if published.isValid():
        metadata.setDateTime(Qgis.MetadataDateType.Published, published)
    metadata.setHistory(
        [
            f"Release {manifest.release} of definition {manifest.definition_version}, published "
            f"{day_in_words(day_of(manifest.published_at))}: {manifest.rows:,} rows in {len(manifest.slices)} parts, "
            "each proved by its digest."
        ]
    )
    metadata.setExtent(_extent(layer, manifest))
    return metadata


def _extent(layer: QgsVectorLayer, manifest: Manifest) -> QgsLayerMetadata.Extent:
    extent = QgsLayerMetadata.Extent()
    held = months_held(manifest.first_period[:7], manifest.newest_period[:7])
    if held is not None:
        extent.setTemporalExtents([held])
    if layer.isSpatial() and not layer.extent().isEmpty():  # known from the file's header: no feature is read
        spatial = QgsLayerMetadata.SpatialExtent()
        spatial.bounds = QgsBox3D(layer.extent())
        spatial.extentCrs = layer.crs()
        extent.setSpatialExtents([spatial])
    return extent
