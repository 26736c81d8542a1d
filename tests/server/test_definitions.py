"""The five definitions, and what makes a definition or a mapping unusable."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.sync_server.datasets.definitions import DefinitionError, FieldGroup, read_definition, read_definitions
from safestats.sync_server.datasets.incidents import incident_table
from safestats.sync_server.datasets.service import ensure_incident_tables
from safestats.sync_server.ingest.mappings import read_mappings
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import empty_database
from sqlalchemy import inspect

RESOURCES = Settings().resources_dir
DEFINITIONS = read_definitions(RESOURCES / "datasets")


def test_the_three_forces_share_one_code_list() -> None:
    lists = [dict(DEFINITIONS[code].field("category").codes) for code in ("mps", "colp", "btp")]
    assert lists[0] == lists[1] == lists[2] and len(lists[0]) == 14


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=lambda d: d.code)
def test_a_definition_promises_no_more_than_it_may(definition) -> None:
    names = {field.name for field in definition.fields}
    assert not names & {"outcome", "uprn", "postcode", "postcode_full", "address", "supplier_id", "incident_number"}
    assert definition.attribution and definition.caveats and definition.suppression_threshold == 5
    assert any("50" in caveat and "no evidence" in caveat for caveat in definition.caveats)
    if "street" in names:
        assert definition.field("street").group == FieldGroup.PLACE


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
        ('format = "csv"', 'format = "fax"', "cannot be read"),
    ],
)
def test_what_makes_a_mapping_unusable(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (RESOURCES / "mappings" / "police-street-csv.toml").read_text(encoding="utf-8")
    (tmp_path / "m.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DefinitionError, match=message):
        read_mappings(tmp_path, DEFINITIONS)


def test_a_new_field_becomes_a_column_and_rows_stay(tmp_path: Path) -> None:
    database = open_database(empty_database(tmp_path), Part.OWNER)
    text = (RESOURCES / "datasets" / "lfb.toml").read_text(encoding="utf-8")
    (tmp_path / "lfb.toml").write_text(text[: text.index('[[fields]]\nname = "pumps"')], encoding="utf-8")
    old = read_definition(tmp_path / "lfb.toml")
    ensure_incident_tables(database, {"lfb": old})
    ensure_incident_tables(database, {"lfb": DEFINITIONS["lfb"]})
    ensure_incident_tables(database, {"lfb": DEFINITIONS["lfb"]})
    there = {column["name"] for column in inspect(database.engine).get_columns("incident_lfb")}
    assert there == {column.name for column in incident_table(DEFINITIONS["lfb"]).columns}
