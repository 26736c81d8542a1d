"""Lets a layout leave the house as PDF, PNG or SVG: only complete, and only in the mode that it was made for."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsLayoutExporter,
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemPicture,
    QgsLayoutItemScaleBar,
    QgsMapLayer,
    QgsPrintLayout,
    QgsProjectMetadata,
    QgsVectorLayer,
    QgsWkbTypes,
)

from ...shared.furniture import FurnitureItem, missing, refusal
from ..core.errors import DeskError
from .base_map import BASE_PROPERTY
from .sheet import AUTHOR_PROPERTY, MODE_PROPERTY, SYNTHETIC_PROPERTY, Mode

PNG_DPI = 300
TOLERANCE_MM = 0.5


class Format(str, Enum):
    """A file format; the value is the suffix."""

    PDF = "pdf"
    PNG = "png"
    SVG = "svg"


class ExportRefused(DeskError):  # noqa: N818 - refused, not failed
    """The page may not leave as it is."""

    code = "export-refused"


class FurnitureMissing(ExportRefused):
    """Map furniture is missing from the page; ``items`` names it."""

    code = "furniture-missing"

    def __init__(self, items: tuple[FurnitureItem, ...]) -> None:
        super().__init__(refusal(items))
        self.items = items


class ExportFailed(DeskError):  # noqa: N818 - beside ExportRefused
    """The file could not be written."""

    code = "export-failed"


def mode_of(layout: QgsPrintLayout) -> Mode:
    """The mode that the layout was made for; a layout that does not say is taken as operational."""
    return Mode(layout.customProperty(MODE_PROPERTY, Mode.OPERATIONAL.value))


def missing_furniture(layout: QgsPrintLayout) -> tuple[FurnitureItem, ...]:
    """What is not on the page: deleted, hidden, emptied, left out of exports or off the paper."""
    present = [item for item in FurnitureItem if _stands(layout, item)]
    synthetic = str(layout.customProperty(SYNTHETIC_PROPERTY, False)).lower() == "true"
    return missing(present, synthetic)


def _stands(layout: QgsPrintLayout, furniture: FurnitureItem) -> bool:
    # Not itemById: it may find another item of the same name, a copy that was hidden for instance.
    items = [item for item in layout.items() if isinstance(item, QgsLayoutItem) and item.id() == furniture.value]
    return any(_printed(layout, item) and _filled(layout, item, furniture) for item in items)


def _printed(layout: QgsPrintLayout, item: QgsLayoutItem) -> bool:
    page = layout.pageCollection().page(0)
    paper = page.sceneBoundingRect().adjusted(-TOLERANCE_MM, -TOLERANCE_MM, TOLERANCE_MM, TOLERANCE_MM)
    place = item.mapRectToScene(item.rect())
    group = item.parentGroup()
    return (
        item.isVisible()
        and not item.excludeFromExports()
        and item.itemOpacity() > 0.2
        and (group is None or (group.isVisible() and not group.excludeFromExports()))
        and item.rect().width() > 1
        and item.rect().height() > 1
        and paper.contains(place)
    )


def _filled(layout: QgsPrintLayout, item: QgsLayoutItem, furniture: FurnitureItem) -> bool:
    if isinstance(item, QgsLayoutItemLabel):
        words = item.currentText().strip()
        if furniture in (FurnitureItem.MARKING_TOP, FurnitureItem.MARKING_BOTTOM):
            return words == mode_of(layout).marking
        return bool(words)
    if isinstance(item, QgsLayoutItemLegend):
        return any(node.layer() is not None for node in item.model().rootGroup().findLayers())
    if isinstance(item, QgsLayoutItemScaleBar):
        return item.linkedMap() is not None and item.numberOfSegments() > 0
    if isinstance(item, QgsLayoutItemPicture):
        return Path(item.picturePath()).is_file()
    return False


def incident_layers(layout: QgsPrintLayout) -> list[QgsMapLayer]:
    """The layers on the layout's maps that show incidents one by one: every point layer that is not the base map's."""
    shown: dict[str, QgsMapLayer] = {}
    for item in layout.items():
        if isinstance(item, QgsLayoutItemMap):
            on_screen = layout.project().mapThemeCollection().masterVisibleLayers
            layers = item.layers() if item.keepLayerSet() else on_screen()
            for layer in layers:
                if isinstance(layer, QgsVectorLayer) and _points(layer) and not layer.customProperty(BASE_PROPERTY):
                    shown[layer.id()] = layer
    return list(shown.values())


def _points(layer: QgsVectorLayer) -> bool:
    return QgsWkbTypes.geometryType(layer.wkbType()) == QgsWkbTypes.PointGeometry


def check(layout: QgsPrintLayout) -> None:
    """Raises ``FurnitureMissing`` or ``ExportRefused`` where the page may not leave."""
    absent = missing_furniture(layout)
    if absent:
        raise FurnitureMissing(absent)
    if mode_of(layout) is Mode.PUBLICATION:
        points = incident_layers(layout)
        if points:
            names = ", ".join(f"“{layer.name()}”" for layer in points)
            raise ExportRefused(
                f"Not exported: the map shows single incidents ({names}), which may not be published. "
                "Take them off the map, or make the page for operational use.",
                "points-in-publication",
            )


def export(layout: QgsPrintLayout, path: Path) -> Path:
    """Write the layout to ``path``, whose suffix names the format: PDF and SVG as vectors, PNG at 300 dots per inch.

    Nothing is written, and what was there stays, where ``check`` refuses or the writing fails (``ExportFailed``).
    """
    try:
        file_format = Format(path.suffix.lower().lstrip("."))
    except ValueError:
        raise ExportFailed(f"“{path.name}” is no PDF, PNG or SVG: give it one of these endings.", "format") from None
    check(layout)
    part = None
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=f".part.{file_format.value}", dir=path.parent)
        os.close(handle)
        part = Path(name)
        with _described(layout):
            result = _WRITERS[file_format](layout, str(part))
        if result != QgsLayoutExporter.ExportResult.Success or not part.stat().st_size:
            raise ExportFailed(f"{path.name} could not be written (reason: {result}). Try again, or another folder.")
        part.replace(path)
    except OSError as error:
        raise ExportFailed(
            f"{path.name} cannot be written to {path.parent} ({error.strerror or error}). Choose another folder."
        ) from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()
            with contextlib.suppress(OSError):
                part.with_suffix(".pgw").unlink()  # a PNG's world file, where the exporter made one
    return path


@contextlib.contextmanager
def _described(layout: QgsPrintLayout) -> Iterator[None]:
    """Title and author for the file's metadata, which QGIS takes from the project; the project's own come back."""
    project = layout.project()
    own, changed = project.metadata(), project.isDirty()
    metadata = QgsProjectMetadata()
    metadata.setTitle(layout.name())
    metadata.setAuthor(str(layout.customProperty(AUTHOR_PROPERTY, "")))
    project.setMetadata(metadata)
    try:
        yield
    finally:
        project.setMetadata(own)
        project.setDirty(changed)


def _pdf(layout: QgsPrintLayout, path: str) -> QgsLayoutExporter.ExportResult:
    settings = QgsLayoutExporter.PdfExportSettings()
    settings.textRenderFormat = Qgis.TextRenderFormat.AlwaysText
    settings.forceVectorOutput = True
    settings.exportMetadata = True
    settings.appendGeoreference = False
    return QgsLayoutExporter(layout).exportToPdf(path, settings)


def _png(layout: QgsPrintLayout, path: str) -> QgsLayoutExporter.ExportResult:
    settings = QgsLayoutExporter.ImageExportSettings()
    settings.dpi = PNG_DPI
    settings.generateWorldFile = False
    settings.exportMetadata = True
    return QgsLayoutExporter(layout).exportToImage(path, settings)


def _svg(layout: QgsPrintLayout, path: str) -> QgsLayoutExporter.ExportResult:
    settings = QgsLayoutExporter.SvgExportSettings()
    settings.textRenderFormat = Qgis.TextRenderFormat.AlwaysOutlines  # the reader's machine may lack the fonts
    settings.forceVectorOutput = True
    settings.exportMetadata = True
    return QgsLayoutExporter(layout).exportToSvg(path, settings)


_WRITERS: dict[Format, Callable[[QgsPrintLayout, str], QgsLayoutExporter.ExportResult]] = {
    Format.PDF: _pdf,
    Format.PNG: _png,
    Format.SVG: _svg,
}
