"""Case studies: sent in, approved by somebody else, read by everybody who signs in, withdrawn; every step audited."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import find_organisation, find_user
from safestats.sync_server.learning import service
from safestats.sync_server.learning.models import CaseStudy, StudyState
from safestats.sync_server.learning.service import LONGEST_TEXT, Text
from safestats.sync_server.problems import Problem
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import PEOPLE, Console, Page
from safestats.tests.server.engines import databases_of_a_test, settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

NEW = "/console/case-studies/new"
TYPED = {
    "title": "Fewer bottles at the lock",
    "stage": "response",
    "problem": "Assaults with bottles at weekends.\n\nMost after midnight.",
    "datasets": ["btp", "mps"],
    "method": "Counted by hour & weekday.",
    "result": "Bottles were collected; fewer than before, for three months.",
    "checked": "yes",
}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    settings = settings_for(tmp_path_factory.mktemp("studies") / "server")
    console_rig.make_server(settings)
    with databases_of_a_test(), console_rig.running(settings) as running:
        yield running


def id_of(console: Console, username: str) -> str:
    with console.services.database.read() as session:
        return find_user(session, username).id


def write(console: Console, username: str = "camden.analyst", **changed: object) -> str:
    """One that was sent in by its form; its address."""
    visitor = console.as_(username)
    page = visitor.send(visitor.get(NEW), NEW, **{**TYPED, **changed})
    assert page.status == 200 and "waits for the SafeStats team" in page.text, page.text
    return page.path


def decide(console: Console, username: str, address: str, verb: str, **typed: str) -> Page:
    visitor = console.as_(username)
    page = visitor.get(address)
    form = next(fields for action, fields in page.forms.items() if action.startswith(f"{address}/"))
    page.forms[f"{address}/{verb}"] = form
    return visitor.send(page, f"{address}/{verb}", **typed)


def told(console: Console, address: str) -> list[dict]:
    number = int(address.rpartition("/")[2])
    return [e for e in console.events() if e["event"].startswith("case-study.") and e["filter"]["study"] == number]


def test_it_is_read_by_nobody_else_before_it_is_approved_and_by_everybody_after(console: Console) -> None:
    address = write(console, title="Read after approval")
    for username in PEOPLE:
        page = console.as_(username).get(address)
        reads = username == "camden.analyst" or PEOPLE[username][0] in (Role.PUBLISHER, Role.SYSTEM_ADMIN)
        assert page.status == (200 if reads else 404), username
        assert ("Read after approval" in console.as_(username).get("/console/case-studies").text) == reads, username
    page = decide(console, "gla.publisher", address, "approve")
    assert "everybody who signs in can read it" in page.text
    for username in PEOPLE:
        assert console.as_(username).get(address).status == 200, username
        assert "Read after approval" in console.as_(username).get("/console/case-studies").text, username
    stranger = console.visitor().client.get(address, follow_redirects=False)
    assert stranger.status_code == 303 and stranger.headers["location"].startswith("/console/sign-in")


def test_it_tells_whose_it_is_the_data_and_the_stage(console: Console) -> None:
    page = console.as_("gla.admin").get(write(console))
    for words in ("London Borough of Camden", "Response: what was done", "Counted by hour & weekday.", "Most after"):
        assert words in page.text
    titles = [console.services.definition(code).title for code in ("btp", "mps")]
    assert all(title in page.text for title in titles)
    assert "<p>Most after midnight.</p>" in page.response.text


@pytest.mark.parametrize("author", ["gla.publisher", "gla.admin"])
def test_nobody_of_the_team_approves_their_own(console: Console, author: str) -> None:
    address = write(console, author)
    assert f"{address}/approve" not in console.as_(author).get(address).response.text
    page = decide(console, author, address, "approve")
    assert page.status == 422 and "Nobody decides on their own case study" in page.text
    page = decide(console, author, address, "return", reason="To gain time.")
    assert page.status == 422 and "Nobody decides on their own case study" in page.text
    other = "gla.admin" if author == "gla.publisher" else "gla.publisher"
    assert "It is approved" in decide(console, other, address, "approve").text


@pytest.mark.parametrize("username", ["camden.admin", "camden.officer", "hospital.clerk", "gla.auditor"])
def test_who_is_not_of_the_team_approves_and_withdraws_nothing(console: Console, username: str) -> None:
    address = write(console)
    decide(console, "gla.publisher", address, "approve")
    visitor = console.as_(username)
    token = visitor.get("/console").forms["/console/sign-out"]
    for verb in ("approve", "return", "withdraw"):
        answer = visitor.client.post(f"{address}/{verb}", data={**token, "version": "1", "reason": "No."})
        assert answer.status_code == 403, (verb, answer.status_code)
    assert console.as_("hackney.analyst").get(address).status == 200


@pytest.mark.parametrize("username", ["camden.officer", "hospital.clerk", "gla.auditor"])
def test_who_does_not_analyse_writes_none(console: Console, username: str) -> None:
    visitor = console.as_(username)
    assert visitor.get(NEW).status == 403 and NEW not in visitor.get("/console/case-studies").links
    token = visitor.get("/console").forms["/console/sign-out"]
    assert visitor.client.post(NEW, data={**token, **TYPED}).status_code == 403


def test_what_was_changed_since_it_was_read_is_not_approved(console: Console) -> None:
    address = write(console)
    reader = console.as_("gla.publisher")
    read = reader.get(address)
    author = console.as_("camden.analyst")
    change = f"{address}/change"
    form = author.get(change)
    assert 'value="Fewer bottles at the lock"' in form.response.text and form.response.text.count(" checked") == 2
    author.send(form, change, **{**TYPED, "result": "3 people were hurt, of whom one is known."})
    page = reader.send(read, f"{address}/approve")
    assert page.status == 422 and "has changed the case study since you read it" in page.text
    assert console.as_("hackney.analyst").get(address).status == 404
    assert "It is approved" in decide(console, "gla.publisher", address, "approve").text


def test_it_is_returned_with_a_reason_and_sent_in_anew(console: Console) -> None:
    address = write(console)
    assert "Give the reason" in decide(console, "gla.publisher", address, "return").text
    decide(console, "gla.publisher", address, "return", reason="The method is missing its period.")
    author = console.as_("camden.analyst")
    assert "The method is missing its period." in author.get(address).text
    assert console.as_("hackney.analyst").get(address).status == 404
    token = author.get("/console").forms["/console/sign-out"]
    late = console.as_("gla.admin").client.post(
        f"{address}/approve", data={**console.as_("gla.admin").get(address).forms["/console/sign-out"], "version": "1"}
    )
    assert late.status_code == 422 and "is returned already" in late.text
    page = author.send(author.get(f"{address}/change"), f"{address}/change", **TYPED)
    assert page.status == 200 and "The method is missing its period." not in page.text
    assert token and "It is approved" in decide(console, "gla.admin", address, "approve").text


@pytest.mark.parametrize("username", ["camden.analyst", "gla.admin"])
def test_it_is_withdrawn_by_its_author_or_the_team(console: Console, username: str) -> None:
    address = write(console)
    decide(console, "gla.publisher", address, "approve")
    author = console.as_("camden.analyst")
    assert author.get(f"{address}/change").status == 404  # what others read is not changed under their eyes
    page = author.get("/console")
    token = page.forms["/console/sign-out"]
    changed = author.client.post(f"{address}/change", data={**token, **TYPED})
    assert changed.status_code == 422 and "withdraw it before you change it" in changed.text
    assert "Give the reason" in decide(console, username, address, "withdraw").text
    assert "It is withdrawn" in decide(console, username, address, "withdraw", reason="It was wrong.").text
    assert console.as_("hackney.analyst").get(address).status == 404
    assert "It was wrong." in author.get(address).text


def test_nobody_changes_what_another_wrote(console: Console) -> None:
    address = write(console)
    for username in ("camden.admin", "hackney.analyst", "gla.publisher", "gla.admin"):
        visitor = console.as_(username)
        assert visitor.get(f"{address}/change").status == 404, username
        token = visitor.get("/console").forms["/console/sign-out"]
        assert visitor.client.post(f"{address}/change", data={**token, **TYPED}).status_code == 404, username
    with pytest.raises(SafeStatsError, match="not yours to change"):
        text = Text("Another", "p", ["btp"], "analysis", "m", "r")
        service.write(console.services, id_of(console, "camden.admin"), text, int(address.rpartition("/")[2]))


def test_every_step_is_audited_with_a_digest_of_what_was_said(console: Console) -> None:
    address = write(console)
    decide(console, "gla.publisher", address, "return", reason="A reason with a name in it.")
    author = console.as_("camden.analyst")
    author.send(author.get(f"{address}/change"), f"{address}/change", **{**TYPED, "result": "Better told."})
    decide(console, "gla.publisher", address, "approve")
    decide(console, "camden.analyst", address, "withdraw", reason="Over.")
    events = told(console, address)
    assert [(e["event"], e["filter"]["state"], e["filter"]["version"]) for e in events] == [
        ("case-study.write", "waiting", 1),
        ("case-study.decide", "returned", 1),
        ("case-study.write", "waiting", 2),
        ("case-study.decide", "shown", 2),
        ("case-study.decide", "withdrawn", 2),
    ]
    author_id, publisher_id = id_of(console, "camden.analyst"), id_of(console, "gla.publisher")
    assert [e["actor"] for e in events] == [author_id, publisher_id, author_id, publisher_id, author_id]
    assert {e["organisation"] for e in events} == {"camden"}
    datasets = [code for code in console.services.definitions if code in TYPED["datasets"]]
    said = [TYPED["title"], TYPED["problem"], datasets, TYPED["stage"], TYPED["method"], "Better told."]
    expected = hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()
    assert [e["filter"]["sha256"] == expected for e in events] == [False, False, True, True, True]
    assert "a name in it" not in json.dumps(events) and "bottle" not in json.dumps(events)


def test_everything_is_text(console: Console) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'&{{7*7}} **bold** [a](javascript:b)"
    typed = dict.fromkeys(("title", "problem", "method", "result"), hostile)
    address = write(console, **typed)
    decide(console, "gla.publisher", address, "return", reason=hostile)
    for path in (address, "/console/case-studies", f"{address}/change"):
        page = console.as_("camden.analyst").get(path)
        body = page.response.text
        assert "<img src=x" not in body and "<strong>bold" not in body and "{{7*7}}" in body, path
        assert 'href="javascript' not in body and "<script" not in body


def test_what_does_not_print_is_left_out(console: Console) -> None:
    typed = "One\u202etwo\u200b\tthree\x07\r\nfour\x85"
    page = console.as_("gla.admin").get(write(console, problem=typed, title="A\u202e  title\nof one line"))
    assert "<p>Onetwo three<br>four</p>" in page.response.text
    assert "<h1>A title of one line</h1>" in page.response.text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"title": " "}, "Give the case study a title."),
        ({"title": "x" * 151}, "The title has 151 characters, of 150 that it may have."),
        ({"title": "\u200b"}, "Give the case study a title."),
        ({"problem": ""}, "Tell the problem."),
        ({"method": "x" * (LONGEST_TEXT + 1)}, "The method has 5,001 characters, of 5,000 that it may have."),
        ({"result": "\u200b\n"}, "Tell the result."),
        ({"stage": "prosecution"}, "Choose the stage"),
        ({"datasets": []}, "Choose the datasets that were used."),
        ({"datasets": ["btp", "nothing"]}, "Choose the datasets that were used."),
        ({"checked": ""}, "Look through your text once more"),
    ],
)
def test_what_is_missing_or_too_long_is_told_and_what_was_typed_stays(
    console: Console, changed: dict[str, object], sentence: str
) -> None:
    visitor = console.as_("camden.analyst")
    before = len(console.events())
    page = visitor.send(visitor.get(NEW), NEW, **{**TYPED, **changed})
    assert page.status == 422 and sentence in page.text, page.text
    assert "Counted by hour &amp; weekday." in page.response.text or "method" in changed
    assert len(console.events()) == before


def test_the_form_asks_for_no_small_figures(console: Console) -> None:
    page = console.as_("camden.analyst").get(NEW)
    largest = max(one.suppression_threshold for one in console.services.definitions.values())
    assert f"No figures below {largest} are asked for" in page.text
    assert 'type="number"' not in page.response.text


def test_the_team_is_told_how_many_wait_but_for_its_own(console: Console) -> None:
    with console.services.database.write() as session:
        for study in session.query(CaseStudy).all():
            study.state = StudyState.SHOWN
    write(console, "gla.publisher")
    assert "1 case study waits to be approved." in console.as_("gla.admin").get("/console").text
    assert "to be approved" not in console.as_("gla.publisher").get("/console").text
    assert "to be approved" not in console.as_("camden.analyst").get("/console").text


def test_a_number_that_there_is_not_is_no_page(console: Console) -> None:
    for number in ("0", "-1", "99999", "9" * 30, "one"):
        assert console.as_("gla.admin").get(f"/console/case-studies/{number}").status == 404, number
    address = write(console)
    visitor = console.as_("gla.publisher")
    token = visitor.get(address).forms["/console/sign-out"]
    assert visitor.client.post(f"{address}/burn", data=token).status_code == 404
    for version in ("", "x", "9" * 40, "²"):
        answer = visitor.client.post(f"{address}/approve", data={**token, "version": version})
        assert answer.status_code == 422, version


def test_a_role_that_was_taken_away_writes_and_withdraws_no_more(console: Console) -> None:
    address = write(console)
    number, author = int(address.rpartition("/")[2]), id_of(console, "camden.analyst")
    with console.services.database.write() as session:
        find_user(session, "camden.analyst").role = Role.LICENSING_OFFICER
    try:
        with pytest.raises(Problem, match="does not permit"):
            service.decide(console.services, author, number, StudyState.WITHDRAWN, version=1, reason="Mine.")
        with pytest.raises(Problem, match="does not permit"):
            service.write(console.services, author, Text("t", "p", ["btp"], "analysis", "m", "r"), number)
    finally:
        with console.services.database.write() as session:
            find_user(session, "camden.analyst").role = Role.ANALYST


def test_it_stays_with_the_organisation_where_it_was_written(console: Console) -> None:
    address = write(console, "hackney.analyst")
    with console.services.database.write() as session:
        find_user(session, "hackney.analyst").organisation_id = find_organisation(session, "gla").id
    try:
        assert "London Borough of Hackney" in console.as_("gla.admin").get(address).text
    finally:
        with console.services.database.write() as session:
            find_user(session, "hackney.analyst").organisation_id = find_organisation(session, "hackney").id
