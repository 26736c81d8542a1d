"""Presets: the fixed ways to ask, the same in QGIS, on the page and in what is published."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .rings import Band

PRESETS_FILE = "presets.json"  # in resources/

_WORDS = {"domestic-abuse": "domestic abuse"}


@dataclass(frozen=True)
class Preset:
    """Bands of the day to count in, and what to leave out, as codes such as ``domestic-abuse``."""

    name: str
    title: str
    bands: tuple[Band, ...]
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exclusion:
    """How a dataset tells what a preset leaves out.

    ``categories`` are values of its category, ``flags`` names of its boolean columns that mark such rows. ``untold``
    are the codes that it cannot tell apart.
    """

    categories: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that was to be left out and could not be."""
        return tuple(
            f"These records do not tell {_WORDS.get(code, code.replace('-', ' '))} apart: it is among what is counted."
            for code in self.untold
        )


def exclusion(preset: Preset, categories: Collection[str], flags: Collection[str]) -> Exclusion:
    """What of a dataset with these categories and boolean columns ``preset`` leaves out.

    Something is told by a category (its code or its words) or by a boolean column of its name, whichever there is.
    """
    by_category = [name for name in categories if _code(name) in preset.leave_out]
    by_flag = [name for name in flags if _code(name) in preset.leave_out]
    told = {_code(name) for name in (*by_category, *by_flag)}
    return Exclusion(
        categories=tuple(by_category),
        flags=tuple(by_flag),
        untold=tuple(code for code in preset.leave_out if code not in told),
    )


def _code(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def read_presets(path: Path) -> tuple[Preset, ...]:
    """The presets of the JSON file at ``path``, in its order; raises ``OSError`` or ``ValueError``."""
    return tuple(
        Preset(
            name=one["name"],
            title=one["title"],
            bands=tuple(Band[band] for band in one["bands"]),
            leave_out=tuple(one["leave_out"]),
        )
        for one in json.loads(path.read_text(encoding="utf-8"))
    )
