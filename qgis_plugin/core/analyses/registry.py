"""The analyses on offer, in the order in which they are read."""

from __future__ import annotations

from .analysis import Analysis
from .back_test import BACK_TEST
from .change_between import CHANGE
from .classified_hot_spots import HOT_SPOT_CLASSES
from .concentration import CONCENTRATION
from .detailed_density import DENSITY
from .detailed_hot_spots import HOT_SPOTS
from .dual_density import DUAL_DENSITY
from .emerging_hot_spots import EMERGING
from .hot_routes import HOT_ROUTES
from .near_repeats import NEAR_REPEATS
from .repeat_locations import REPEAT_LOCATIONS

ANALYSES: tuple[Analysis, ...] = (
    DENSITY,
    HOT_SPOTS,
    DUAL_DENSITY,
    CHANGE,
    HOT_SPOT_CLASSES,
    EMERGING,
    REPEAT_LOCATIONS,
    CONCENTRATION,
    HOT_ROUTES,
    NEAR_REPEATS,
    BACK_TEST,
)


def analysis_named(name: str) -> Analysis | None:
    """The analysis of that name; ``None`` where this version has none."""
    return next((analysis for analysis in ANALYSES if analysis.name == name), None)
