"""The analyses on offer, in the order in which they are read."""

from __future__ import annotations

from .analysis import Analysis

ANALYSES: tuple[Analysis, ...] = ()


def analysis_named(name: str) -> Analysis | None:
    """The analysis of that name; ``None`` where this version has none."""
    return next((analysis for analysis in ANALYSES if analysis.name == name), None)
