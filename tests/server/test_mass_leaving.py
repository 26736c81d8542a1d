"""A month is not emptied unasked: not by moving its incidents, not step by step, not by records that add."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.ingest.report import DeliveryReport
from safestats.sync_server.ingest.service import load
from safestats.sync_server.ingest.staging import WithdrawsTooMuchError
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import copied, settings_for
from safestats.tests.server.ingest_rig import held, load_street, open_prepared, publish_now, street_row
from safestats.tests.server.supplies_rig import istv_csv, las_csv

ALL = range(30)


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_for(tmp_path_factory.mktemp("empty") / "server")
    services = open_prepared(settings)
    services.close()
    return settings


@pytest.fixture
def services(empty_server: Settings, tmp_path: Path) -> Iterator[Services]:
    services = open_services(copied(empty_server, tmp_path / "server"), Part.PUBLISHER)
    yield services
    services.close()


def send(services: Services, path: Path, data: bytes, dataset: str = "las", **options: object) -> DeliveryReport:
    path.write_bytes(data)
    return load(services, dataset, [path], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("additions", [False, True])
def test_a_small_file_of_a_new_month_does_not_empty_an_old_one(
    services: Services, tmp_path: Path, published: bool, additions: bool
) -> None:
    send(services, tmp_path / "2026-03.csv", las_csv(*ALL))
    if published:
        publish_now(services, "las")
    before = held(services, "las")
    moved = las_csv(*ALL, **{"Call Date": "02/04/2026"})
    with pytest.raises(WithdrawsTooMuchError, match="lacks 30 of the 30 .* 2026-03, counting 30 that it moves"):
        send(services, tmp_path / "2026-04.csv", moved, additions=additions)
    assert held(services, "las") == before
    few = las_csv(*range(5), **{"Call Date": "02/04/2026"})
    assert send(services, tmp_path / "2026-04.csv", few, additions=additions).changed == 5
    # What is staged adds up.
    more = las_csv(*range(10), **{"Call Date": "02/04/2026"})
    if published:
        with pytest.raises(WithdrawsTooMuchError, match="lacks 10 of the 30"):
            send(services, tmp_path / "2026-04.csv", more, additions=additions)
    report = send(services, tmp_path / "2026-04.csv", moved, additions=additions, accept_withdrawals=True)
    assert report.changed == 25 and {row.period for row in held(services, "las")} == {"2026-04"}


def test_a_few_corrected_dates_of_a_small_month_are_no_wrong_file(services: Services, tmp_path: Path) -> None:
    send(services, tmp_path / "2026-03.csv", las_csv(1, 2, 3))
    publish_now(services, "las")
    moved = las_csv(1, 2, **{"Call Date": "02/04/2026"})
    assert send(services, tmp_path / "2026-04.csv", moved, additions=True).changed == 2


def test_a_month_does_not_shrink_step_by_step(services: Services, tmp_path: Path) -> None:
    def sent(number: int, **options: bool) -> DeliveryReport:
        return load_street(
            services, tmp_path / "2023-05.csv", *(street_row(f"n{at}") for at in range(number)), **options
        )

    sent(30)
    publish_now(services, "colp")
    sent(24)
    for number in (23, 20, 4):
        with pytest.raises(WithdrawsTooMuchError, match=f"lacks {30 - number} of the 30"):
            sent(number)
    assert sent(24).withdrawn == 0 and len(held(services, "colp")) == 24
    assert sent(20, accept_withdrawals=True).withdrawn == 4
    # What was accepted can be sent again, and rows may come back.
    assert sent(20).withdrawn == 0
    assert sent(30).withdrawn == 0
    assert sent(24).withdrawn == 6


def test_a_hospitals_return_is_a_whole_of_its_own(services: Services, tmp_path: Path) -> None:
    places = ["Mare Street"] * 15
    returns = {
        site: send(services, tmp_path / f"{site}.csv", istv_csv(*places), "istv", site=site) for site in ("A", "B")
    }
    assert all(report.accepted == 15 for report in returns.values())
    with pytest.raises(WithdrawsTooMuchError, match="lacks 5 of the 15 incidents that istv holds for 2026-03 of A"):
        send(services, tmp_path / "A.csv", istv_csv(*places[:10]), "istv", site="A")
