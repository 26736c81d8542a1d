"""What the guide says of the ten layers is what their definitions say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from safestats.sync_server.datasets.definitions import (
    DatasetDefinition,
    Delivery,
    FieldGroup,
    Geometry,
    layer_fields,
    read_definitions,
)
from safestats.sync_server.ingest.mappings import read_mappings
from safestats.sync_server.sample.hospital_styles import STYLES
from safestats.sync_server.sample.service import YEARLY_ROWS
from safestats.sync_server.settings import PACKAGE_ROOT, Settings

pytestmark = pytest.mark.engineless

RESOURCES = Settings().resources_dir
DEFINITIONS = read_definitions(RESOURCES / "datasets")
ORDER = ("mps", "colp", "btp", "istv", "las", "lfb", "lfb_mobilisations", "rnli", "tfl", "ndtms")
GUIDE = (PACKAGE_ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
_DELIVERIES = {
    Delivery.REPLACES: "whole months",
    Delivery.REPLACES_RETURN: "whole months of a site",
    Delivery.UPSERTS: "rows",
}


def table(definitions: Mapping[str, DatasetDefinition]) -> list[str]:
    """The guide's table, a line a layer."""
    lines = [
        "| layer | title | supplier | rows | known to the | category | people | a file holds | withheld below | kept |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for code in ORDER:
        one = definitions[code]
        people = [field.alias.lower() for field in layer_fields(one) if field.group == FieldGroup.DEMOGRAPHIC]
        category = one.field(one.category_field)
        cells = (
            f"`{code}`",
            one.title,
            one.supplier,
            "counts by borough" if one.geometry == Geometry.COUNTS else "points",
            one.date_precision,
            f"{category.alias} ({len(category.codes)})",
            ", ".join(people) or "none",
            _DELIVERIES[one.delivery],
            str(one.suppression_threshold),
            f"{one.retention_months // 12} years",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def assumed(definitions: Mapping[str, DatasetDefinition]) -> list[str]:
    """What is assumed of each layer, and of which fields."""
    lines = []
    for code in ORDER:
        one = definitions[code]
        fields = [f"`{field.name}`" for field in one.fields if field.assumed]
        told = f" Fields: {', '.join(fields)}." if fields else ""
        lines.append(f"- **{one.title}** (`{code}`). {' '.join(one.assumptions)}{told}")
    return lines


def habits() -> list[str]:
    """The hospitals' habits, a line each."""
    return [f"| `{style.code}` | {style.name} | {style.note} |" for style in STYLES]


def missing(lines: Iterable[str]) -> list[str]:
    there = set(GUIDE.splitlines())
    return [line for line in lines if line not in there]


def test_the_guide_tells_what_the_definitions_say() -> None:
    assert set(ORDER) == set(DEFINITIONS)
    assert missing(table(DEFINITIONS)) == []
    assert missing(assumed(DEFINITIONS)) == []
    assert missing(habits()) == []
    # A layer more or less would show.
    assert sum(line.startswith("| `") for line in GUIDE.splitlines()) == len(ORDER) + len(STYLES)


def test_every_layer_has_terms_a_mapping_and_synthetic_files() -> None:
    assert {path.stem for path in (RESOURCES / "terms").glob("*.toml")} == set(DEFINITIONS)
    assert set(YEARLY_ROWS) == set(DEFINITIONS)
    mapped = {code for mapping in read_mappings(RESOURCES / "mappings", DEFINITIONS) for code in mapping.datasets}
    assert mapped == set(DEFINITIONS)
