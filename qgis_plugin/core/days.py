"""Days and months in words, the British way, whatever the language of QGIS: reports and maps quote them."""

from __future__ import annotations

from datetime import date

from qgis.PyQt.QtCore import QDate, QLocale

BRITISH = QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom)


def day_in_words(day: date) -> str:
    """22 November 2026."""
    return BRITISH.toString(QDate(day.year, day.month, day.day), "d MMMM yyyy")


def day_of(text: str) -> date:
    """The day of an ISO date or instant."""
    return date.fromisoformat(text[:10])
