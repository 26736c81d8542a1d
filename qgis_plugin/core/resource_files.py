"""Where the files are that come with the plugin."""

from __future__ import annotations

from pathlib import Path

from ...shared.presets import PRESETS_FILE

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
BOUNDARIES = RESOURCES / "boundaries" / "london-lsoa-2011.gpkg"
POSTCODES = RESOURCES / "postcodes" / "postcodes.csv.gz"
ICONS = RESOURCES / "icons"
TRANSLATIONS = RESOURCES / "i18n"
HELP = RESOURCES / "help"
PRESETS = RESOURCES / PRESETS_FILE
