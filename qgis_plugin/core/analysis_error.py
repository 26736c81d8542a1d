"""Trouble in an analysis that a person can put right."""

from __future__ import annotations

from .errors import DeskError


class AnalysisError(DeskError):
    """One sentence that says what is wrong and what to do; ``about`` names the input (postcode, layer …)."""

    code = "analysis"

    def __init__(self, sentence: str, about: str = "") -> None:
        super().__init__(sentence)
        self.about = about
