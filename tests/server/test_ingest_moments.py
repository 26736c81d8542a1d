"""Dates and times as people write them; what is not said is not guessed."""

from __future__ import annotations

from collections import Counter
from datetime import date, time

import polars as pl
import pytest
from safestats.sync_server.datasets.definitions import read_definitions
from safestats.sync_server.ingest.mappings import DateOrder, Mapping, Parse, PlaceKind, Placing, Source
from safestats.sync_server.ingest.moments import months_in, read_clock, read_moment
from safestats.sync_server.ingest.times import clock_trouble, with_times
from safestats.sync_server.settings import PACKAGE_ROOT

pytestmark = pytest.mark.engineless

ISTV = read_definitions(PACKAGE_ROOT / "resources" / "datasets")["istv"]
TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "day", "at"),
    [
        ("2026-03-05", date(2026, 3, 5), None),
        ("2026-03-05 23:10:00", date(2026, 3, 5), time(23, 10)),
        ("2026-07-05T22:10:00Z", date(2026, 7, 5), time(23, 10)),
        ("2026-07-05T23:30:00+00:00", date(2026, 7, 6), time(0, 30)),
        ("13/02/2026", date(2026, 2, 13), None),
        ("13.2.26 2am", date(2026, 2, 13), time(2)),
        ("Fri 13 March 2026", date(2026, 3, 13), None),
        ("8th Mar 2026 at 2am", date(2026, 3, 8), time(2)),
        ("Mar 5, 2026", date(2026, 3, 5), None),
        ("20260305", date(2026, 3, 5), None),
        ("46086", date(2026, 3, 5), None),
        ("46086.965277", date(2026, 3, 5), time(23, 10)),
        ("01 Jan 2009", date(2009, 1, 1), None),
    ],
)
def test_a_date_that_is_plain(text: str, day: date, at: time | None) -> None:
    moment = read_moment(text)
    assert (moment.day, moment.clock.time) == (day, at) and moment.other is None


def test_a_date_that_has_two_readings() -> None:
    moment = read_moment("05/03/2026")
    assert (moment.day, moment.other) == (date(2026, 3, 5), date(2026, 5, 3))
    american = read_moment("03/25/2026 11:05 PM")
    assert (american.day, american.other, american.clock.time) == (None, date(2026, 3, 25), time(23, 5))


@pytest.mark.parametrize("text", ["unknown", "not known", "?", "n/k", "", "refused to say", "pt unsure", "some time"])
def test_a_date_that_is_not_known(text: str) -> None:
    moment = read_moment(text)
    assert moment.vague and moment.day is None and not moment.wrong


@pytest.mark.parametrize("text", ["31/02/2026", "2026-13-01", "05/03", "99999", "1" * 100])
def test_a_date_that_does_not_exist(text: str) -> None:
    assert read_moment(text).wrong


def test_words_that_need_another_date() -> None:
    assert read_moment("Fri night").weekday == 4 and read_moment("Fri night").day is None
    assert read_moment("Sat 2am").clock.time == time(2)
    assert read_moment("yesterday").shift == -1


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("23:10", time(23, 10)), ("2310", time(23, 10)), ("2am", time(2)), ("2:30 pm", time(14, 30)),
        ("noon", time(12)), ("midnight", time(0)), ("approx 2am", time(2)), ("2300hrs", time(23)),
        ("11.10pm", time(23, 10)), ("0.965277", time(23, 10)), ("12.10am", time(0, 10)), ("0", time(0)),
    ],
)  # fmt: skip
def test_a_time(text: str, at: time) -> None:
    assert read_clock(text).time == at


@pytest.mark.parametrize("text", ["unknown", "night", "late evening", "between 1 and 2", "after midnight", "", "n/k"])
def test_a_time_that_is_not_known(text: str) -> None:
    clock = read_clock(text)
    assert clock.vague and clock.time is None


@pytest.mark.parametrize("text", ["25:10", "24:00", "12:75", "9" * 80])
def test_a_time_that_does_not_exist(text: str) -> None:
    assert read_clock(text).wrong


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("istv_RJ122_2026-03.xlsx", ["2026-03"]),
        ("Reporting period: 1 March 2026 to 31 March 2026", ["2026-03"]),
        ("01/03/2026 - 31/03/2026", ["2026-03"]),
        ("Feb_26 and Mar-26", ["2026-02", "2026-03"]),
        ("St Marys 24", []),
        ("synthetic-R1K04-2025-02.xlsx", ["2025-02"]),
        ("return.csv", []),
    ],
)
def test_the_months_that_a_name_names(text: str, months: list[str]) -> None:
    assert months_in(text) == months


def test_hours_that_do_not_exist_or_come_twice() -> None:
    assert "does not exist on 2026-03-29" in clock_trouble(date(2026, 3, 29), time(1, 30))
    assert "comes twice on 2026-10-25" in clock_trouble(date(2026, 10, 25), time(1, 30))
    assert clock_trouble(date(2026, 3, 29), time(2, 30)) == clock_trouble(date(2026, 6, 1), time(1, 30)) == ""


def taken(
    occurred: list[str | None],
    arrived: list[str | None],
    order: DateOrder = DateOrder.AUTO,
    months: tuple[str, ...] = (),
) -> tuple[pl.DataFrame, list[str], Counter[str]]:
    mapping = Mapping(
        "m",
        "a mapping",
        ("istv",),
        (Source("occurred_on", (), Parse.DATE), Source("arrived_on", (), Parse.DATE)),
        Placing(PlaceKind.DESCRIBED),
        date_order=order,
        in_words=True,
    )
    frame = pl.DataFrame(
        {"occurred_on": occurred, "arrived_on": arrived, "reason": [None] * len(occurred)},
        schema=dict.fromkeys(("occurred_on", "arrived_on", "reason"), pl.String),
    )
    frame, notes = with_times(frame, ISTV, mapping, TODAY, months)
    return frame, notes.lines("f"), notes.told


def test_a_day_over_12_decides_for_the_whole_file() -> None:
    frame, notes, _ = taken(["05/03/2026", "25/03/2026"], ["06/03/2026", "26/03/2026"])
    assert frame["occurred_on"].to_list() == [date(2026, 3, 5), date(2026, 3, 25)]
    assert notes == ["f: the day comes first in its dates, as days over 12 show."]
    frame, notes, _ = taken(["03/05/2026", "03/25/2026"], ["03/06/2026", "03/26/2026"])
    assert frame["occurred_on"].to_list() == [date(2026, 3, 5), date(2026, 3, 25)]
    assert notes == ["f: the month comes first in its dates, as days over 12 show."]


def test_where_no_day_is_over_12_the_mapping_and_then_the_months_decide() -> None:
    frame, notes, _ = taken(["03/05/2026"], ["03/06/2026"], DateOrder.MDY)
    assert frame["occurred_on"].to_list() == [date(2026, 3, 5)] and "as the mapping says" in notes[0]
    frame, notes, _ = taken(["03/05/2026"], ["03/06/2026"], months=("2026-03",))
    assert frame["occurred_on"].to_list() == [date(2026, 3, 5)] and "months" in notes[0]
    frame, notes, _ = taken(["03/05/2026"], ["03/06/2026"])
    assert frame["occurred_on"].to_list() == [None]
    assert (
        frame["reason"].to_list() == ["a date whose day and month cannot be told apart"] and "nothing tells" in notes[0]
    )


def test_contradicting_dates_are_not_guessed() -> None:
    frame, notes, _ = taken(["13/03/2026", "03/25/2026", "03/05/2026"], [None, None, None])
    assert frame["occurred_on"].to_list()[:2] == [date(2026, 3, 13), date(2026, 3, 25)]
    assert frame["reason"].to_list() == [None, None, "a date whose day and month cannot be told apart"]
    assert "1 of its dates have the day first and 1 the month" in notes[0]


def test_a_weekday_is_the_last_one_before_the_arrival() -> None:
    # 5 March 2026 is a Thursday.
    occurred = ["Fri night", "Thu night", "last night", "2am", "11pm", "Fri night", "unknown"]
    arrived = ["2026-03-08 10:00", "2026-03-05 10:00", *["2026-03-05 10:00"] * 3, None, "2026-03-05"]
    frame, _, told = taken(occurred, arrived)
    days = [date(2026, 3, 6), None, date(2026, 3, 4), date(2026, 3, 5), date(2026, 3, 4), None, None]
    assert frame["occurred_on"].to_list() == days
    assert frame["date_method"].to_list() == ["worked-out" if day else None for day in days]
    assert frame["period"].to_list() == ["2026-03", "", "2026-03", "2026-03", "2026-03", "", ""]
    assert frame["reason"].to_list() == [None] * 7 and max(told.values()) == 4


def test_an_arrival_before_the_assault_is_told() -> None:
    _, notes, _ = taken(["2026-03-06", "2026-03-04"], ["2026-03-05", "2026-03-05"])
    assert notes == ["f: 1 assaults lie after the arrival."]
