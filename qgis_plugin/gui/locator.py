"""Postcodes and premises in QGIS's locator bar (Ctrl+K)."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from qgis.core import Qgis, QgsFeedback, QgsLocatorContext, QgsLocatorFilter, QgsLocatorResult, QgsMessageLog
from qgis.PyQt.QtWidgets import QWidget

from ...shared.ring_answer import Place
from ..core.errors import Cancelled
from ..core.known_places import KnownPlace, KnownPlaces
from ..core.tasks import LOG_TAG
from .icons import icon

_CHOOSE_LIST = "choose-list"


class _Action(IntEnum):
    SEARCH_AROUND = 1


class PlaceLocator(QgsLocatorFilter):
    """Finds postcodes and premises as they are typed; ``go`` gets the chosen one, ``search`` one to search around."""

    def __init__(
        self,
        places: KnownPlaces,
        go: Callable[[Place], None],
        search: Callable[[Place], None],
        configure: Callable[[], None],
    ) -> None:
        super().__init__()
        self._places = places
        self._go, self._search, self._configure = go, search, configure

    def clone(self) -> PlaceLocator:
        """QGIS asks a new one for each search."""
        return PlaceLocator(self._places, self._go, self._search, self._configure)

    def name(self) -> str:
        """How QGIS knows the filter."""
        return "safestats_places"

    def displayName(self) -> str:
        """How people know it."""
        return self.tr("SafeStats postcodes and premises")

    def prefix(self) -> str:
        """Typed first, it asks this filter alone."""
        return "place"

    def priority(self) -> QgsLocatorFilter.Priority:
        """Among the first: it is quick and rarely finds what was not meant."""
        return QgsLocatorFilter.Priority.High

    def hasConfigWidget(self) -> bool:
        """The options page is where the list of premises is chosen."""
        return True

    def openConfigWidget(self, _parent: QWidget | None = None) -> None:
        """Show it."""
        self._configure()

    def fetchResults(self, text: str, context: QgsLocatorContext, feedback: QgsFeedback) -> None:
        """QGIS calls this in a thread, at every key."""
        try:
            found = self._places.find(text, feedback.isCanceled)
        except Cancelled:
            return
        if found.news:
            QgsMessageLog.logMessage(found.news, LOG_TAG, Qgis.MessageLevel.Warning)
        for rank, place in enumerate(found.places):
            self.resultFetched.emit(self._result(place, rank))
        if found.lacking and context.usingPrefix and not found.places:  # asked alone: an empty list would tell nothing
            self.resultFetched.emit(self._lacking(found.lacking))

    def triggerResult(self, result: QgsLocatorResult) -> None:
        """Enter: the map goes there, or the options open where a list of premises is lacking."""
        if result.userData == _CHOOSE_LIST:
            self._configure()
        else:
            self._go(result.userData)

    def triggerResultFromAction(self, result: QgsLocatorResult, action: int) -> None:
        """From the menu of a result."""
        if action == _Action.SEARCH_AROUND:
            self._search(result.userData)

    def _lacking(self, sentence: str) -> QgsLocatorResult:
        result = QgsLocatorResult()
        result.displayString = sentence
        result.icon = icon("information")
        result.setUserData(_CHOOSE_LIST)
        return result

    def _result(self, known: KnownPlace, rank: int) -> QgsLocatorResult:
        result = QgsLocatorResult()
        result.displayString = known.title
        about = [known.reference, known.place.postcode if known.kind == "premises" else "", known.place.borough]
        result.description = " · ".join([part for part in about if part] + ([known.note] if known.note else []))
        result.group = self.tr("Premises") if known.kind == "premises" else self.tr("Postcodes")
        result.icon = icon("proximity")
        result.score = 1.0 - rank / 100.0  # in the order of the answer
        result.setUserData(known.place)
        result.actions = [
            QgsLocatorResult.ResultAction(
                _Action.SEARCH_AROUND, self.tr("Count incidents around it"), ":/images/themes/default/search.svg"
            )
        ]
        return result
