"""Packs whose lists stand beside their totals: what is masked in a list cannot be worked out from the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pytest
from safestats.sync_server.agreements.profiles import Profile
from safestats.sync_server.ingest.service import load
from safestats.sync_server.quality.counting import Publisher
from safestats.sync_server.quality.pack import Pack
from safestats.sync_server.quality.packs import monthly_pack
from safestats.sync_server.services import Services
from safestats.tests.server.console_rig import CAMDEN
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.server.ingest_rig import publish_now
from safestats.tests.server.quality_rig import CROYDON, EALING, HILLINGDON, LAST, TODAY, agree, make_server

HEADER = "Arrival Date,Arrival Time,Assault Date,Assault Time,Assault Method,Location Description\n"
# Rows by site and month: alone below eight are Ealing in September, and all that came for June.
ROWS = {
    CROYDON: {"2025-06": 3, "2025-07": 20, "2025-08": 20, "2025-09": 20},
    HILLINGDON: {"2025-07": 30, "2025-08": 12, "2025-09": 30},
    EALING: {"2025-07": 15, "2025-08": 15, "2025-09": 4},
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with databases_of_a_test():
        folder = tmp_path_factory.mktemp("masking")
        opened = make_server(settings_for(folder / "server"))
        for site, months in ROWS.items():
            for month, number in months.items():
                file = folder / f"synthetic-{site}-{month}.csv"
                lines = []
                for at in range(number):
                    day = date(int(month[:4]), int(month[5:]), at % 28 + 1).strftime("%d/%m/%Y")
                    lines.append(f"{day},{at % 24:02d}:50,{day},{at % 24:02d}:10,fist,Camden High Street Camden\n")
                file.write_text(HEADER + "".join(lines))
                load(opened, "istv", [file], site=site, today=TODAY)
        agree(opened, "gla", Profile.PAN_LONDON)
        publish_now(opened, "istv")
        yield opened
        opened.close()


def lone(counts: Sequence[int | None]) -> bool:
    """Whether one count alone is masked beside others that are told."""
    return list(counts).count(None) == 1 and any(counts)


def of_london(services: Services) -> Pack:
    return monthly_pack(services, None, "istv", LAST, "gla", "html")


def test_a_month_below_the_threshold_is_not_masked_alone(services: Services) -> None:
    pack = of_london(services)
    shown = {month.month: month.count for month in pack.trend if month.open}
    assert shown["2025-06"] is None and not lone(list(shown.values()))
    # The next smallest is masked beside it, and nobody's parts tell the month's number.
    assert shown == {"2025-06": None, "2025-07": 65, "2025-08": None, "2025-09": 55}
    assert pack.of_month == shown[LAST]


def test_where_the_month_itself_is_masked_its_parts_are_too(services: Services) -> None:
    pack = monthly_pack(services, None, "istv", "2025-08", "gla", "html")
    assert pack.of_month is None
    assert not any(line.count for line in pack.categories_of_month) and not any(pack.quality_rows.values())


def test_a_hospital_below_the_threshold_is_not_masked_alone(services: Services) -> None:
    pack = of_london(services)
    assert pack.quality_rows == {EALING: None, CROYDON: None, HILLINGDON: 30}


def test_rows_of_hospitals_are_no_part_of_a_boroughs_pack(services: Services) -> None:
    pack = monthly_pack(services, None, "istv", LAST, "gla", "html", CAMDEN)
    assert pack.quality and pack.quality_rows == {}


def test_what_is_in_no_borough_is_part_of_the_same_list(services: Services) -> None:
    pack = of_london(services)
    assert not lone([*(line.count for line in pack.boroughs), pack.nowhere])


def test_months_and_their_total() -> None:
    publisher = Publisher(8)
    assert publisher.months({"a": 20, "b": 3, "c": 31}) == ({"a": None, "b": None, "c": 30}, 55)
    assert publisher.months({"a": 3, "b": 0}) == ({"a": None, "b": 0}, None)
