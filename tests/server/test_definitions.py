"""The ten definitions, and what makes a definition or a mapping unusable."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.sync_server.datasets.definitions import (
    DefinitionError,
    FieldGroup,
    Geometry,
    layer_fields,
    read_definition,
    read_definitions,
)
from safestats.sync_server.ingest.mappings import read_mappings
from safestats.sync_server.settings import Settings

pytestmark = pytest.mark.engineless

RESOURCES = Settings().resources_dir
DEFINITIONS = read_definitions(RESOURCES / "datasets")


def test_the_three_forces_share_one_code_list() -> None:
    lists = [dict(DEFINITIONS[code].field("category").codes) for code in ("mps", "colp", "btp")]
    assert lists[0] == lists[1] == lists[2] and len(lists[0]) == 14


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=lambda d: d.code)
def test_a_definition_promises_no_more_than_it_may(definition) -> None:
    names = {field.name for field in definition.fields}
    assert not names & {"outcome", "uprn", "postcode", "postcode_full", "address", "supplier_id", "age", "name"}
    assert definition.attribution and definition.caveats and definition.assumptions
    # Health's small numbers are withheld up to 7, all others' up to 4.
    assert definition.suppression_threshold == (8 if definition.code in ("istv", "las") else 5)
    assert definition.retention_months >= 120
    assert any("50" in caveat and "no evidence" in caveat for caveat in definition.caveats)
    if "street" in names:
        assert definition.field("street").group == FieldGroup.PLACE


def test_ten_layers_of_nine_suppliers_and_what_each_may_hold() -> None:
    every = {"mps", "colp", "btp", "istv", "las", "lfb", "lfb_mobilisations", "rnli", "tfl", "ndtms"}
    assert set(DEFINITIONS) == every and len({d.supplier for d in DEFINITIONS.values()}) == 9
    demographic = {d.code for d in DEFINITIONS.values() for f in layer_fields(d) if f.group == FieldGroup.DEMOGRAPHIC}
    assert demographic == {"las"}
    # In bands and by lists, never as they are.
    assert all(f.codes for d in DEFINITIONS.values() for f in d.fields if f.group == FieldGroup.DEMOGRAPHIC)
    assert {d.code for d in DEFINITIONS.values() if d.geometry == Geometry.COUNTS} == {"ndtms"}
    assert {d.code for d in DEFINITIONS.values() if d.sites} == {"istv"}
    assert {d.code for d in DEFINITIONS.values() if d.free_text} == {"istv"}
    assumed = {(d.code, f.name) for d in DEFINITIONS.values() for f in d.fields if f.assumed}
    # What public documents do not say: the code lists of hospitals, ambulances and drivers, the counts' extract.
    assert {("istv", "method"), ("las", "dispatch_code"), ("tfl", "sub_category"), ("ndtms", "measure")} <= assumed
    assert not {code for code, _ in assumed} & {"mps", "colp", "btp", "lfb", "rnli"}


def test_counts_have_neither_points_nor_small_areas() -> None:
    names = {field.name for field in layer_fields(DEFINITIONS["ndtms"])}
    assert {"month", "borough_code", "borough", "count", "withheld"} <= names
    assert not names & {"lsoa_code", "easting", "northing", "location_method", "precision_m"}


def test_the_fire_brigades_layers_link_by_a_number_that_goes_where_places_are_named() -> None:
    for code in ("lfb", "lfb_mobilisations"):
        assert DEFINITIONS[code].field("incident_number").group == FieldGroup.PLACE


def test_a_reader_is_told_what_is_assumed() -> None:
    definition = DEFINITIONS["tfl"]
    assert definition.cautions[: len(definition.caveats)] == definition.caveats
    assert all(text.startswith("Assumed: ") for text in definition.cautions[len(definition.caveats) :])


def test_an_age_is_held_in_a_band() -> None:
    bands = DEFINITIONS["las"].field("age_band").bands
    assert {age: [code for code, (first, last) in bands.items() if first <= age <= last] for age in (0, 34, 130)} == {
        0: ["0-4"],
        34: ["30-34"],
        130: ["75-and-over"],
    }
    assert sorted(age for first, last in bands.values() for age in range(first, last + 1)) == list(range(131))


@pytest.mark.parametrize(
    ("dataset", "old", "new", "message"),
    [
        ("ndtms", 'field = "count"', 'field = "people"', "“people” is no core field of the type integer"),
        ("ndtms", 'withheld = "withheld"', 'withheld = "count"', "“count” is no core field of the type boolean"),
        ("ndtms", '"month", "measure"]', '"month", "gauge"]', "“gauge” is used but not declared"),
        ("ndtms", 'geometry = "counts"', 'geometry = "points"', "only a dataset of counts says how"),
        ("ndtms", "[counts]", "[numbers]", "says in .counts. which field holds the number"),
        ("ndtms", 'date_precision = "month"', 'date_precision = "day"', "counts are of months"),
        (
            "ndtms",
            'alias = "Period"\ntype = "text"\ngroup = "core"',
            'alias = "P"\ntype = "text"\ngroup = "place"',
            "lie nowhere",
        ),
        ("istv", 'name = "site"', 'name = "hospital"', "“site” is used but not declared as a field"),
        ("istv", "sites = true\n", "", "replaces returns needs sites"),
        ("istv", 'stable = ["site", "return_month", ', 'stable = ["site", ', "“return_month” is part of the identity"),
        ("istv", '"location_description", ', '"matched_text", ', "“matched_text” is free text, which is never stored"),
        ("istv", "retention_months = 120", "retention_months = -1", "retention_months is 0"),
        ("istv", "assumptions = [", "suppositions = [", "“method” is assumed, but no assumption says why"),
        ("las", "5-9 = [5, 9]", "5-9 = [4, 9]", "the bands of “age_band” overlap"),
        ("las", "5-9 = [5, 9]", "5-9 = [9, 5]", "the bands of “age_band” overlap or end before"),
        ("las", "5-9 = [5, 9]", "5-nine = [5, 9]", "“5-nine” is a band of “age_band” without a label"),
    ],
)
def test_what_makes_the_newer_definitions_unusable(
    tmp_path: Path, dataset: str, old: str, new: str, message: str
) -> None:
    text = (RESOURCES / "datasets" / f"{dataset}.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / f"{dataset}.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DefinitionError, match=message) as raised:
        read_definition(path)
    assert str(raised.value).startswith(f"{dataset}.toml: ")


def test_every_dataset_has_a_mapping_that_fits() -> None:
    mappings = read_mappings(RESOURCES / "mappings", DEFINITIONS)
    assert {dataset for mapping in mappings for dataset in mapping.datasets} == set(DEFINITIONS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('code = "colp"', 'code = "Col-P"', "the code “Col-P”"),
        ('date_precision = "month"', 'date_precision = "week"', "date_precision is none of"),
        ('category_field = "category"', 'category_field = "kind"', "“kind” is used but not declared"),
        ('name = "street"', 'name = "borough"', "declared twice or bears the name of a built-in"),
        ('burglary = "Burglary"', 'burglary = "DRUGS"', "two codes of “category” have the same label"),
        ("required = true", "mutable = true", "cannot be mutable and part of the identity"),
        ('delivery = "replaces"', 'delivery = "guesses"', "cannot be read"),
        ('within = "month"', 'within = "year"', "cannot be read"),
        ('id = "supplier_id"\nwithin = "month"', 'within = "dataset"', "needs an id of the supplier's"),
        ('undated = "reject"', 'undated = "keep"', "replaces months cannot keep undated rows"),
        ('title = "City', 'heading = "City', "cannot be read"),
    ],
)
def test_what_makes_a_definition_unusable(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (RESOURCES / "datasets" / "colp.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "colp.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DefinitionError, match=message) as raised:
        read_definition(path)
    assert str(raised.value).startswith("colp.toml: ")


def test_a_date_cannot_be_required_of_undated_rows(tmp_path: Path) -> None:
    text = (RESOURCES / "datasets" / "lfb.toml").read_text(encoding="utf-8")
    text = text.replace('type = "date"\n', 'type = "date"\nrequired = true\n')
    (tmp_path / "lfb.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match="“occurred_on” cannot be required where undated rows are kept"):
        read_definition(tmp_path / "lfb.toml")


def test_a_day_is_shown_to_all_or_it_is_no_part_of_a_feature_id(tmp_path: Path) -> None:
    text = (RESOURCES / "datasets" / "lfb.toml").read_text(encoding="utf-8")
    of_the_day = 'type = "date"\ngroup = "core"'
    assert text.count(of_the_day) == 1
    (tmp_path / "lfb.toml").write_text(text.replace(of_the_day, of_the_day.replace("core", "place")), encoding="utf-8")
    with pytest.raises(DefinitionError, match="“occurred_on” is a core field"):
        read_definition(tmp_path / "lfb.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('to = "street"', 'to = "pavement"', "“pavement” is no field of"),
        ('to = "month"', 'to = "street"', "nothing gives “month”"),
        ('kind = "lonlat"', 'kind = "fax"', "cannot be read"),
    ],
)
def test_what_makes_a_mapping_unusable(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (RESOURCES / "mappings" / "police-street-csv.toml").read_text(encoding="utf-8")
    (tmp_path / "m.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DefinitionError, match=message):
        read_mappings(tmp_path, DEFINITIONS)
