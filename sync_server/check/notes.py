"""What the reader of an answer is told of a dataset's records, beside what is told of their counts."""

from __future__ import annotations

from ...shared.rings import Band
from ...shared.windows import Window
from .planning import Part
from .question import Question


def part_notes(part: Part, question: Question, now: Window) -> list[str]:
    """Of what the part's records lack."""
    notes = []
    if not part.timed and any(band is not Band.ALL for band in question.asked_bands):
        notes.append("These records do not tell the hour: all hours are counted.")
    missing = part.held.gap_words(now)
    return [*notes, missing] if missing else notes
