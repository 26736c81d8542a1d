"""What a printed page is: its size and grid, who issues it, in which mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path

from qgis.core import (
    QgsExpressionContextUtils,
    QgsLayoutItemPage,
    QgsLayoutMeasurement,
    QgsPrintLayout,
    QgsProject,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import QCoreApplication, QRectF

ALTERNATIVE_PROPERTY = "safestats/alternative"  # what an item shows, in words
AUTHOR_PROPERTY = "safestats/author"
BASE_PROPERTY = "safestats/base"  # marks a layer as drawn by us, so that no point on it is an incident
CHART_PROPERTY = "safestats/chart"  # the mode that a chart on the page was made for
MAPLESS_PROPERTY = "safestats/mapless"  # marks a page that was made without a map
MODE_PROPERTY = "safestats/mode"
SYNTHETIC_PROPERTY = "safestats/synthetic"


def tr(text: str) -> str:
    """``text`` in the user's language."""
    return QCoreApplication.translate("SafeStatsLayouts", text)


def variable_name(item: str) -> str:
    """The layout variable with the words of a piece of furniture: a template writes ``[% @safestats_source %]``."""
    return "safestats_marking" if item.startswith("marking-") else f"safestats_{item.replace('-', '_')}"


class Mode(str, Enum):
    """Who may see the page: colleagues bound by the agreement, or everybody."""

    OPERATIONAL = "operational"
    PUBLICATION = "publication"

    @property
    def marking(self) -> str:
        """The protective marking printed at the top and the bottom."""
        return "OFFICIAL" if self is Mode.PUBLICATION else "OFFICIAL-SENSITIVE"


class Page(str, Enum):
    """Page sizes."""

    A4 = "A4"
    A3 = "A3"

    def millimetres(self, upright: bool) -> tuple[float, float]:
        """Width and height of the sheet, upright or lying."""
        short, long = (210.0, 297.0) if self is Page.A4 else (297.0, 420.0)
        return (short, long) if upright else (long, short)


@dataclass(frozen=True)
class HouseStyle:
    """How an organisation's pages look, with what this computer has of it.

    ``font`` is a family that is installed (empty: the plugin's own), ``colour`` that of the rule below the title,
    ``logo`` a picture that can be read; ``logo_words`` stand in its place where it cannot. ``notes`` tell what was
    replaced and by what, each in one sentence.
    """

    font: str = ""
    colour: str = "#1f639b"
    logo: Path | None = None
    logo_words: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imprint:
    """What the person who publishes decides."""

    title: str
    author: str
    organisation: str
    mode: Mode = Mode.OPERATIONAL
    page: Page = Page.A4
    upright: bool = False
    style: HouseStyle = HouseStyle()

    @property
    def issued_by(self) -> str:
        """Author and organisation; empty while one of them is not given."""
        parts = [part.strip() for part in (self.author, self.organisation)]
        return ", ".join(parts) if all(parts) else ""


class Sheet:
    """A page with its grid. ``mm`` and ``pt`` turn A4 measures into those of the page."""

    def __init__(self, project: QgsProject, imprint: Imprint, synthetic: bool) -> None:
        self.project = project
        self.imprint = imprint
        self.synthetic = synthetic
        self.font = imprint.style.font
        self.width, self.height = imprint.page.millimetres(imprint.upright)
        large = imprint.page is Page.A3
        # Type grows less than the page: A3 is read from nearer than its size, and the map gets the room.
        self._length, self._type = (1.3, 1.25) if large else (1.0, 1.0)
        self.layout = QgsPrintLayout(project)
        self.layout.initializeDefaults()
        orientation = QgsLayoutItemPage.Orientation
        page = self.layout.pageCollection().page(0)
        page.setPageSize(imprint.page.value, orientation.Portrait if imprint.upright else orientation.Landscape)
        self.layout.setName(imprint.title)
        self.layout.setCustomProperty(MODE_PROPERTY, imprint.mode.value)
        self.layout.setCustomProperty(AUTHOR_PROPERTY, imprint.issued_by)
        self.layout.setCustomProperty(SYNTHETIC_PROPERTY, synthetic)
        self.layout.renderContext().setDpi(300)
        self.layout.setUnits(QgsUnitTypes.LayoutUnit.LayoutMillimeters)
        self.layout.gridSettings().setResolution(QgsLayoutMeasurement(self.mm(5)))

    def mm(self, length: float) -> float:
        """A length of the A4 grid on this page."""
        return length * self._length

    def pt(self, *sizes: float) -> tuple[float, ...]:
        """Type sizes of A4 on this page."""
        return tuple(size * self._type for size in sizes)

    @property
    def left(self) -> float:
        """The left margin's edge."""
        return self.mm(12)

    @property
    def right(self) -> float:
        """The right margin's edge."""
        return self.width - self.mm(12)

    def rect(self, left: float, top: float, right: float, bottom: float) -> QRectF:
        """A rectangle by its four edges, in page millimetres."""
        return QRectF(left, top, right - left, bottom - top)

    def tell(self, name: str, words: str) -> None:
        """Keep words as a variable of the layout, for expressions on this page and in templates made of it."""
        QgsExpressionContextUtils.setLayoutVariable(self.layout, name, words)


def day(when: date) -> str:
    """“3 March 2025”."""
    return f"{when.day} {when:%B %Y}"


def number(count: int) -> str:
    """“12,345”."""
    return f"{count:,}"
