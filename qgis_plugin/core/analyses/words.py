"""What an analysis says of itself, in the user's language."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def translated(text: str) -> str:
    """The words or help of an analysis or a choice; ``scripts/translations.py`` gathers them under “Analyses”."""
    return QCoreApplication.translate("Analyses", text)
