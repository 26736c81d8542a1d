"""Templates that users make themselves in QGIS's layout designer: kept, filled with a map, and told where they fall
short. Nothing of the data is kept in one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsPrintLayout,
    QgsProject,
    QgsReadWriteContext,
    QgsRectangle,
)
from qgis.PyQt.QtGui import QFont
from qgis.PyQt.QtXml import QDomDocument, QDomElement

from ...shared.furniture import FurnitureItem
from ..core.errors import DeskError
from .base_map import locator, marked_area
from .hotspot_map import HotspotMap, build_hotspot_layout
from .html_twin import TABLES_PROPERTY
from .items import NORTH_ARROW
from .mending import fill_legend
from .sheet import ALTERNATIVE_PROPERTY, AUTHOR_PROPERTY, MODE_PROPERTY, SYNTHETIC_PROPERTY, tr, variable_name
from .typography import family, is_installed

SUFFIX = ".qpt"
_KEPT_ITEMS = {item.value for item in FurnitureItem} | {"map", "inset", "logo", "title_rule", "footer_rule"}
_SAFE_NAME = re.compile(r"[^\w\- ]+")


class TemplateTrouble(DeskError):  # noqa: N818 - trouble, like the others
    """A template that cannot be used or kept."""

    code = "template"


@dataclass(frozen=True)
class FilledTemplate:
    """The page that a template became; ``notes`` tell what was replaced, each in one sentence."""

    layout: QgsPrintLayout
    notes: tuple[str, ...]


class OwnTemplates:
    """The user's templates, files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """Those that there are, by name."""
        return sorted(self.folder.glob(f"*{SUFFIX}"), key=lambda path: path.stem.casefold())

    def add(self, source: Path) -> Path:
        """Take a file in; raises ``TemplateTrouble`` where it is none or cannot be copied."""
        _document(source)
        target = self.folder / source.name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        return target

    def save(self, layout: QgsPrintLayout, name: str) -> Path:
        """Keep a page as a template, without its words, figures and layers; raises ``TemplateTrouble``."""
        kept = layout.clone()
        kept.atlas().setEnabled(False)
        for item in [item for item in kept.items() if isinstance(item, QgsLayoutItem) and item.id()]:
            item.removeCustomProperty(ALTERNATIVE_PROPERTY)
            if item.id() not in _KEPT_ITEMS:
                kept.removeLayoutItem(item)
            elif isinstance(item, QgsLayoutItemMap):
                item.setLayers([])
                item.setKeepLayerSet(True)
            elif isinstance(item, QgsLayoutItemLegend):
                item.setAutoUpdateModel(False)
                item.model().rootGroup().clear()
        for table in list(kept.multiFrames()):
            kept.removeMultiFrame(table)
        kept.setName(name)
        for key in ("variableNames", "variableValues", TABLES_PROPERTY, AUTHOR_PROPERTY, MODE_PROPERTY):
            kept.removeCustomProperty(key)
        path = self.folder / f"{_SAFE_NAME.sub('', name).strip()[:100] or 'template'}{SUFFIX}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        if not kept.saveAsTemplate(str(path), QgsReadWriteContext()):
            raise TemplateTrouble(tr("The template cannot be written to {folder}.").format(folder=self.folder))
        return path


def fill(project: QgsProject, path: Path, content: HotspotMap) -> FilledTemplate:
    """The template as a layout of ``project``, with the content's map, legend and words.

    A map called ``map`` (or the only one) shows the result, one called ``inset`` where in London it lies; labels have
    their words by ``[% @safestats_title %]`` and its like. A missing font or picture is replaced and told.
    """
    document = _document(path)
    notes = [*_replace_fonts(document, content.imprint.style.font or family())]
    notes += _replace_pictures(document, content)
    # A page of the plugin's own has everything that a template may ask for.
    whole = build_hotspot_layout(project, content)
    layout = QgsPrintLayout(project)
    _items, loaded = layout.loadFromTemplate(document, QgsReadWriteContext(), True)
    if not loaded or not layout.pageCollection().pageCount():
        raise TemplateTrouble(tr("“{name}” has no page: save it anew in QGIS's designer.").format(name=path.name))
    layout.setName(content.imprint.title)
    for key in (MODE_PROPERTY, AUTHOR_PROPERTY, SYNTHETIC_PROPERTY, TABLES_PROPERTY):
        layout.setCustomProperty(key, whole.customProperty(key))
    _take_words(layout, whole)
    _fill_maps(layout, whole, project, content)
    return FilledTemplate(layout, tuple(notes))


def _take_words(layout: QgsPrintLayout, whole: QgsPrintLayout) -> None:
    words: Mapping[str, str] = {
        variable_name(item.value): _line(whole, item.value) for item in FurnitureItem if item.is_text
    }
    layout.setCustomProperty("variableNames", list(words))
    layout.setCustomProperty("variableValues", list(words.values()))


def _line(whole: QgsPrintLayout, name: str) -> str:
    """The words of an item without the breaks of the page that they were set on."""
    item = whole.itemById(name)
    return " ".join(item.currentText().split()) if isinstance(item, QgsLayoutItemLabel) else ""


def _fill_maps(layout: QgsPrintLayout, whole: QgsPrintLayout, project: QgsProject, content: HotspotMap) -> None:
    shown: QgsLayoutItemMap = whole.itemById("map")
    area = content.result.study_area.geometry
    extent = QgsRectangle(area.boundingBox())
    extent.scale(1.08)
    for item in [item for item in layout.items() if isinstance(item, QgsLayoutItemMap)]:
        item.setCrs(shown.crs())
        item.setFollowVisibilityPreset(False)
        item.setKeepLayerStyles(False)
        if item.id() == "inset":
            item.setLayers(locator(project, marked_area(project, area)))
            item.zoomToExtent(item.layers()[-1].extent())
        else:
            item.setLayers(shown.layers())
            item.zoomToExtent(extent)
        item.setKeepLayerSet(True)
    maps = [item for item in layout.items() if isinstance(item, QgsLayoutItemMap) and item.id() != "inset"]
    for item in layout.items():
        if isinstance(item, QgsLayoutItemLegend):
            fill_legend(item, maps[0] if maps else None)


def _document(path: Path) -> QDomDocument:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateTrouble(tr("“{name}” cannot be read: choose another file.").format(name=path.name)) from error
    document = QDomDocument()
    if "<!DOCTYPE" in text and "<!ENTITY" in text:
        raise TemplateTrouble(tr("“{name}” is no template of QGIS.").format(name=path.name))
    read = document.setContent(text)
    if not (read[0] if isinstance(read, tuple) else read) or document.elementsByTagName("Layout").isEmpty():
        raise TemplateTrouble(
            tr("“{name}” is no template of QGIS: choose a file that its layout designer saved.").format(name=path.name)
        )
    return document


def _elements(document: QDomDocument, name: str) -> list[QDomElement]:
    found = document.elementsByTagName(name)
    return [found.at(number).toElement() for number in range(found.count())]


def _replace_fonts(document: QDomDocument, instead: str) -> list[str]:
    missing = set()
    for element in _elements(document, "text-style"):
        name = element.attribute("fontFamily")
        if name and not is_installed(name):
            element.setAttribute("fontFamily", instead)
            if name != QFont().family():  # which QGIS writes for what nobody has chosen a font for
                missing.add(name)
    return [
        tr("The template's font “{font}” is not on this computer: {instead} stands in its place.").format(
            font=name, instead=instead
        )
        for name in sorted(missing)
    ]


def _replace_pictures(document: QDomDocument, content: HotspotMap) -> list[str]:
    notes = []
    for element in _elements(document, "LayoutItem"):
        file = element.attribute("file")
        if not file or file.startswith("base64:") or Path(file).is_file():
            continue
        if element.attribute("id") == FurnitureItem.NORTH_ARROW.value:
            element.setAttribute("file", str(NORTH_ARROW))
            continue
        name = Path(file).name
        logo = content.imprint.style.logo
        if element.attribute("id") == "logo" and logo is not None:
            element.setAttribute("file", str(logo))
            notes.append(tr("The template's picture “{name}” is missing: the house logo is shown.").format(name=name))
        else:
            element.setAttribute("file", "")
            notes.append(tr("The template's picture “{name}” is missing: its place stays empty.").format(name=name))
    return notes


def _unwritable(folder: Path, error: OSError) -> TemplateTrouble:
    return TemplateTrouble(
        tr("The template cannot be kept in {folder} ({error}). Give yourself access there, or make room.").format(
            folder=folder, error=error.strerror or error
        )
    )
