"""Figures as readers see them."""

from __future__ import annotations

import math

from ...shared.change import RateChange
from ...shared.ring_answer import AnswerRow, DatasetAnswer, RingAnswer, RingFigure
from ...shared.rings import Band

_NARROW = "\N{NO-BREAK SPACE}"
_DASH = "–"
_ABOUT = f"≈{_NARROW}"
ABOUT_SIGN = f"“≈”: about; “{_ABOUT}0” is 0 or a few."
RANK = (
    f"Rank: of the borough’s postcodes, the percentage with fewer; “{_DASH}” where none is given: outside London, with "
    "radii or hours of your own, for a count that is not told, or until it has been worked out."
)
ALTERED = (
    "Counts are perturbed and rounded to 5, 0 may be a few, so that nobody can be singled out: they need not add up, "
    "and changes and rates are worked out from them."
)

ODD_TOTAL = "altered at random: parts and total need not agree"


def count_words(count: int | None, mark: str = "", about: bool = False) -> str:
    """A count with commas, the mark of one that is withheld, or a dash; “≈ 10” where it is only ``about`` that."""
    if count is None:
        return mark or _DASH
    return f"{_ABOUT if about else ''}{count:,}"


def change_words(changed: RateChange | None) -> str:
    """“+46 %”, “new” where there was nothing before, or a dash where nothing is compared."""
    if changed is None:
        return _DASH
    if changed.ratio is None:
        return "new" if changed.low > 0 else _DASH
    return _percent(changed.ratio)


def interval_words(changed: RateChange | None, short: bool = False) -> str:
    """“+25 % to +70 %”, or short “+25 to +70”: where the true change lies, 95 times in 100; or empty."""
    if changed is None or (changed.ratio is None and not changed.low > 0):
        return ""
    high = "any rise" if math.isinf(changed.high) else _percent(changed.high)
    words = f"{_percent(changed.low)} to {high}"
    return words.replace(f"{_NARROW}%", "") if short else words


def rate_words(figure: RingFigure, about: bool = False) -> str:
    """Incidents per km², or a dash; “≈ 318” of a count that is only ``about`` so many."""
    rate = figure.rate_per_km2
    if rate is None:
        return _DASH
    return f"{_ABOUT if about else ''}{f'{rate:,.0f}' if rate >= 10 else f'{rate:.1f}'}"


def share_words(figure: RingFigure) -> str:
    """“89 %” of the postcodes have fewer, or a dash."""
    return _DASH if figure.share_below is None else f"{math.floor(figure.share_below)}{_NARROW}%"


def odd_total(row: AnswerRow) -> str:
    """What stands beside a total that shows less than one of its parts; else empty."""
    return ODD_TOTAL if any(figure.below_part for figure in row.figures) else ""


def band_words(row: AnswerRow) -> str:
    """The hours that a row counts."""
    return "all hours" if row.band is Band.ALL else row.band.words


def sentences(dataset: DatasetAnswer) -> list[str]:
    """For each row of all incidents what it comes to around here, in plain words."""
    told = []
    for row in dataset.totals():
        for figure in row.figures:
            if figure.count is None and not figure.mark:
                continue
            hours = "" if row.band is Band.ALL else f" ({band_words(row)})"
            count = _told(figure.count, figure.mark, dataset.perturbed)
            incidents = "incident" if count == "1" else "incidents"
            words = f"{count[0].upper()}{count[1:]} {incidents} within {figure.radius_m} m{hours}"
            if figure.sentence:
                words += f": {figure.sentence}"
            odd = f" {ODD_TOTAL[0].upper()}{ODD_TOTAL[1:]}." if figure.below_part else ""
            told.append(f"{words}.{_changed(figure, dataset.perturbed)}{odd}")
    return told


def cares(answer: RingAnswer) -> list[tuple[str, str]]:
    """Whose sentence, and what to read with care: notes first, then caveats; each once, however many share it.

    Of the caveats every dataset's first stands before any one's second, so that a few of them are of all.
    """
    most = max((len(one.caveats) for one in answer.datasets), default=0)
    told = [(one.title, note) for one in answer.datasets for note in one.notes]
    told += [(one.title, one.caveats[at]) for at in range(most) for one in answer.datasets if at < len(one.caveats)]
    titles: dict[str, list[str]] = {}
    for title, sentence in told:
        titles.setdefault(sentence, []).append(title)
    every = len({one.title for one in answer.datasets})
    return [
        ("All datasets" if 1 < every == len(set(whose)) else "; ".join(dict.fromkeys(whose)), sentence)
        for sentence, whose in titles.items()
    ]


def note_count(answer: RingAnswer) -> int:
    """How many of ``cares`` are notes."""
    return len({note for one in answer.datasets for note in one.notes})


def newest_words(answer: RingAnswer) -> str:
    """The newest month of each dataset; once, where it is that of all."""
    months = {one.newest for one in answer.datasets}
    if len(months) == 1 and len(answer.datasets) > 1:
        return f"{months.pop()} (all datasets)"
    return "; ".join(f"{one.title} {one.newest}" for one in answer.datasets)


def attribution_words(answer: RingAnswer) -> str:
    """The attributions, what several begin with once: “… Licence v3.0. Sources: A; B.”"""
    by_lead: dict[str, list[str]] = {}
    for attribution in answer.attributions:
        lead, found, source = attribution.partition("Source: ")
        plain = found and source.endswith(".") and ". " not in source
        by_lead.setdefault(lead if plain else attribution, []).append(source[:-1] if plain else "")
    told = []
    for lead, sources in by_lead.items():
        named = [source for source in sources if source]
        word = "Sources" if len(named) > 1 else "Source"
        told.append(f"{lead}{word}: {'; '.join(named)}." if named else lead)
    return " ".join(told)


def _told(count: int | None, mark: str, about: bool) -> str:
    """A count in a sentence: of those that were altered 0 may be a few, and none is exact."""
    if not about or count is None:
        return count_words(count, mark)
    return f"about {count:,}" if count else "0 or a few"


def _changed(figure: RingFigure, about: bool) -> str:
    if not figure.change_told:
        return ""
    return f" There were {_told(figure.before, '', about)} in the 12 months before: {figure.change_told}."


def _percent(ratio: float) -> str:
    number = round(100 * (ratio - 1))
    sign = "+" if number > 0 else "\N{MINUS SIGN}" if number < 0 else "±"
    return f"{sign}{abs(number):,}{_NARROW}%"
