"""What rates are divided by: loaded as a whole, told by line where wrong, kept by edition."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.needs.denominators import base_of, list_denominators, load_denominators
from safestats.sync_server.needs.models import Kind, Level
from safestats.sync_server.services import Services
from safestats.tests.server.engines import databases_of_a_test, environment, settings_for
from safestats.tests.server.ingest_rig import open_prepared
from safestats.tests.server.needs_rig import CAMDEN, CITY, HACKNEY, denominators_csv

SAFESTATS = Path(__file__).resolve().parents[2] / ".venvs" / "server" / "bin" / "safestats"
SOURCE = "A source, under a licence"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with databases_of_a_test():
        opened = open_prepared(settings_for(tmp_path_factory.mktemp("denominators") / "server"))
        yield opened
        opened.close()


def line(code: str, value: object, edition: str = "mid-2023", level: str = "borough", kind: str = "residents") -> tuple:
    return (kind, edition, SOURCE, level, code, value)


def test_an_edition_is_replaced_as_a_whole_and_others_stay(services: Services, tmp_path: Path) -> None:
    lsoa = next(code for code, one in services.areas.lsoas.items() if one.borough_code == CAMDEN)
    first = denominators_csv(
        tmp_path / "a.csv",
        [
            line(CAMDEN, "210,100"),
            line(HACKNEY, 259_000),
            line(CAMDEN, 200_000, "Census 2021"),
            line(CAMDEN, 1_300, kind="licensed-premises"),
            line(lsoa, 1_700, level="lsoa"),
            line("E05000128", 9_000, level="ward"),
            line("E01999999", 1, level="lsoa"),
        ],
    )
    loaded = load_denominators(services, first, {})
    assert loaded.areas[("residents", "mid-2023", "borough")] == 2 and dict(loaded.unknown) == {"lsoa": 1}
    with services.database.read() as session:
        base = base_of(session, Kind.RESIDENTS, Level.BOROUGH)
        assert base is not None and base.edition == "mid-2023" and base.source == SOURCE
        assert base.of([CAMDEN]) == 210_100 and base.of([CAMDEN, HACKNEY]) == 469_100
        assert base.of([CAMDEN, CITY]) is None  # of one of them there is none
    second = denominators_csv(tmp_path / "b.csv", [line(CAMDEN, 211_000)])
    load_denominators(services, second, {})
    with services.database.read() as session:
        base = base_of(session, Kind.RESIDENTS, Level.BOROUGH)
        assert base is not None and dict(base.values) == {CAMDEN: 211_000}
        assert base_of(session, Kind.RESIDENTS, Level.LSOA) is None  # it went with its edition
        assert base_of(session, Kind.WORKDAY, Level.BOROUGH) is None
        held = [row[:5] for row in list_denominators(session)]
    assert held == [
        ("licensed-premises", "mid-2023", "borough", 1, 1_300),
        ("residents", "mid-2023", "borough", 1, 211_000),
        ("residents", "Census 2021", "borough", 1, 200_000),
    ]
    event = list(services.audit.events())[-1].body
    assert event["event"] == "denominators.load" and event["filter"]["editions"] == ["residents: mid-2023"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("people", "mid-2023", SOURCE, "borough", CAMDEN, 1), "line 3: the kind is “people”"),
        (line(CAMDEN, 1, level="parish"), "line 3: the level is “parish”"),
        (line("Camden", 1), "line 3: “Camden” is no area code"),
        (line("E01000001", 1), "line 3: E01000001 is no code of a borough"),
        (line(CAMDEN, 1, "latest"), "line 3: the edition is named with its year"),
        (("residents", "mid-2023", "", "borough", CAMDEN, 1), "line 3: the source is named"),
        (line(CAMDEN, -1), "line 3: “-1” is no whole number"),
        (line(CAMDEN, "1.5"), "line 3: “1.5” is no whole number"),
        (line(CAMDEN, "²"), "line 3: “²” is no whole number"),
        (line(CAMDEN, "9" * 5000), "is no whole number"),
        (line(HACKNEY, 1), f"line 3: {HACKNEY} stands in line 2 already"),
        (("residents", "mid-2023", "Another", "borough", CAMDEN, 1), "line 3: residents mid-2023 have another source"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_loaded(services: Services, tmp_path: Path, row: tuple, said: str) -> None:
    with services.database.read() as session:
        before = list_denominators(session)
    file = denominators_csv(tmp_path / "wrong.csv", [line(HACKNEY, 1), row])
    with pytest.raises(SafeStatsError) as refused:
        load_denominators(services, file, {})
    assert said in str(refused.value) and "nothing was loaded" in str(refused.value)
    with services.database.read() as session:
        assert list_denominators(session) == before


@pytest.mark.above_engines
def test_a_file_that_is_none_is_told(services: Services, tmp_path: Path) -> None:
    for content, said in (
        (b"", "no column “kind”"),
        (b"code,value\n", "no column “kind”: name it in the first line, or give --kind"),
        (b"kind,edition,source,level,code,value\n", "holds no area"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
    ):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(SafeStatsError, match=said):
            load_denominators(services, tmp_path / "x.csv", {})
    with pytest.raises(SafeStatsError, match="cannot be read"):
        load_denominators(services, tmp_path / "none.csv", {})
    file = denominators_csv(tmp_path / "y.csv", [line(CAMDEN, 1)])
    with pytest.raises(SafeStatsError, match="leave out --kind"):
        load_denominators(services, file, {"kind": "residents"})


@pytest.mark.above_engines
def test_the_command_loads_a_bare_file_and_lists_it(services: Services, tmp_path: Path) -> None:
    file = denominators_csv(tmp_path / "bare.csv", [(CITY, 500_000)], "Code", "Value")
    environ = {**environment(services.settings), "PATH": os.environ["PATH"]}
    asked = ["--kind", "workday", "--edition", "Census 2021", "--level", "borough", "--source", SOURCE]
    ran = subprocess.run(
        [SAFESTATS, "denominators", "load", file, *asked], env=environ, capture_output=True, text=True, check=True
    )
    assert "1 areas of the level borough are loaded: workday, Census 2021." in ran.stdout
    ran = subprocess.run([SAFESTATS, "denominators", "list"], env=environ, capture_output=True, text=True, check=True)
    assert "500,000" in ran.stdout and SOURCE in ran.stdout
