"""Boroughs that a copy does not hold: counts of them and of London as the server answers them, perturbed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qgis.PyQt.QtCore import QCoreApplication

from ..errors import AgreementRefused, DeskError, ServerTrouble
from ..needed import needed
from ..periods import Period
from ..transport import Cancel, Transport, never
from .selection import Selection

_YEAR = 12
_REFUSALS = ("question-not-permitted", "not-found")


def _tr(words: str) -> str:
    return QCoreApplication.translate("Explore", words)


@dataclass(frozen=True)
class Elsewhere:
    """Counts by borough code, and London's where all boroughs may be counted; ``why`` says what keeps them back."""

    counts: Mapping[str, int] = field(default_factory=dict, hash=False)
    london: int | None = None
    why: str = ""


NOTHING = Elsewhere()


def can_be_asked(asked: Selection) -> bool:
    """Whether the question is like one that the server answers: twelve months, any hour, all or one category.

    Which twelve months, the server knows.
    """
    period = asked.period
    return (
        period is not None
        and period.months == _YEAR
        and asked.days is None
        and asked.hours is None
        and (not asked.categories or (len(asked.categories) == 1 and len(asked.categories[0]) == 1))
    )


def ask_elsewhere(transport: Transport, asked: Selection, cancelled: Cancel = never) -> Elsewhere:
    """What the server answers to a question that ``can_be_asked``; for a task. Raises ``DeskError``."""
    period = needed(asked.period, "period")
    try:
        return _read(asked, transport.get_json(_address(asked.dataset, period), cancelled=cancelled))
    except AgreementRefused as error:
        return Elsewhere(why=error.sentence)
    except DeskError as error:
        if error.code in _REFUSALS:  # another year; an older server
            return Elsewhere(why=error.sentence)
        raise


def how_to_ask() -> str:
    """What the question would have to be."""
    return _tr("for 12 whole months, any hour and all or one category the server tells it")


def _address(dataset: str, period: Period) -> str:
    return f"/v1/layers/{dataset}/boroughs?from_month={period.first}&to_month={period.last}"


def _read(asked: Selection, answer: Mapping[str, Any]) -> Elsewhere:
    category = asked.categories[0][0] if asked.categories else None
    if category is not None and not answer.get("by"):
        return Elsewhere(why=_tr("your agreement does not let categories be counted there"))

    def number(one: Mapping[str, Any]) -> int:
        if category is None:
            return int(one["rows"])
        # A category that is not listed is answered 0, which may be a few.
        return next((int(value["rows"]) for value in one["table"] if (value["value"] or "") == category), 0)

    try:
        london = answer["london"]
        return Elsewhere(
            {str(one["code"]): number(one) for one in answer["boroughs"]},
            None if london is None else number(london),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServerTrouble(
            "The server told its counts of boroughs in a way that cannot be read: update the plugin."
        ) from error
