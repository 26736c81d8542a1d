"""The question by which Explore filtered a layer: kept with it, so that a project opened later can ask it again."""

from __future__ import annotations

import json

from qgis.core import QgsVectorLayer

from ..analysis_error import AnalysisError
from .selection import Selection

_PROPERTY = "safestats/filter_question"


def keep_question(layer: QgsVectorLayer, asked: Selection | None) -> None:
    """Keep the question with the layer that it filters; ``None``: it is filtered no more."""
    if asked is None:
        layer.removeCustomProperty(_PROPERTY)
    else:
        layer.setCustomProperty(_PROPERTY, json.dumps(asked.to_json(), ensure_ascii=False))


def kept_question(layer: QgsVectorLayer) -> Selection | None:
    """The question kept with the layer; ``None`` where there is none that can be read."""
    told = layer.customProperty(_PROPERTY)
    if not told:
        return None
    try:
        return Selection.from_json(json.loads(str(told)))
    except (ValueError, RecursionError, AnalysisError):
        return None  # of another version, or of anybody


def taken_question(layer: QgsVectorLayer) -> Selection | None:
    """The question of a layer that is filtered by it no more, as after its project was opened; told once."""
    found = None if layer.subsetString() else kept_question(layer)
    if found is not None:
        keep_question(layer, None)
    return found
