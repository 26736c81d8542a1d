"""Server folders with three organisations, each with agreements of another kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from safestats.tests.commands import SUPPLIERS_TERMS, agreement, organisation
from safestats.tests.end_to_end.fault_stage import Stage, set_up
from safestats.tests.end_to_end.faults import COMPILER, build
from safestats.tests.end_to_end.rig import DATASETS, REAL, ServerFolder, loading, thinned

SCALE = 0.1
REAL_FILES = {
    "mps": ("police_met_wards_api/2017-01.zip",),
    "colp": tuple(f"police_city_of_london/2023-0{month}-city-of-london-street.csv" for month in (1, 2, 3)),
    "btp": tuple(f"police_btp/2023-0{month}-btp-street.csv" for month in (1, 2, 3)),
    "lfb": ("lfb/2017-01-lfb-incidents.csv",),
    "rnli": ("rnli/2020-h1-launches.csv",),
}
EVERYTHING = "--fields core,area,location,place --precision point"
EVERYTHING_THERE_IS = "--fields core,area,location --precision point"  # of those who have no street or place names
# As in scripts/demo_data.sh, but that the City has had an agreement with the fire brigade, ended yesterday.
GRANTS = {
    **{("camden", dataset): f"--areas E09000007 --edge-km 1 {EVERYTHING}" for dataset in ("mps", "colp", "btp")},
    ("city", "colp"): f"--areas E09000001,unplaced --edge-km 1 {EVERYTHING}",
    ("city", "mps"): "--areas E09000001 --edge-km 1 --fields core,area,location --precision grid --grid-m 250",
    ("city", "btp"): "--areas E09000001 --fields core,area --precision area",
    ("city", "lfb"): f"--areas E09000001 {EVERYTHING_THERE_IS}",
    ("city", "rnli"): "--areas E09000001 --edge-km 1 --fields core,area --precision area",
    **{
        ("gla", dataset): "--areas london,unplaced,outside "
        + (EVERYTHING_THERE_IS if dataset in ("lfb", "rnli") else EVERYTHING)
        for dataset in DATASETS
    },
}


def today() -> date:
    """London's, as the server has it."""
    return datetime.now(ZoneInfo("Europe/London")).date()


def yesterday() -> date:
    """London's."""
    return today() - timedelta(days=1)


def reference(organisation: str, dataset: str) -> str:
    """The agreement's."""
    return f"DSA-{organisation}-{dataset}".upper()


def agreements() -> list[str]:
    """The commands that make organisations, analysts and agreements."""
    commands = [SUPPLIERS_TERMS]
    for code, name in (
        ("camden", "London Borough of Camden"),
        ("city", "City of London Corporation"),
        ("gla", "Greater London Authority"),
    ):
        commands += [organisation(code, name), f"user add {code}.analyst --org {code} --password-stdin"]
    for (code, dataset), grant in GRANTS.items():
        commands += agreement(reference(code, dataset), code, dataset, grant)
    return commands


def prepare(folder: ServerFolder, deliveries: dict[str, Sequence[Path]], changed: Path) -> None:
    """Fill a folder: load and publish the deliveries, and of the City two corrections, one published, one still staged.

    So the tables hold rows that are no more, and rows that are to come, which nobody may see.
    """
    corrections = [thinned(path, changed) for path in deliveries["colp"][:2]]
    folder.initialise(*agreements())
    folder.run(
        *(loading(dataset, deliveries[dataset]) for dataset in DATASETS),
        "publish all",
        loading("colp", corrections[:1]),
        "publish colp",
        loading("colp", corrections[1:]),
    )
    # Time passes: the agreement is as it was signed, and its last day was yesterday.
    folder.query("UPDATE agreement SET ends = ? WHERE reference = ?", str(yesterday()), reference("city", "lfb"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a seeded synthetic year, a folder for each dataset."""
    root = tmp_path_factory.mktemp("year")
    ServerFolder(root / "server").run(f"sample-data '{root / 'sample'}' --scale {SCALE}")
    return root / "sample"


@pytest.fixture(scope="session")
def sample_folder(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> ServerFolder:
    """A seeded synthetic year. Not to be changed: take ``copy_of`` it."""
    root = tmp_path_factory.mktemp("sample")
    folder = ServerFolder(root / "server")
    prepare(folder, {name: sorted((sample / name).iterdir()) for name in DATASETS}, root / "changed")
    return folder


@pytest.fixture(scope="session")
def real_folder(tmp_path_factory: pytest.TempPathFactory) -> ServerFolder:
    """A real month of the Met and of the fire brigade, three of the City and of the transport police."""
    deliveries = {dataset: [REAL / name for name in names] for dataset, names in REAL_FILES.items()}
    missing = [path.name for paths in deliveries.values() for path in paths if not path.is_file()]
    if missing:
        pytest.skip(f"the real files are not in {REAL}: {missing[0]} is missing")
    root = tmp_path_factory.mktemp("real")
    folder = ServerFolder(root / "server")
    prepare(folder, deliveries, root / "changed")
    return folder


@pytest.fixture(scope="session")
def stage(qgis_app, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server whose small layer has something new for those who have the old, and pulls that can be made to fail."""
    if COMPILER is None:
        pytest.skip("there is no C compiler to make the faults' library with")
    folder = tmp_path_factory.mktemp("stage")
    stage = set_up(folder, build(folder), sample)
    yield stage
    stage.server.stop()
