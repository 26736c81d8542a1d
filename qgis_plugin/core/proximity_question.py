"""What is asked around a place, and of which layers and months it is answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ...shared import rings
from ...shared.presets import Exclusion, Preset, exclusion
from ...shared.rings import AnyBand, Band
from ...shared.windows import Window, common_end, comparison, month_words, newest_full_month
from .analysis_error import AnalysisError
from .point_facts import PointFacts
from .points import Rows
from .study_areas import StudyArea

MOST_RADII = 5
LARGEST_RADIUS = 5000
EVERYTHING = Preset("everything", "Everything", (Band.ALL,))


@dataclass(frozen=True)
class Question:
    """What is asked around a place.

    ``bands`` are of one's own choice, in place of the preset's. ``window`` likewise: by default the last 12 months that
    all layers hold in full. ``within`` narrows rings to an area of one's own.
    """

    preset: Preset = EVERYTHING
    radii: tuple[int, ...] = rings.FIXED_RADII
    bands: tuple[AnyBand, ...] = ()
    window: Window | None = None
    compare: bool = True
    within: StudyArea | None = None

    @property
    def asked_bands(self) -> tuple[AnyBand, ...]:
        """The bands to count in."""
        return self.bands or self.preset.bands


@dataclass(frozen=True)
class Part:
    """A layer that takes part in an answer: what of its rows is left out, and what bands it can tell."""

    rows: Rows
    leave_out: Exclusion
    bands: tuple[AnyBand, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a question comes to: the windows, the layers that take part, and a sentence for each that does not."""

    question: Question
    now: Window
    before: Window | None
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]


def parse_radii(text: str) -> tuple[int, ...]:
    """“100, 250, 500” as whole metres, smallest first; raises ``AnalysisError``."""
    parts = [part for part in re.split(r"[\s,;]+", text.strip()) if part]
    try:
        radii = sorted({int(part) for part in parts})
    except ValueError:
        raise AnalysisError(
            f"“{text}” is no list of radii: write whole metres separated by commas, for example 100, 250, 500.", "radii"
        ) from None
    if not radii or len(radii) > MOST_RADII or radii[0] < 1 or radii[-1] > LARGEST_RADIUS:
        raise AnalysisError(
            f"Give one to {MOST_RADII} radii between 1 and {LARGEST_RADIUS:,} m, for example 100, 250, 500.", "radii"
        )
    return tuple(radii)


def plan(sources: Sequence[Rows], question: Question, today: date) -> Plan:
    """The windows and who takes part; raises ``AnalysisError`` where nobody can."""
    left_out = [f"{s.facts.title} is left out: its rows have no dates." for s in sources if not s.facts.newest_month]
    dated = [source for source in sources if source.facts.newest_month]
    full = {id(source): _newest_full(source.facts, today) for source in dated}
    if not dated:
        raise AnalysisError(" ".join(left_out) + " Choose a layer with dates.", "layer")
    if question.window is None:
        now, before = comparison(common_end(list(full.values())))
    else:
        now, before = question.window, question.window.before()
    parts, titles = [], []
    for source in dated:
        facts = source.facts
        if not facts.held.any_of(now):
            left_out.append(f"{facts.title} is left out: {facts.held.none_words(now)}.")
        elif question.window is None and full[id(source)] < now.last:
            left_out.append(
                f"{facts.title} is left out: it is complete to {month_words(full[id(source)])} only, long before the "
                "others. Choose it alone, or a period of your own."
            )
        else:
            parts.append(_part(source, question, now))
            titles.append(facts.title)
    if not parts:
        raise AnalysisError(" ".join(left_out) + " Choose another period.", "month")
    return Plan(question, now, before if question.compare else None, tuple(parts), tuple(left_out))


def _newest_full(facts: PointFacts, today: date) -> str:
    day = date.fromisoformat(facts.newest_day) if facts.newest_day else None
    return newest_full_month(facts.held.newest, day, today)


def _part(source: Rows, question: Question, now: Window) -> Part:
    facts = source.facts
    preset = question.preset
    leave_out = exclusion(preset, source.categories() if preset.leave_out else (), facts.flag_fields)
    notes = list(leave_out.notes())
    bands = question.asked_bands
    if not facts.timed:
        if any(band is not Band.ALL for band in bands):
            notes.append("These records do not tell the hour: all hours are counted.")
        bands = (Band.ALL,)
    missing = facts.held.gap_words(now)
    if missing:
        notes.append(missing)
    return Part(source, leave_out, bands, tuple(notes))
