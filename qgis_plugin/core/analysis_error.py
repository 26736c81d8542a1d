"""Trouble in an analysis that a person can put right."""

from __future__ import annotations


class AnalysisError(Exception):
    """One sentence that says what is wrong and what to do; ``about`` names the input (postcode, layer, cell …)."""

    def __init__(self, sentence: str, about: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.about = about


class AnalysisCancelled(Exception):
    """The person cancelled the run."""
