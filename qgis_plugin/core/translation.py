"""The plugin's texts in the language of QGIS, where somebody has translated them."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import QCoreApplication, QLocale, QTranslator


class Translation:
    """``safestats_<language>.qm`` of a folder, in force until ``remove``; without such a file nothing changes."""

    def __init__(self, folder: Path, locale: QLocale) -> None:
        self._translator = QTranslator()
        # "safestats_cy_GB", then "safestats_cy".
        self.found = self._translator.load(locale, "safestats", "_", str(folder))
        if self.found:
            QCoreApplication.installTranslator(self._translator)

    def remove(self) -> None:
        """The plugin's own words again."""
        if self.found:
            QCoreApplication.removeTranslator(self._translator)
