"""The Processing provider ``safestats``: the docks' analyses as algorithms, also for models and ``qgis_process``."""

from __future__ import annotations

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from ..core.analyses.registry import ANALYSES
from ..core.resource_files import ICONS
from .analysis_algorithm import AnalysisAlgorithm
from .explore_counts import ExploreCounts
from .getis_ord import GetisOrd
from .kernel_density import KernelDensity
from .premises_batch import PremisesBatch
from .proximity_search import ProximitySearch
from .time_counts import TimeCounts


class SafeStatsProvider(QgsProcessingProvider):
    """Offers an algorithm for each tool of the docks, and for each analysis of the registry."""

    def id(self) -> str:
        return "safestats"

    def name(self) -> str:
        return "SafeStats"

    def icon(self) -> QIcon:
        return QIcon(str(ICONS / "safestats.svg"))

    def svgIconPath(self) -> str:
        return str(ICONS / "safestats.svg")

    def loadAlgorithms(self) -> None:
        for algorithm in (ProximitySearch, PremisesBatch, ExploreCounts, TimeCounts, KernelDensity, GetisOrd):
            self.addAlgorithm(algorithm())
        for analysis in ANALYSES:
            self.addAlgorithm(AnalysisAlgorithm(analysis))
