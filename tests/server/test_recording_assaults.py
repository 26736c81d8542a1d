"""The lessons for those who record assaults: open to everybody, without data, and as records are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from httpx import Response
from safestats.sync_server.geocoding.wording import says_home, words_of, worth_a_look
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import Console
from safestats.tests.server.engines import databases_of_a_test, settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

PAGE = "/learn/recording-assaults"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    settings = settings_for(tmp_path_factory.mktemp("lessons") / "server")
    console_rig.make_server(settings)
    with databases_of_a_test(), console_rig.running(settings) as running:
        yield running


@pytest.fixture(scope="module")
def page(console: Console) -> Response:
    return console.visitor().client.get(PAGE, follow_redirects=False)


def examples(page: Response) -> list[tuple[str, str]]:
    """What the table of examples calls bad, and what good."""
    table = page.text.partition("Invented examples")[2].partition("</table>")[0]
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr><td>.*?</tr>", table)]
    return [(unescape(bad), unescape(good)) for bad, _why, good in rows]


def test_it_is_open_to_everybody_and_keeps_nothing(console: Console, page: Response) -> None:
    before = len(console.events())
    answer = console.visitor().client.get(PAGE, follow_redirects=False)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert "set-cookie" not in answer.headers and len(console.events()) == before
    assert answer.text == page.text == console.as_("hospital.clerk").client.get(PAGE).text
    assert "script-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text and "<form" not in answer.text and "<input" not in answer.text


def test_nothing_else_is_under_its_address(console: Console) -> None:
    client = console.visitor().client
    assert client.get("/learn", follow_redirects=False).status_code == 404
    assert client.get("/learn/anything", follow_redirects=False).status_code == 404
    assert client.post(PAGE).status_code == 405


@pytest.mark.parametrize(
    "field",
    [
        "Arrival date and time",
        "Assault date and time",
        "Assault method",
        "Other method, described",
        "Type of location",
        "Location, described",
    ],
)
def test_every_field_of_the_standard_is_told(page: Response, field: str) -> None:
    assert f'<th scope="row">{field}</th>' in page.text


def test_every_question_has_its_answer_on_the_screen_and_on_paper(page: Response) -> None:
    answers = re.findall(r"<details><summary>.*?</summary><p>(.*?)</p></details>", page.text)
    printed = page.text.partition('<section class="on-paper"')[2].partition("</section>")[0]
    assert len(answers) >= 5
    assert re.findall(r"<li>(.*?)</li>", printed) == answers


def test_its_addresses_are_this_servers_own(console: Console, page: Response) -> None:
    for address in re.findall(r'(?:href|src)="([^"]*)"', page.text):
        if address.startswith("#"):
            assert f'id="{address[1:]}"' in page.text, address
        else:
            assert address.startswith("/console/static/") and console.visitor().client.get(address).status_code == 200


def test_bad_places_are_those_in_which_nothing_is_found(page: Response) -> None:
    bad = [bad for bad, _ in examples(page)]
    assert {"pub", "street", "High Street"} <= set(bad)
    assert not worth_a_look(words_of("pub")) and not worth_a_look(words_of("street"))
    assert says_home(next(text for text in bad if "flat" in text))
    found = [good for _, good in examples(page) if "Larkfield" in good]
    assert len(found) >= 3
    for good in found:
        assert worth_a_look(words_of(good)) and not says_home(good), good


def test_it_breaks_none_of_its_own_rules(page: Response) -> None:
    text = re.sub(r"<[^>]*>", " ", page.text)
    assert not re.search(r"\d{3}[ -]?\d{3}[ -]?\d{4}", text)  # no number like the NHS's
    assert not re.search(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b", text)  # no postcode
    assert "@" not in text and text.count("nvented") >= 3


def test_suppliers_and_readers_of_case_studies_are_led_to_it(console: Console) -> None:
    assert PAGE in console.as_("hospital.clerk").get("/console/supplies").links
    assert PAGE in console.as_("camden.analyst").get("/console/case-studies").links
