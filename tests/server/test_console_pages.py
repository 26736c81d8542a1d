"""The console page by page: who sees what, what is sent with every answer, and that nothing of it is markup."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.permissions import Permission, permitted
from safestats.sync_server.identity.service import add_organisation, add_user, find_organisation
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import PASSWORD, PEOPLE, Console, Visitor
from safestats.tests.server.engines import databases_of_a_test, settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

CONSOLE = Path(__file__).resolve().parents[2] / "sync_server" / "console"
CAMDENS, HACKNEYS = "DSA-CAMDEN-BTP", "DSA-HACKNEY-BTP"
P = Permission
# Each page and what it takes to see it; None: to be signed in.
PAGES: dict[str, Permission | None] = {
    "/console": None,
    "/console/account": None,
    "/console/check": P.USE_DATA,
    "/console/account/second-factor": None,
    "/console/organisations": P.SEE_ORGANISATIONS,
    "/console/organisations?name=cam": P.SEE_ORGANISATIONS,
    "/console/organisations/camden": P.SEE_ORGANISATIONS,
    "/console/organisations/new": P.MANAGE_ORGANISATIONS,
    "/console/house-style": P.SET_HOUSE_STYLE,
    "/console/organisations/camden/change": P.MANAGE_ORGANISATIONS,
    "/console/organisations/camden/close": P.MANAGE_ORGANISATIONS,
    "/console/people": P.SEE_PEOPLE,
    "/console/people?role=analyst&name=a": P.SEE_PEOPLE,
    "/console/people/invite": P.INVITE_PEOPLE,
    "/console/agreements": P.SEE_AGREEMENTS,
    "/console/agreements?standing=active": P.SEE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}": P.SEE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/schedule": P.SEE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/schedule.txt": P.SEE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/explain?username=camden.analyst": P.SEE_PEOPLE,
    "/console/agreements/new": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/change": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/sign": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/suspend": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/end": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/amend": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/grants/new": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/grants/profile": P.MANAGE_AGREEMENTS,
    "/console/terms": P.SEE_ORGANISATIONS,
    "/console/conditions-of-use": P.SEE_CONDITIONS,
    "/console/conditions-of-use/new": P.PUBLISH_CONDITIONS,
    "/console/purposes": P.SEE_DECISIONS,
    "/console/releases": P.SEE_RELEASES,
    "/console/releases/btp": P.SEE_RELEASES,
    "/console/releases/btp/discard": P.MANAGE_RELEASES,
    "/console/releases/btp/rollback/1": P.MANAGE_RELEASES,
    "/console/uploads": P.MANAGE_RELEASES,
    "/console/uploads?dataset=btp": P.MANAGE_RELEASES,
    "/console/mappings": P.MANAGE_RELEASES,
    "/console/mappings/edit?organisation=gla&dataset=btp": P.MANAGE_RELEASES,
    "/console/places": P.REVIEW_PLACES,
    "/console/places?dataset=btp&after=50": P.REVIEW_PLACES,
    "/console/supplies": P.SEE_SUPPLIES,
    "/console/supplies/feedback?dataset=rnli&site=tower&month=2026-01": P.SEND_SUPPLIES,
    "/console/supplies/template/rnli.xlsx": P.SEND_SUPPLIES,
    "/console/quality": P.SEE_QUALITY,
    "/console/quality?dataset=mps&months=13": P.SEE_QUALITY,
    "/console/packs": P.MAKE_PACKS,
    "/console/needs": P.MAKE_PACKS,
    "/console/case-studies": None,
    "/console/case-studies/new": P.WRITE_CASE_STUDIES,
    "/console/recall": P.READ_AUDIT,
    "/console/audit": P.READ_AUDIT,
    "/console/audit?event=session.sign-in&since=2026-01-01&text=ok": P.READ_AUDIT,
    "/console/audit/events/1": P.READ_AUDIT,
    "/console/audit/seals": P.READ_AUDIT,
    "/console/oversight": P.READ_OVERSIGHT,
    "/console/oversight?supplier=British Transport Police&months=3": P.READ_OVERSIGHT,
    "/console/oversight/report.csv": P.READ_OVERSIGHT,
    "/console/oversight/report.pdf": P.READ_OVERSIGHT,
    "/console/usage": P.SEE_USAGE,
    "/console/usage?organisation=hackney&months=3": P.SEE_USAGE,
}
# Each action with what it takes; sent with a good token, so that only the role stands against it.
ACTIONS: dict[str, Permission] = {
    "/console/organisations/new": P.MANAGE_ORGANISATIONS,
    "/console/house-style": P.SET_HOUSE_STYLE,
    "/console/check/map": P.USE_DATA,
    "/console/check/place": P.USE_DATA,
    "/console/check/result": P.USE_DATA,
    "/console/check/report": P.USE_DATA,
    "/console/check/incidents": P.USE_DATA,
    "/console/check/premises": P.USE_DATA,
    "/console/check/premises/1/cancel": P.USE_DATA,
    "/console/organisations/camden/change": P.MANAGE_ORGANISATIONS,
    "/console/organisations/camden/close": P.MANAGE_ORGANISATIONS,
    "/console/people/invite": P.INVITE_PEOPLE,
    "/console/people/{camden.analyst}/deactivate": P.MANAGE_PEOPLE,
    "/console/people/{camden.analyst}/end-sessions": P.MANAGE_PEOPLE,
    "/console/people/{camden.analyst}/reset-second-factor": P.MANAGE_PEOPLE,
    "/console/people/{camden.analyst}/role": P.MANAGE_PEOPLE,
    "/console/people/{camden.analyst}/reactivate": P.MANAGE_PEOPLE,
    "/console/people/{camden.analyst}/reset-password": P.MANAGE_PEOPLE,
    "/console/agreements/new": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/change": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/sign": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/activate": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/suspend": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/end": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/grants": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/grants/profile": P.MANAGE_AGREEMENTS,
    f"/console/agreements/{CAMDENS}/grants/1/remove": P.MANAGE_AGREEMENTS,
    "/console/conditions-of-use/preview": P.PUBLISH_CONDITIONS,
    "/console/conditions-of-use/publish": P.PUBLISH_CONDITIONS,
    "/console/purposes/requests/1/approve": P.DECIDE_PURPOSES,
    "/console/purposes/decisions": P.RECORD_DECISIONS,
    "/console/purposes/decisions/withdraw": P.RECORD_DECISIONS,
    "/console/releases/btp/publish": P.MANAGE_RELEASES,
    "/console/releases/btp/cancel": P.MANAGE_RELEASES,
    "/console/releases/btp/discard": P.MANAGE_RELEASES,
    "/console/releases/btp/rollback/1": P.MANAGE_RELEASES,
    "/console/uploads": P.MANAGE_RELEASES,
    "/console/uploads/1/publish": P.MANAGE_RELEASES,
    "/console/uploads/1/discard": P.MANAGE_RELEASES,
    "/console/mappings/edit": P.MANAGE_RELEASES,
    "/console/mappings/again": P.MANAGE_RELEASES,
    "/console/places/1": P.REVIEW_PLACES,
    "/console/places/again/btp": P.REVIEW_PLACES,
    "/console/places/decisions/1/forget": P.REVIEW_PLACES,
    "/console/supplies/keys": P.MANAGE_KEYS,
    "/console/supplies/send": P.SEND_SUPPLIES,
    "/console/supplies/zero-return": P.SEND_SUPPLIES,
    "/console/supplies/keys/sk_0/revoke": P.MANAGE_KEYS,
    "/console/audit/verify": P.READ_AUDIT,
    "/console/audit/notes": P.READ_AUDIT,
    "/console/needs": P.MAKE_PACKS,
    "/console/case-studies/new": P.WRITE_CASE_STUDIES,
    "/console/case-studies/1/change": P.WRITE_CASE_STUDIES,
    "/console/case-studies/1/approve": P.APPROVE_CASE_STUDIES,
}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Nothing that these tests do changes it, but that people are signed in."""
    settings = settings_for(tmp_path_factory.mktemp("console") / "server")
    console_rig.make_server(settings)
    with databases_of_a_test(), console_rig.running(settings) as running:
        yield running


def acts(console: Console) -> int:
    """How many events there are but for those of access refused."""
    return sum(event["event"] != "access.refused" for event in console.events())


def role_of(username: str) -> Role:
    return PEOPLE[username][0]


def id_of(console: Console, username: str) -> str:
    from safestats.sync_server.identity.service import find_user

    with console.services.database.read() as session:
        return find_user(session, username).id


@pytest.mark.parametrize("username", PEOPLE)
def test_each_role_sees_its_pages_and_no_others(console: Console, username: str) -> None:
    visitor = console.as_(username)
    for path, permission in PAGES.items():
        page = visitor.get(path)
        if permission is not None and permission not in permitted(role_of(username)):
            assert page.status in (403, 404), (path, page.status)
        elif username == "hackney.admin" and CAMDENS in path:
            assert page.status == 404, path
        else:
            assert page.status == 200, (path, page.status, page.text)


@pytest.mark.parametrize("username", PEOPLE)
def test_the_menu_and_every_link_lead_to_what_the_role_may_see(console: Console, username: str) -> None:
    visitor = console.as_(username)
    seen, waiting = set(), ["/console"]
    while waiting:
        path = waiting.pop()
        page = visitor.get(path)
        assert page.status == 200, (path, page.text)
        for link in page.links:
            # Pages like those that were walked through already: one of each kind of object is enough.
            if link.startswith("/console") and link not in seen and "/audit/events/" not in link:
                seen.add(link)
                waiting.append(link)
    assert len(seen) > 1


@pytest.mark.parametrize("username", [name for name, (role, _) in PEOPLE.items() if role != Role.SYSTEM_ADMIN])
def test_actions_ask_for_the_permission_whatever_the_page_shows(console: Console, username: str) -> None:
    visitor = console.as_(username)
    token = visitor.get("/console").forms["/console/sign-out"]
    before = acts(console)
    for action, permission in ACTIONS.items():
        if permission in permitted(role_of(username)):
            continue
        path = action.replace("{camden.analyst}", id_of(console, "camden.analyst"))
        answer = visitor.client.post(path, data=token, follow_redirects=False)
        assert answer.status_code in (403, 404), (action, answer.status_code)
    assert acts(console) == before


def test_an_administrator_sees_its_own_organisation_alone(console: Console) -> None:
    visitor = console.as_("hackney.admin")
    assert "camden" not in visitor.get("/console/people").text
    assert "Camden" not in visitor.get("/console/usage?organisation=camden").text
    assert CAMDENS not in visitor.get("/console/agreements").text
    stranger, none = id_of(console, "camden.analyst"), "0" * 32
    token = visitor.get("/console").forms["/console/sign-out"]
    for verb in ("", "/deactivate", "/reset-second-factor"):
        strange, missing = (
            visitor.get(f"/console/people/{stranger}{verb}"),
            visitor.get(f"/console/people/{none}{verb}"),
        )
        assert (strange.status, strange.text) == (404, missing.text)
    for verb in ("deactivate", "reset-password", "end-sessions", "role"):
        answer = visitor.client.post(f"/console/people/{stranger}/{verb}", data={**token, "role": "analyst"})
        assert answer.status_code == 404
    there, missing = visitor.get(f"/console/agreements/{CAMDENS}"), visitor.get("/console/agreements/DSA-NONE")
    assert (there.status, there.text) == (404, missing.text)


def test_every_post_is_covered_by_the_matrix(console: Console) -> None:
    own = ("/sign-in", "/sign-out", "/second-factor", "/enrolment", "/link/", "/forgotten", "/decline", "/account")
    own += ("/conditions", "/single-sign-on")
    listed = {action.split("?")[0] for action in ACTIONS}
    for route, methods in routes(console):
        if "POST" not in methods or (
            route.startswith(tuple(f"/console{path}" for path in own)) and "-of-use" not in route
        ):
            continue
        parts = route.split("/")
        assert (
            any(
                len(parts) == len(action.split("/"))
                and all(a == b or a.startswith("{") for a, b in zip(parts, action.split("/"), strict=True))
                for action in listed | {"/console/conditions-of-use/preview"}
            )
            or route == "/console/conditions-of-use/new"
        ), route


def routes(console: Console) -> list[tuple[str, set[str]]]:
    """Path and methods of every route of the console."""
    from safestats.sync_server.console.mount import all_routes

    return [(route.path, set(route.methods or ())) for route in all_routes()]


def test_every_post_proves_where_its_form_came_from(console: Console) -> None:
    visitor = console.as_("gla.admin")
    token = visitor.get("/console").forms["/console/sign-out"]["form_token"]
    other = console.as_("gla.publisher").get("/console").forms["/console/sign-out"]["form_token"]
    client = visitor.client
    before = acts(console)
    for route, methods in routes(console):
        if "POST" not in methods:
            continue
        path = (
            route.replace("{number}", "1")
            .replace("{position}", "1")
            .replace("{target}", "1")
            .replace("{request_id}", "1")
        )
        for data, headers in (
            ({}, {}),
            ({"form_token": "0" * 64}, {}),
            ({"form_token": other}, {}),
            ({"form_token": "é"}, {}),
            ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"}),
            ({"form_token": token}, {"Sec-Fetch-Site": "same-site"}),
            ({"form_token": token}, {"Origin": "https://elsewhere.test"}),
        ):
            answer = client.post(path, data=data, headers=headers, follow_redirects=False)
            # Whoever has passed a step is sent on before anything is read.
            passed = path in ("/console/second-factor", "/console/conditions") and answer.status_code == 303
            assert passed or answer.status_code == 403, (path, data, headers, answer.status_code)
    assert acts(console) == before
    # Our pages send no referrer, and browsers then no origin either.
    good = {"form_token": token}
    assert client.post("/console/audit/verify", data=good, headers={"Origin": "null"}).status_code == 200
    assert (
        client.post("/console/audit/verify", data=good, headers={"Origin": "https://console.test"}).status_code == 200
    )


def test_nothing_changes_by_get(console: Console) -> None:
    visitor = console.as_("gla.admin")
    for action in ACTIONS:
        before = acts(console)
        visitor.get(action.replace("{camden.analyst}", id_of(console, "camden.analyst")))
        assert acts(console) == before, action


def test_every_answer_carries_its_safeguards(console: Console) -> None:
    visitor = console.as_("gla.admin")
    stranger = console.visitor()
    for client, path in (
        (visitor.client, "/console"),
        (visitor.client, "/console/nothing"),
        (visitor.client, f"/console/agreements/{CAMDENS}/schedule.txt"),
        (stranger.client, "/console/sign-in"),
        (stranger.client, "/console/people"),
        (stranger.client, "/console/link/none"),
    ):
        headers = client.get(path, follow_redirects=False).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert "form-action 'self'" in policy and "base-uri 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["strict-transport-security"].startswith("max-age=")


def test_no_page_has_a_script_or_a_style_of_its_own(console: Console) -> None:
    for template in (CONSOLE / "templates").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert "<script" not in text and " style=" not in text and "|safe" not in text.replace(" ", ""), template.name
        assert " onclick" not in text and "javascript:" not in text, template.name


def test_static_files_are_kept_for_good_by_their_content(console: Console) -> None:
    page = console.visitor().get("/console/sign-in")
    start = page.response.text.index("/console/static/console.")
    address = page.response.text[start : page.response.text.index('"', start)]
    answer = console.visitor().client.get(address)
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    assert console.visitor().client.get("/console/static/console.css").status_code == 404
    assert console.visitor().get("/console/static/..%2fsite.py").path == "/console/sign-in"


@pytest.mark.parametrize(
    "path",
    ["/console/audit?before=1" + 30 * "0", "/console/audit?before=-1", "/console/releases/btp/rollback/9999999999"],
)
def test_a_number_that_no_database_holds_is_no_page(console: Console, path: str) -> None:
    assert console.as_("gla.admin").get(path).status == 404


def test_reading_the_audit_is_recorded_wherever_one_begins(console: Console) -> None:
    auditor = console.as_("gla.auditor")
    for path, told in (
        ("/console/audit?before=5&event=session.sign-in", {"criteria": {"event": "session.sign-in"}, "before": 5}),
        ("/console/audit/events/2", {"criteria": {"number": 2}}),
    ):
        assert auditor.get(path).status == 200
        newest = console.events()[-1]
        assert (newest["event"], newest["filter"]) == ("audit.search", told)


def test_strangers_learn_nothing_of_what_there_is(console: Console) -> None:
    stranger = console.visitor()
    for path in [*PAGES, "/console/nothing/like/it"]:
        answer = stranger.client.get(path, follow_redirects=False)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in"), path


def test_names_are_text_wherever_they_show(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "server")
    console_rig.make_server(settings)
    hostile = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
    with console_rig.running(settings) as console:
        with console.services.database.write() as session:
            home = add_organisation(session, "hostile", hostile, hostile[:32], hostile)
            camden = find_organisation(session, "camden")
            passwords = console.services.passwords
            add_user(session, passwords, "zz.hostile", camden, hostile, Role.ANALYST, PASSWORD)
            add_user(session, passwords, "hostile.analyst", home, hostile, Role.ANALYST, PASSWORD)
        visitor = console.as_("gla.admin")
        shown = 0
        for path in (
            "/console/organisations",
            "/console/organisations/hostile",
            "/console/organisations/hostile/change",
            "/console/organisations/hostile/close",
            "/console/people",
            "/console/people/invite",
            "/console/agreements",
            "/console/audit",
            f"/console/agreements/{CAMDENS}/explain?username=zz.hostile",
            f"/console/people?name={hostile}",
            f"/console/audit?text={hostile}",
            f"/console/people/{id_of(console, 'hostile.analyst')}",
            f"/console/people/{id_of(console, 'hostile.analyst')}/deactivate",
        ):
            page = visitor.get(path)
            assert page.status == 200
            assert "<img src=x" not in page.response.text and "49" not in page.text.split("{{7*7}}")[0][-3:]
            shown += hostile in page.text or hostile.replace('"', "&#34;") in page.response.text
        assert shown > 8
        page = visitor.get("/console/people/invite")
        page = visitor.send(page, "/console/people/invite", display_name=hostile, username=hostile, role=hostile)
        assert page.status == 422 and "<img" not in page.response.text.replace('<img src="/console/static', "")


def test_what_was_typed_comes_back_but_no_password(console: Console) -> None:
    visitor = console.visitor()
    page = visitor.get("/console/sign-in")
    page = visitor.send(page, "/console/sign-in", username="camden.analyst", password="not the right words")
    assert page.status == 422
    assert 'value="camden.analyst"' in page.response.text and "not the right words" not in page.response.text
    assert 'href="#username"' in page.response.text and 'aria-invalid="true"' in page.response.text
    visitor = console.as_("gla.admin")
    page = visitor.get("/console/agreements/new")
    typed = {"reference": "DSA/NEW", "lawful_basis": "Public task.\nSection 17.", "purposes": ["policy", "research"]}
    page = visitor.send(page, "/console/agreements/new", **typed)
    assert page.status == 422 and "Choose the organisation." in page.text
    assert 'value="DSA/NEW"' in page.response.text and "Public task.\nSection 17." in page.response.text
    assert page.response.text.count(" checked") == 2


def test_the_console_writes_through_services_alone() -> None:
    """No module of the console names a table or changes a session: what it does, the services do."""
    from safestats.sync_server.database import Base

    tables = {mapper.class_.__name__ for mapper in Base.registry.mappers}
    for_types = {"Agreement", "Grant", "MachineKey", "Organisation", "PurposeRequest", "User"}
    forbidden = {
        "insert",
        "update",
        "delete",
        "text",
        "select",
        "add",
        "add_all",
        "execute",
        "flush",
        "merge",
        "commit",
    }
    for path in sorted(CONSOLE.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] != "sqlalchemy" or {a.name for a in node.names} <= {
                    "Session",
                    "OperationalError",
                }, path.name
                assert not {alias.name for alias in node.names} & (tables - for_types), path.name
            if isinstance(node, ast.Call):
                called = node.func
                assert not (isinstance(called, ast.Name) and called.id in for_types), (path.name, node.lineno)
                if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                    assert called.value.id != "session" or called.attr not in forbidden, (path.name, node.lineno)


def test_lists_go_on_after_the_last_row_of_the_page_before(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "server")
    console_rig.make_server(settings)
    with console_rig.running(settings) as console:
        with console.services.database.write() as session:
            camden = find_organisation(session, "camden")
            for number in range(120):
                name = f"many.{number:03d}"
                add_user(session, console.services.passwords, name, camden, name, Role.ANALYST, None)
        visitor = console.as_("camden.admin")
        names: list[str] = []
        page = visitor.get("/console/people?name=many")
        while True:
            names += dict.fromkeys(name for name in page.text.split() if name.startswith("many."))
            further = [link for link in page.links if "after=" in link]
            if not further:
                break
            assert "name=many" in further[0]
            page = visitor.get(further[0])
        assert names == [f"many.{number:03d}" for number in range(120)]
        assert "120" not in visitor.get("/console/people").text


def test_a_visitor_is_told_in_a_sentence_what_is_too_much(console: Console) -> None:
    visitor = console.as_("gla.publisher")
    page = visitor.get(f"/console/agreements/{CAMDENS}")
    token = page.forms["/console/sign-out"]
    answer = visitor.client.post("/console/agreements/new", data={**token, "reference": "x" * 1_100_000})
    assert answer.status_code == 413
    answer = visitor.client.post("/console/agreements/new", data={**token, **{f"f{n}": "" for n in range(400)}})
    assert answer.status_code == 400 and "<h1>" in answer.text
    big = {"document": ("big.pdf", b"%PDF-" + b"x" * 2_000_000, "application/pdf")}
    answer = visitor.client.post(f"/console/agreements/{CAMDENS}/sign", data=token, files=big)
    assert answer.status_code == 422  # taken in, and refused for what is missing beside it


def test_a_second_window_keeps_its_form(console: Console) -> None:
    visitor: Visitor = console.visitor()
    first = visitor.get("/console/sign-in")
    visitor.get("/console/sign-in")
    page = visitor.send(first, "/console/sign-in", username="camden.analyst", password=PASSWORD)
    assert page.path == "/console/conditions"
