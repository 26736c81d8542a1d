"""Sentences of analyses in the user's language; ``scripts/translations.py`` gathers them under “Analyses”."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def translated(text: str) -> str:
    """The words or help that an analysis or a choice declares of itself."""
    return QCoreApplication.translate("Analyses", text)


def say(text: str, **parts: object) -> str:
    """A sentence with its ``parts`` filled in after it was looked up; in any thread."""
    return translated(text).format(**parts)


def say_number(number: int, one: str, many: str, **parts: object) -> str:
    """The first text of 1, the second of any other number, which ``{n}`` stands for: “1 cell”, “1,234 cells”."""
    return say(one if number == 1 else many, n=f"{number:,}", **parts)
