"""One figure of an answer, whether its rows are shown or only counted."""

from __future__ import annotations

from ...shared.change import RateChange
from ...shared.ranks import sentence
from ...shared.ring_answer import RingFigure
from ..ranks.tables import Ranks

ALL_INCIDENTS = "All incidents"


def figure_of(
    radius: int,
    count: int,
    before: int | None,
    changed: RateChange | None,
    covered: float,
    category: str | None,
    ranks: Ranks | None,
    borough: str,
) -> RingFigure:
    distribution = ranks.of(category, radius) if ranks is not None else None
    return RingFigure(
        radius_m=radius,
        count=count,
        before=before,
        change=changed,
        rate_per_km2=count / covered if covered > 0 else None,
        covered_km2=covered,
        share_below=distribution.share_below(count) if distribution is not None else None,
        sentence=sentence(distribution, count, borough) if distribution is not None else "",
    )
