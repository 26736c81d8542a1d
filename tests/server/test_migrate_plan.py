"""A plan is checked whole before anything is done: each mistake is a sentence that names its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.identity.models import Organisation, User
from safestats.sync_server.migration import service
from safestats.sync_server.migration.files import PlanFile, batches, files_of
from safestats.sync_server.migration.ledger import Ledger
from safestats.sync_server.migration.pace import Pace, in_words
from safestats.sync_server.migration.plan import PlanError, Publishing, read_plan
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import copied
from safestats.tests.server.ingest_rig import held
from safestats.tests.server.migrate_rig import COMPARE, PLAN, Exports, Told, empty_server, exports_in
from sqlalchemy import func, select


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return empty_server(tmp_path_factory.mktemp("empty") / "server")


@pytest.fixture
def services(empty: Settings, tmp_path: Path) -> Iterator[Services]:
    opened = open_services(copied(empty, tmp_path / "server"), Part.PUBLISHER)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def untouched(empty: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A server into which nothing gets, for whatever is tried with it is refused."""
    opened = open_services(copied(empty, tmp_path_factory.mktemp("untouched") / "server"), Part.PUBLISHER)
    yield opened
    opened.close()


@pytest.fixture
def exports(tmp_path: Path, empty: Settings) -> Exports:
    made = exports_in(tmp_path / "exports", empty.resources_dir)
    made.month("2015-01")
    return made


def mistakes_in(exports: Exports, services: Services | None = None) -> list[str]:
    with pytest.raises(PlanError) as caught:
        plan = read_plan(exports.folder / "plan.toml")
        assert services is not None
        service.check(services, plan)
    return list(caught.value.mistakes)


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ("[plan]", "[plan", "plan.toml is no TOML: Expected ']' at the end of a table declaration (at line 1"),
        ('name = "former-portal"', 'name = "Old Portal"', "plan.toml, [plan], “name”: “Old Portal” is no name"),
        ('name = "former-portal"', "", "plan.toml, [plan], “name”: this is missing."),
        ("batch_mb = 1", 'batch_mb = "a"', "plan.toml, [plan], “batch_mb”: this is no number."),
        ("batch_mb = 1", 'publish = "daily"', "plan.toml, [plan], “publish”: “daily” is none of end, sections, no."),
        ("batch_mb = 1", "bach_mb = 1", "plan.toml, [plan], “bach_mb”: this means nothing here; there are: batch_mb,"),
        ("activate = true", 'activate = "yes"', "plan.toml, [agreements], “activate”: this is not true or false."),
        ('"people.csv"', '"persons.csv"', "plan.toml, [people], “file”: there is no file"),
        ('["terms/*.toml"]', '["rules/*.toml"]', "plan.toml, [terms], “files”: “rules/*.toml” finds no file in"),
        ('dataset = "colp"', "", "plan.toml, [[load]] number 1, “dataset”: this is missing."),
        (
            '["colp/*.csv"]',
            '["../*.csv"]',
            "plan.toml, [[load]] number 1, “files”: “../*.csv” leaves the",
        ),
        ('["colp/*.csv"]', "[3]", "plan.toml, [[load]] number 1, “files”: this is no list of texts."),
    ],
)
def test_a_mistake_in_the_plan_is_told_with_its_key(exports: Exports, was: str, becomes: str, sentence: str) -> None:
    plan = exports.folder / "plan.toml"
    text = plan.read_text(encoding="utf-8")
    assert was in text
    plan.write_text(text.replace(was, becomes, 1), encoding="utf-8")
    found = mistakes_in(exports)
    assert any(one.startswith(sentence) for one in found), found


@pytest.mark.parametrize(
    ("file", "was", "becomes", "sentence"),
    [
        ("plan.toml", 'dataset = "colp"', 'dataset = "cop"', "plan.toml, [[load]] number 1, “dataset”: there is no"),
        ("plan.toml", "colp/*.csv", "colp/*.zip", "plan.toml, [[load]] number 1, “files”: “colp/*.zip” finds no file"),
        ("organisations.csv", ",Camden\n", ",Camdon\n", "organisations.csv, line 2: “Camdon” is no borough"),
        (
            "organisations.csv",
            "gla,",
            "camden,",
            "organisations.csv, line 3: the code “camden” stands in line 2",
        ),
        ("organisations.csv", "kind,", "sort,", "organisations.csv: the column “sort” means nothing here"),
        ("people.csv", "Borough User", "Big Boss", "people.csv, line 2: “Big Boss” is no role"),
        ("people.csv", "Jo.Bloggs@camden.example", "jo", "people.csv, line 2: This is no e-mail address"),
        ("people.csv", ",gla,", ",gal,", "people.csv, line 3: there is no organisation “gal”."),
        ("people.csv", ",role", ",role,Password", "people.csv: the column “password” is never imported"),
        ("people.csv", ",role", ",role,pwd_hash", "people.csv: the column “pwd_hash” is never imported"),
        ("agreements.csv", "2020-01-01", "01/01/2020", "agreements.csv, line 2: “01/01/2020” in “from” is no day"),
        ("agreements.csv", "GLA/2019/17", "", "agreements.csv, line 2: who signed elsewhere signed a paper"),
        ("agreements.csv", ",borough,", ",bourough,", "agreements.csv, line 2: “bourough” is no profile"),
        ("agreements.csv", "B. Mayor", "", "agreements.csv, line 2: “controller_signed_by” and “controller_signed_on”"),
        ("agreements.csv", "DSA-1,camden,", "DSA-1,camdn,", "agreements.csv, line 2: there is no organisation “camdn”"),
    ],
)
def test_a_mistake_in_a_list_is_told_with_its_line_and_nothing_is_done(
    untouched: Services, exports: Exports, file: str, was: str, becomes: str, sentence: str
) -> None:
    path = exports.folder / file
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, becomes, 1), encoding="utf-8")
    found = mistakes_in(exports, untouched)
    assert any(one.startswith(sentence) for one in found), found
    with pytest.raises(PlanError):
        service.run(untouched, COMMAND_LINE, read_plan(exports.folder / "plan.toml"), Told())
    with untouched.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Organisation)) == 0
    assert not held(untouched, "colp")


def test_every_mistake_is_told_at_once(untouched: Services, exports: Exports) -> None:
    for name, was, becomes in (("people.csv", ",gla,", ",gal,"), ("organisations.csv", ",Camden\n", ",Camdon\n")):
        path = exports.folder / name
        path.write_text(path.read_text(encoding="utf-8").replace(was, becomes), encoding="utf-8")
    exports.write("counts.csv", "dataset,month,borough,count\ncolp,2015-1,Camden,x\n")
    plan = exports.folder / "plan.toml"
    plan.write_text(plan.read_text(encoding="utf-8") + COMPARE.format(more=""), encoding="utf-8")
    assert [mistake.split(":")[0] for mistake in mistakes_in(exports, untouched)] == [
        "organisations.csv, line 2",
        "people.csv, line 3",
        "counts.csv, line 2",
        "counts.csv, line 2",
    ]


def test_a_dry_run_tells_and_changes_nothing(services: Services, exports: Exports) -> None:
    exports.month("2015-02")
    told = Told()
    service.dry_run(services, exports.plan, told)
    said = str(told)
    assert "Organisations: 2 of 2 to be taken over." in said
    assert "Agreements: 3 of 3 to be drafted, 0 of them without a signature; signed ones come into force." in said
    assert "colp ([[load]] number 1): 2 files" in said
    assert "in 1 batch(es); 0 are loaded already." in said
    with services.database.read() as session:
        for kind in (Organisation, User):
            assert session.scalar(select(func.count()).select_from(kind)) == 0
    assert not held(services, "colp") and not Ledger(services.database, "former-portal").steps()


GRANTS = (
    "reference,organisation,dataset,from,until,areas,fields,precision,grid_m,last_months,uses,basis,dpo_name,dpo_mail\n"
    "DSA-1,camden,colp,2020-01-01,2099-12-31,Camden,core;area;location,grid,250,,view,Duty.,D. O.,d@x.example\n"
    "DSA-2,camden,colp,2020-01-01,2099-12-31,Camden,core;demographic,area,,,view,Duty.,D. O.,d@x.example\n"
    "DSA-3,camden,colp,2020-01-01,2099-12-31,Atlantis,core;area,area,,,view,Duty.,D. O.,d@x.example\n"
    "DSA-4,camden,colp,2020-01-01,2099-12-31,Camden,area,area,,,view,Duty.,D. O.,d@x.example\n"
    "DSA-5,nobody,colp,2020-01-01,2099-12-31,Camden,core,area,,,view,Duty.,D. O.,d@x.example\n"
    "DSA-6,camden,colp,2010-01-01,2012-12-31,Atlantis,core;area,area,,,view,Duty.,D. O.,d@x.example\n"
)


def test_a_dry_run_tells_the_agreements_that_the_run_then_sets_aside(services: Services, exports: Exports) -> None:
    exports.write(
        "organisations.csv", "code,name,kind,boroughs\ncamden,London Borough of Camden,local-authority,Camden\n"
        "nobody,Nobody,other,\n"
    )  # fmt: skip
    exports.write("people.csv", "mail,name,organisation,role\n")
    exports.write("agreements.csv", GRANTS)
    terms = (exports.folder / "terms" / "colp.toml").read_text("utf-8")
    assert "demographic" not in terms.split("fields")[1].split("\n")[0]
    told = Told()
    number = service.dry_run(services, exports.plan, told)
    ahead = {
        line.split(":")[0].strip(): line.split("aside. ")[1] for line in told.lines if "would be set aside" in line
    }
    assert list(ahead) == ["DSA-2", "DSA-3", "DSA-4", "DSA-5"] and number == 4
    assert "the fields “demographic”" in ahead["DSA-2"] and "“Atlantis” is no area" in ahead["DSA-3"]
    assert "includes the core fields" in ahead["DSA-4"]
    with services.database.read() as session:
        assert not session.scalars(select(Organisation)).all()
    outcome, said = exports.run(services)
    aside = {line.split(":")[0]: line.split("ASIDE. ")[1] for line in said.lines if "SET ASIDE" in line}
    assert aside == ahead and outcome.set_aside == 4
    # What is here stays as it is; terms that changed without a new version are set aside.
    exports.write("terms/colp.toml", terms + "\n# changed\n")
    told = Told()
    assert service.dry_run(services, exports.plan, told) == 5
    assert any(line.strip().startswith("colp.toml: would be set aside. Version") for line in told.lines)


def test_grants_row_by_row_are_the_agreements_in_their_order(services: Services, exports: Exports) -> None:
    exports.write(
        "agreements.csv",
        "reference,organisation,dataset,from,until,areas,fields,precision,grid_m,uses,basis,dpo_name,dpo_mail\n"
        "DSA-1,camden,colp,2020-01-01,2099-12-31,Camden,core;area;location,grid,250,view;sync,Duty.,D. O.,d@x.example\n"
        "DSA-1,camden,colp,2020-01-01,2099-12-31,london,core;area,aggregate,,view,,,\n",
    )
    exports.run(services)
    from safestats.sync_server.agreements.service import find_agreement

    with services.database.read() as session:
        made = find_agreement(session, "DSA-1")
        grants = [(grant.precision, grant.grid_m, grant.named_areas, sorted(grant.uses)) for grant in made.grants]
        assert (made.state, [contact.name for contact in made.contacts]) == ("draft", ["D. O."])
    assert grants == [("grid", 250, "E09000007", ["sync", "view"]), ("aggregate", 0, "london", ["view"])]


def test_files_come_in_the_order_of_their_months_and_a_folder_tells_the_site(tmp_path: Path, empty: Settings) -> None:
    exports = exports_in(tmp_path / "sites", empty.resources_dir, plan=PLAN.replace("colp/*.csv", "istv/{site}/*.csv"))
    for name in ("St-Thomas/file-2015-10.csv", "St-Thomas/a-2015-9.csv", "royal/2015-02.csv", "royal/2014_11.csv"):
        exports.write(f"istv/{name}", "x")
    exports.write("istv/notes.csv", "x")
    plan = exports.plan
    assert [(file.site, file.name) for file in files_of(plan, plan.loads[0])] == [
        ("royal", "istv/royal/2014_11.csv"),
        ("royal", "istv/royal/2015-02.csv"),
        ("st-thomas", "istv/St-Thomas/a-2015-9.csv"),
        ("st-thomas", "istv/St-Thomas/file-2015-10.csv"),
    ]
    assert plan.publish == Publishing.END


def test_batches_are_of_one_site_and_no_larger_than_told() -> None:
    sizes = [("a", 4), ("a", 5), ("a", 3), ("b", 1), ("b", 30), ("b", 1)]
    files = [PlanFile(Path(str(n)), str(n), "istv", site, size * 1_000_000) for n, (site, size) in enumerate(sizes)]
    assert [[file.name for file in batch] for batch in batches(files, 10)] == [["0", "1"], ["2"], ["3"], ["4"], ["5"]]


def test_the_pace_tells_rate_and_remaining_time() -> None:
    clock = iter([0.0, 10.0, 10.0, 10.0, 10.0, 10.0])
    pace = Pace(400, clock=lambda: next(clock))
    pace.add(100, 5000)
    assert pace.rows_a_second == 500
    assert pace.seconds_left == 30
    assert pace.sentence() == "25 % of this run, 500 rows a second, about 30 s left"
    assert [in_words(seconds) for seconds in (59, 300, 7380)] == ["59 s", "5 min", "2 h 03 min"]
