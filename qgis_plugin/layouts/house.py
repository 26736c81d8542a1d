"""What this computer has of a house style: its font and logo, or what stands in their place, told in a sentence."""

from __future__ import annotations

from qgis.PyQt.QtGui import QColor, QImageReader

from ..core.house_styles import HouseRules
from .sheet import HouseStyle, tr
from .typography import family, is_installed


def style_of(rules: HouseRules) -> HouseStyle:
    """The style as it can be drawn here; ``notes`` tell what was replaced."""
    notes = []
    font = rules.font
    if font and not is_installed(font):
        notes.append(
            tr("The house font “{font}” is not on this computer: the page is set in {instead}.").format(
                font=font, instead=family()
            )
        )
        font = ""
    logo = rules.logo if rules.logo is not None and QImageReader(str(rules.logo)).canRead() else None
    if rules.logo_told and logo is None:
        notes.append(
            tr("The house logo cannot be read here: “{words}” stands in its place.").format(words=rules.logo_words)
        )
    colour = rules.colour if QColor(rules.colour).isValid() else HouseStyle().colour
    return HouseStyle(font, colour, logo, rules.logo_words if rules.logo_told else "", tuple(notes))
