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
from safestats.tests.server.supplies_rig import ISTV_HEADER, csv_of, istv_csv, las_csv

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


@pytest.mark.above_engines
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


@pytest.mark.above_engines
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


def arrivals(*rows: tuple[str, str], month: str = "03") -> bytes:
    """A return: (day of arrival, date of the assault) of each row."""
    return csv_of(
        ISTV_HEADER,
        [(f"{day}/{month}/2026 23:40", f"{when} 22:30", "fists", "Public house", "Mare Street") for day, when in rows],
    )


@pytest.mark.above_engines
def test_rows_that_are_rejected_have_not_left(services: Services, tmp_path: Path) -> None:
    """A small return is sent again, and half of its dates of the assault are mistyped."""
    days = [f"{day}" for day in range(11, 19)]
    send(services, tmp_path / "2026-03.csv", arrivals(*((day, f"{day}/03/2026") for day in days)), "istv", site="A")
    publish_now(services, "istv")
    before = held(services, "istv")
    bad = [(day, f"{day}/33/2026" if int(day) % 2 else f"{day}/03/2026") for day in days]
    report = send(services, tmp_path / "2026-03 again.csv", arrivals(*bad), "istv", site="A")
    assert report.rejected == {"a date that does not exist": 4} and report.withdrawn == 0
    assert "4 held incident(s) stay as they are: their rows in this delivery were rejected." in report.notes
    assert held(services, "istv") == before
    # One row stands for one incident: of two that arrived at one hour the other is nobody.
    fewer = [*(row for row in bad if row[0] in ("12", "14", "16")), *[("11", "11/33/2026")] * 2]
    with pytest.raises(WithdrawsTooMuchError, match="lacks 4 of the 8") as refused:
        send(services, tmp_path / "fewer.csv", arrivals(*fewer), "istv", site="A")
    assert "2 of its rows were rejected, and may be among them (a date that does not exist: lines 5, 6)" in str(
        refused.value
    )


@pytest.mark.above_engines
def test_the_refusal_names_the_rejected_rows_and_what_to_do(services: Services, tmp_path: Path) -> None:
    send(services, tmp_path / "2026-03.csv", las_csv(*ALL))
    lines = las_csv(*range(10)).splitlines()
    lines += [line.replace(b"20/03/2026", b"31/04/2026") for line in las_csv(*range(100, 120)).splitlines()[1:]]
    lines += [line.replace(b"04B01", b"") for line in las_csv(*range(200, 202)).splitlines()[1:]]
    with pytest.raises(WithdrawsTooMuchError) as refused:
        send(services, tmp_path / "2026-03.csv", b"\r\n".join(lines))
    assert "lacks 20 of the 30" in str(refused.value) and "accept the withdrawals" in str(refused.value)
    assert "(a date that does not exist: 20 lines from 12 to 31" in refused.value.because
    assert refused.value.because.endswith("have these mended, and the file sent again.")
    assert "las-" not in str(refused.value) and "31/04" not in str(refused.value)
    # Known by the supplier's id they have not left, whatever their date says.
    lines = las_csv(*range(10)).splitlines()
    lines += [line.replace(b"20/03/2026", b"31/04/2026") for line in las_csv(*range(10, 30)).splitlines()[1:]]
    report = send(services, tmp_path / "2026-03.csv", b"\r\n".join(lines))
    assert (report.rejected.total(), report.withdrawn, report.unchanged) == (20, 0, 10)
    assert len(held(services, "las")) == 30


@pytest.mark.above_engines
def test_a_crime_of_no_known_kind_has_not_left(services: Services, tmp_path: Path) -> None:
    def sent(*rows: str) -> DeliveryReport:
        return load_street(services, tmp_path / "2023-05.csv", *rows)

    sent(*(street_row(f"n{at}") for at in range(9)), street_row("", street="On or near Mare Street"))
    publish_now(services, "colp")
    strange = [street_row(f"n{at}", category="Sorcery" if at < 6 else "Burglary") for at in range(9)]
    report = sent(*strange, street_row("", street="On or near Mare Street", category="Sorcery"))
    assert (report.rejected.total(), report.withdrawn) == (7, 0) and len(held(services, "colp")) == 10
    with pytest.raises(WithdrawsTooMuchError, match="lacks 4 of the 10") as refused:
        sent(*strange[4:], street_row("", street="On or near Mare Street"))
    assert "2 of its rows were rejected" in refused.value.because and "lines 2, 3" in refused.value.because


@pytest.mark.above_engines
def test_few_may_go_from_a_small_return_but_not_all(services: Services, tmp_path: Path) -> None:
    def sent(*places: str) -> DeliveryReport:
        return send(services, tmp_path / "2026-03.csv", istv_csv(*places), "istv", site="A")

    sent(*["Mare Street"] * 6)
    publish_now(services, "istv")
    assert sent(*["Mare Street"] * 3).withdrawn == 3
    with pytest.raises(WithdrawsTooMuchError, match="lacks 4 of the 6"):
        sent("Mare Street", "Mare Street")
    publish_now(services, "istv")
    with pytest.raises(WithdrawsTooMuchError, match="lacks 3 of the 3"):
        send(services, tmp_path / "2026-03.csv", b"Nil return for March 2026\r\n", "istv", site="A")
