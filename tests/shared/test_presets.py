"""Presets: what the file offers, and what a dataset can leave out."""

from __future__ import annotations

from pathlib import Path

from safestats.shared.presets import PRESETS_FILE, Exclusion, exclusion, read_presets
from safestats.shared.rings import Band

PRESETS = {p.name: p for p in read_presets(Path(__file__).resolve().parents[2] / "resources" / PRESETS_FILE)}


def test_the_file_offers_what_licensing_asks_for():
    assert [preset.title for preset in PRESETS.values()] == [
        "Everything",
        "Alcohol hours, domestic abuse excluded",
        "Late night",
        "Weekend nights",
    ]
    alcohol = PRESETS["alcohol-hours"]
    assert (alcohol.bands, alcohol.leave_out) == ((Band.EVENING_AND_NIGHT,), ("domestic-abuse",))


def test_a_dataset_tells_by_code_by_words_or_by_a_column_of_yes_and_no():
    alcohol = PRESETS["alcohol-hours"]
    assert exclusion(alcohol, ["domestic-abuse", "theft"], []) == Exclusion(categories=("domestic-abuse",))
    assert exclusion(alcohol, ["Domestic abuse", "Theft"], []) == Exclusion(categories=("Domestic abuse",))
    assert exclusion(alcohol, ["theft"], ["domestic_abuse"]) == Exclusion(flags=("domestic_abuse",))
    assert exclusion(alcohol, ["Domestic abuse"], ["domestic_abuse"]).untold == ()


def test_what_cannot_be_told_is_said_in_a_sentence():
    untold = exclusion(PRESETS["alcohol-hours"], ["domestic-violence-order", "theft"], ["alcohol"])
    assert untold == Exclusion(untold=("domestic-abuse",))
    assert untold.notes() == ("These records do not tell domestic abuse apart: it is among what is counted.",)
    assert exclusion(PRESETS["everything"], [], []).notes() == ()
