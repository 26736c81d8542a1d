"""What the SafeStats algorithms have in common: names, wording, and trouble as Processing tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from traceback import clear_frames
from typing import Any, ClassVar, Protocol

from qgis.core import (
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterNumber,
    QgsProcessingUtils,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QIcon

from ...shared.windows import Window
from ..core.errors import Cancelled, DeskError, LocalCopyTrouble
from ..core.events import EventKind, EventQueue
from ..core.local_store import LocalStore
from ..core.periods import Period
from ..core.point_facts import check_layer
from ..core.points import PointSource
from ..core.resource_files import ICONS
from ..core.settings import DeskSettings
from ..core.uses import Use, require_use


def tr(text: str) -> str:
    """The text in the user's language."""
    return QCoreApplication.translate("SafeStatsProcessing", text)


class OfFile(Protocol):
    """What is read of a file, which may be a local copy."""

    @property
    def file(self) -> Path: ...


class SafeStatsAlgorithm(QgsProcessingAlgorithm):
    """An algorithm of the provider ``safestats``. ``NAME``, ``TITLE``, ``HELP``, ``TAGS`` and ``ICON`` are its own."""

    NAME = ""
    ICON = "safestats"
    TITLE = ""
    HELP = ""
    TAGS = ""

    def createInstance(self) -> SafeStatsAlgorithm:
        return type(self)()

    def name(self) -> str:
        return self.NAME

    def displayName(self) -> str:
        return tr(self.TITLE)

    def shortHelpString(self) -> str:
        return tr(self.HELP)

    def tags(self) -> list[str]:
        return self.TAGS.split()

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        return str(ICONS / f"{self.ICON}.svg")

    def processAlgorithm(
        self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict:
        """The outputs; nothing where cancelled, ``QgsProcessingException`` with the sentence at trouble."""
        try:
            return self._run(parameters, context, feedback)
        except Cancelled:
            feedback.pushInfo(tr("Cancelled: nothing was made."))
            return {}
        except DeskError as error:
            _let_go(error)
            raise QgsProcessingException(error.sentence) from None
        except BaseException as error:
            _let_go(error)
            raise

    def _run(self, parameters: dict, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict:
        """The algorithm's own work."""
        raise NotImplementedError

    # ------------------------------------------------------------------ for the algorithms

    def check(self, look: Callable[[], None], parameters: dict, context: QgsProcessingContext) -> tuple[bool, str]:
        """The usual checks, then ``look``: its ``AnalysisError`` becomes the sentence shown beside the inputs."""
        # First, as QGIS says no more than “Incorrect parameter value” of a number out of its range.
        sentence = next(filter(None, (self._out_of_range(one, parameters, context) for one in self._numbers())), "")
        if sentence:
            return False, sentence
        ok, sentence = super().checkParameterValues(parameters, context)
        if not ok:
            return ok, sentence
        try:
            look()
        except DeskError as error:
            return False, error.sentence
        return True, ""

    def _numbers(self) -> list[QgsProcessingParameterNumber]:
        return [one for one in self.parameterDefinitions() if isinstance(one, QgsProcessingParameterNumber)]

    def _out_of_range(
        self, number: QgsProcessingParameterNumber, parameters: dict, context: QgsProcessingContext
    ) -> str:
        """The sentence for a number that is too small or too large; empty for any other, and for none."""
        if parameters.get(number.name()) in (None, ""):
            return ""
        value = self.parameterAsDouble(parameters, number.name(), context)
        if value < number.minimum():
            words = tr("“{input}” is {value:g}, and must be at least {least:g}: choose a larger number.")
        elif value > number.maximum():
            words = tr("“{input}” is {value:g}, and must be at most {most:g}: choose a smaller number.")
        else:
            return ""
        bounds = {"least": number.minimum(), "most": number.maximum()}
        return words.format(input=number.description(), value=value, **bounds)

    def point_source(self, layer: QgsVectorLayer | None) -> PointSource:
        """The layer as background threads read it; raises ``QgsProcessingException``."""
        try:
            return PointSource(check_layer(layer))
        except DeskError as error:
            raise QgsProcessingException(error.sentence) from error

    def require_copies(self, sources: Sequence[OfFile], parameters: dict) -> None:
        """Raise ``QgsProcessingException`` where a local copy may be used no more, or not for a file that is kept.

        What is made in memory or in QGIS's temporary folder goes when QGIS closes.
        """
        kept = any(_is_kept(parameters.get(output.name())) for output in self.destinationParameterDefinitions())
        store = copies()
        for source in sources:
            owner = store.owner_of(source.file)
            if owner is None:
                continue
            account, dataset = owner
            try:
                copy = store.account_of_key(account).copy(dataset)
                if copy is None:
                    words = tr(
                        "The local copy of “{dataset}” is no longer here, or what may be done with it cannot be read, "
                        "so nothing is made of it: pull the layer again in the layers dock."
                    )
                    raise LocalCopyTrouble(words.format(dataset=dataset), "no-copy")
                copy.require_valid(datetime.now(timezone.utc))
                if kept:
                    require_use(copy.uses, Use.EXPORT, copy.manifest.title)
            except DeskError as error:
                raise QgsProcessingException(error.sentence) from error

    def note_use(self, source: OfFile, kind: EventKind, filters: dict[str, Any], rows: int | None) -> None:
        """Note for the audit what was done with a local copy; it is sent when its user is next signed in.

        Layers of other sources are their owners' own business.
        """
        store = copies()
        owner = store.owner_of(source.file)
        if owner is not None:
            account, dataset = owner
            EventQueue(store.events_path).record(account, kind, dataset, {**filters, "by": self.NAME}, rows)


class AfterLoading(QgsProcessingLayerPostProcessorInterface):
    """Does something to a layer once Processing has loaded it.

    Processing holds no reference and throws the algorithm away before it loads: each waits here for its turn.
    """

    _waiting: ClassVar[set[AfterLoading]] = set()

    def __init__(self, deed: Callable[[QgsMapLayer], None]) -> None:
        super().__init__()
        self._deed = deed
        self._waiting.add(self)

    def postProcessLayer(
        self, layer: QgsMapLayer, _context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> None:
        self._waiting.discard(self)
        self._deed(layer)
        layer.triggerRepaint()


def _let_go(error: BaseException) -> None:
    """Empty the frames of the error and of those behind it: QGIS never lets go of what it catches."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            clear_frames(one.__traceback__)
            waiting += filter(None, (one.__cause__, one.__context__))


def _is_kept(output: Any) -> bool:
    """Whether the value of an output parameter names a file that stays."""
    if isinstance(output, QgsProcessingOutputLayerDefinition):
        output = output.sink.staticValue()
    target = str(output or "")
    if not target or target in ("TEMPORARY_OUTPUT", "memory:"):
        return False
    return Path(QgsProcessingUtils.tempFolder()).resolve() not in Path(target).resolve().parents


def advanced(definition: QgsProcessingParameterDefinition) -> QgsProcessingParameterDefinition:
    """The parameter, shown under “Advanced parameters”."""
    definition.setFlags(definition.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return definition


def with_help(definition: QgsProcessingParameterDefinition, text: str) -> QgsProcessingParameterDefinition:
    """The parameter with a help text of its own."""
    definition.setHelp(text)
    return definition


def period_of(first: str, last: str) -> Period | None:
    """The period of two months as typed: both empty means all dates, one empty that one month."""
    first, last = first.strip(), last.strip()
    if not first and not last:
        return None
    return Period(first or last, last or first)


def window_of(first: str, last: str) -> Window | None:
    """The same as ``period_of``, as a window of months."""
    period = period_of(first, last)
    return Window(period.first, period.last) if period else None


def copies() -> LocalStore:
    """The local copies of this machine's user."""
    return LocalStore(DeskSettings(QgsSettings()).local_root)


def progress(feedback: QgsProcessingFeedback) -> Callable[[str, float, float], None]:
    """Tells Processing how far the work is; a stage's name once."""
    said: list[str] = []

    def report(stage: str, done: float, total: float) -> None:
        if said[-1:] != [stage]:
            said.append(stage)
            feedback.setProgressText(stage)
        feedback.setProgress(100 * done / total if total else 0)

    return report
