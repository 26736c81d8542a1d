"""The template workbook, filled in, goes through the pipeline without a complaint."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.ingest.mappings import read_mappings
from safestats.sync_server.ingest.source import SourceFile
from safestats.sync_server.schema import prepare_database
from safestats.sync_server.screening.check import CheckReport, check, dataset_of
from safestats.sync_server.screening.marks import EXAMPLE_MARK, EXPLAINED, LISTS
from safestats.sync_server.screening.workbook import template_columns, template_workbook
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

RESOURCES = Settings().resources_dir
DATASETS = sorted(path.stem for path in (RESOURCES / "datasets").glob("*.toml"))
SITE = "RJ122"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = settings_for(tmp_path_factory.mktemp("server"))
    opened = open_services(settings, Part.OWNER)
    prepare_database(opened.database, settings, opened.definitions)
    with opened.database.write() as session:
        load_supplied_areas(session, settings.resources_dir / BOUNDARIES_FILE)
    yield opened
    opened.close()


def template(services: Services, dataset: str) -> bytes:
    mappings = read_mappings(services.settings.resources_dir / "mappings", dict(services.definitions))
    return template_workbook(services.definition(dataset), mappings)


def saved(workbook: Workbook) -> bytes:
    data = io.BytesIO()
    workbook.save(data)
    return data.getvalue()


def checked(services: Services, dataset: str, data: bytes) -> CheckReport:
    source = SourceFile.of(Path(f"{dataset}-2026-03.xlsx"), data)
    site = SITE if services.definition(dataset).sites else ""
    return check(services, dataset, [source], site, today=date(2026, 4, 2))


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_template_that_is_filled_in_is_taken_without_a_complaint(services: Services, dataset: str) -> None:
    workbook = load_workbook(io.BytesIO(template(services, dataset)))
    sheet = workbook.worksheets[0]
    # What a supplier does: the examples' values stand for own ones, the mark beside them goes.
    assert [sheet.cell(line, sheet.max_column).value for line in (1, 2, 3, 4)] == [
        None,
        EXAMPLE_MARK,
        EXAMPLE_MARK,
        None,
    ]
    sheet.delete_cols(sheet.max_column)
    report = checked(services, dataset, saved(workbook))
    assert report.refusal == ""
    assert report.accepted == 2, report.sentences()
    assert not report.rejected and not report.dropped and not report.blanked and not report.unmapped
    assert not [note for note in report.notes if "left out" in note or "not agreed" in note], report.notes


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_template_whose_examples_were_left_in_is_refused(services: Services, dataset: str) -> None:
    report = checked(services, dataset, template(services, dataset))
    assert "still has the example rows" in report.refusal


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_empty_template_is_a_zero_return(services: Services, dataset: str) -> None:
    workbook = load_workbook(io.BytesIO(template(services, dataset)))
    workbook.worksheets[0].delete_rows(2, 2)
    report = checked(services, dataset, saved(workbook))
    assert report.refusal == "" and report.rows_in == 0


def test_lists_offer_the_definitions_codes_and_every_column_is_explained(services: Services) -> None:
    for dataset in DATASETS:
        definition = services.definition(dataset)
        mappings = read_mappings(services.settings.resources_dir / "mappings", dict(services.definitions))
        columns = template_columns(definition, mappings)
        workbook = load_workbook(io.BytesIO(template(services, dataset)))
        assert workbook.sheetnames[1:] == [EXPLAINED, LISTS] and workbook[LISTS].sheet_state == "hidden"
        explained = [row[0] for row in workbook[EXPLAINED].iter_rows(min_row=6, values_only=True)]
        assert explained == [column.header for column in columns]
        offered = [tuple(c for c in column[1:] if c) for column in workbook[LISTS].iter_cols(values_only=True)]
        assert [one for one in offered if one] == [column.choices for column in columns if column.choices]
        validations = workbook.worksheets[0].data_validations.dataValidation
        assert len(validations) == sum(1 for column in columns if column.choices)
        for column in columns:
            declared = next((one for one in definition.fields if one.name == column.target), None)
            if declared is not None and declared.codes:
                assert column.choices == tuple(declared.codes.values())


def test_the_dataset_is_told_by_the_headers_where_they_are_its_own(services: Services) -> None:
    source = SourceFile.of(Path("rnli.xlsx"), template(services, "rnli"))
    assert dataset_of(services, source) == "rnli"


def test_what_stands_in_an_example_row_goes_together(services: Services) -> None:
    sheet = load_workbook(io.BytesIO(template(services, "istv"))).worksheets[0]
    headers = [cell.value for cell in sheet[1]]
    kind, told = (headers.index(name) for name in ("Assault Location Type", "Assault Location Description"))
    rows = [(row[kind], row[told]) for row in sheet.iter_rows(min_row=2, max_row=3, values_only=True)]
    assert [row[0] for row in rows] == ["Street or other public place", "Public transport"]
    assert "High Street" in rows[0][1] and "station" in rows[1][1]
