"""What updating all layers brought, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QCoreApplication

from ..core.days import BRITISH
from ..core.pull import PullKind, PullResult
from .surfaces import Tone


def tr(words: str) -> str:
    """Translated for this module."""
    return QCoreApplication.translate("UpdateRound", words)


class UpdateRound:
    """Counts how the pulls of ``datasets`` end."""

    def __init__(self, datasets: Sequence[str]) -> None:
        self._left = set(datasets)
        self._results: list[PullResult] = []
        self._failed = 0

    def ended(self, dataset: str, result: PullResult | None) -> bool:
        """Note an end (``None``: without a new copy); whether it was the last one."""
        if dataset not in self._left:
            return False
        self._left.discard(dataset)
        if result is None:
            self._failed += 1
        else:
            self._results.append(result)
        return not self._left

    def summary(self) -> tuple[str, Tone]:
        """What they brought altogether, and whether all went well."""
        brought = [result for result in self._results if result.kind is not PullKind.UNCHANGED]
        changes = [result.copy.changes for result in brought if result.copy.changes is not None]
        parts = []
        if brought:
            words = tr("1 layer updated") if len(brought) == 1 else tr("{n} layers updated").format(n=len(brought))
            if changes:
                counts = (sum(getattr(one, name) for one in changes) for name in ("added", "changed", "withdrawn"))
                added, changed, withdrawn = (BRITISH.toString(count) for count in counts)
                told = tr("{layers}: {added} incidents added, {changed} changed, {withdrawn} withdrawn.")
                parts.append(told.format(layers=words, added=added, changed=changed, withdrawn=withdrawn))
            else:
                parts.append(f"{words}.")
        current = len(self._results) - len(brought)
        if current and not brought and not self._failed:
            parts.append(tr("All layers were up to date."))
        elif current:
            parts.append(tr("{n} up to date already.").format(n=current))
        if self._failed:
            parts.append(tr("{n} not updated: see there.").format(n=self._failed))
        return " ".join(parts), Tone.WARNING if self._failed else Tone.GOOD
