"""Oversight: every figure can be counted again from the events, and nobody is named."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from safestats.sync_server.agreements.models import Agreement, AgreementState
from safestats.sync_server.audit import log as audit_log
from safestats.sync_server.audit.events import EventType, Outcome
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import PurposeRequest, Role, SteeringDecision
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.instants import LONDON, london_today, now
from safestats.sync_server.oversight.document import document_of
from safestats.sync_server.oversight.periods import bounds, month_of, months_until, period_in_words
from safestats.sync_server.oversight.rendering import render_csv, render_html, render_pdf
from safestats.sync_server.oversight.report import OversightReport, oversight
from safestats.sync_server.oversight.supplier import supplier_use
from safestats.sync_server.oversight.usage import usage_by, usage_of
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.engines import settings_for

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

MONTHS = ["2026-09", "2026-10", "2026-11"]
SECRETS = ("anna.analyst", "Anna Analyst", "my neighbour's burglary")
KINDS = (
    EventType.SIGN_IN, EventType.LAYER_PULL, EventType.LAYER_MANIFEST, EventType.ITEMS_READ, EventType.FACETS_READ,
    EventType.PROXIMITY_COUNTED, EventType.MAP_EXPORT, EventType.CONDITIONS_ACCEPTED, EventType.DELIVERY_ENDED,
)  # fmt: skip


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A year of use, drawn at random, some of it before and after the months of the report."""
    opened = open_services(settings_for(tmp_path_factory.mktemp("oversight") / "server"), Part.OWNER)
    if opened.settings.embedded:
        from safestats.sync_server.schema import create_schema

        create_schema(opened.database)
    people = _register(opened)
    chance = random.Random(20261122)
    clock = pytest.MonkeyPatch()
    at = datetime(2026, 7, 1, tzinfo=UTC)
    for number in range(600):
        at += timedelta(hours=chance.uniform(0, 12))
        clock.setattr(audit_log, "now", lambda at=at: at)
        organisation, actor = chance.choice(people)
        kind = chance.choice(KINDS)
        refused = chance.random() < 0.2
        opened.audit.record(
            kind,
            actor=actor,
            organisation=organisation,
            dataset="" if kind in (EventType.SIGN_IN, EventType.CONDITIONS_ACCEPTED) else chance.choice(["mps", "lfb"]),
            purpose=chance.choice(["needs-assessment", "violence-reduction", "other-7"]),
            rows=chance.choice([None, number]),
            outcome=Outcome.REFUSED if refused else Outcome.OK,
            reason=chance.choice(["no-agreement", "purpose-refused"]) if refused else "",
        )
        if number % 50 == 0:
            release = number // 50 + 1
            opened.audit.record(EventType.DATASET_LOADED, actor="command-line", dataset="mps", rows=9)
            clock.setattr(audit_log, "now", lambda at=at: at + timedelta(minutes=20))
            opened.audit.record(
                EventType.DATASET_PUBLISHED, actor="command-line", dataset="mps", filter={"release": release}, rows=9
            )
    clock.undo()
    yield opened
    opened.close()


def _register(services: Services) -> list[tuple[str, str]]:
    people = []
    today = london_today()
    with services.database.write() as session:
        for code, name in (("camden", "London Borough of Camden"), ("brent", "=Brent <Council>"), ("tfl", "TfL")):
            organisation = add_organisation(session, code, name)
            for index, role in enumerate((Role.ANALYST, Role.LICENSING_OFFICER)):
                user = add_user(
                    session, services.passwords, f"{code}.{index}" if index else f"{code}.anna.analyst",
                    organisation, "Anna Analyst", role, "three random words",
                )  # fmt: skip
                people.append((code, user.id))
            for dataset, ends, since in (("mps", 400, 10), ("lfb", 20, 300), ("btp", -5, 300)):
                if code != "tfl":
                    session.add(
                        Agreement(
                            reference=f"DSA-{code}-{dataset}", organisation=organisation, dataset=dataset,
                            starts=today - timedelta(days=since), ends=today + timedelta(days=ends),
                            state=AgreementState.ACTIVE, state_since=now() - timedelta(days=since),
                        )
                    )  # fmt: skip
        session.flush()
        session.add(PurposeRequest(user_id=people[0][1], text="my neighbour's burglary", requested_at=now()))
        session.add(
            SteeringDecision(
                reference="SG-1", purpose="licence-review", decided_on=today, valid_until=today + timedelta(days=30),
                summary="", recorded_by="x", recorded_at=now(),
            )
        )  # fmt: skip
        session.add(
            Release(
                dataset="mps", number=1, state=ReleaseState.PUBLISHED, staged_at=now(), published_at=now(),
                synthetic=True, periods=[],
            )
        )  # fmt: skip
        for dataset, days in (("mps", 5), ("lfb", 60)):
            session.add(
                Delivery(
                    dataset=dataset, release=1, loaded_at=now() - timedelta(days=days), synthetic=True,
                    area_edition="e", files=[], rows_in=1, accepted=1, rejected=0, duplicates=0, left=0, report={},
                )
            )  # fmt: skip
    return people


@pytest.fixture(scope="module")
def report(services: Services) -> OversightReport:
    return oversight(services, MONTHS)


def raw(services: Services, *months: str) -> list[dict]:
    """The events' bodies, as anybody may read them, of some London months."""
    bodies = [json.loads(event.body) for event in services.audit.store.events()]
    when = [datetime.strptime(body["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for body in bodies]
    return [b for b, at in zip(bodies, when, strict=True) if f"{at.astimezone(LONDON):%Y-%m}" in months]


def recount(bodies: list[dict]) -> dict[str, int]:
    """Every figure once more, the plain way."""
    ok = [b for b in bodies if b["outcome"] == "ok"]
    online = ("items.read", "facets.read", "proximity.count")
    signed_in = [b for b in ok if b["event"] == "session.sign-in"]
    used = [b for b in ok if b["event"] in ("layer.pull", "map.export", *online)]
    return {
        "organisations": len({b["organisation"] for b in signed_in}),
        "users": len({b["actor"] for b in signed_in}),
        "sign_ins": len(signed_in),
        "failed_sign_ins": len([b for b in bodies if b["outcome"] == "refused" and b["event"] == "session.sign-in"]),
        "datasets": len({b["dataset"] for b in used}),
        "pulls": len([b for b in ok if b["event"] == "layer.pull"]),
        "rows": sum(b["rows"] or 0 for b in ok if b["event"] == "layer.pull"),
        "questions": len([b for b in ok if b["event"] in online]),
        "rows_online": sum(b["rows"] or 0 for b in ok if b["event"] == "items.read"),
        "exports": len([b for b in ok if b["event"] == "map.export"]),
        "refusals": len([b for b in bodies if b["outcome"] == "refused" and b["event"] != "session.sign-in"]),
    }


def test_every_figure_is_that_of_the_events(services: Services, report: OversightReport) -> None:
    everything = raw(services, *MONTHS)
    assert vars(report.total) == recount(everything)
    assert report.total.rows > 1000 and report.total.refusals > 20
    assert report.basis.events == len(everything)
    assert (report.basis.first, report.basis.last) == (everything[0]["number"], everything[-1]["number"])
    for month in MONTHS:
        assert vars(report.by_month[month]) == recount(raw(services, month))
    for member, groups in (
        ("organisation", report.by_organisation), ("dataset", report.by_dataset), ("purpose", report.by_purpose),
    ):  # fmt: skip
        assert set(groups) == {body[member] for body in everything} - {""}
        for name, use in groups.items():
            again = recount([body for body in everything if body[member] == name])
            for figure in ("pulls", "rows", "questions", "rows_online", "exports"):
                assert getattr(use, figure) == again[figure], (member, name, figure)
    assert sum(report.refusals.values()) == report.total.refusals
    assert sum(use.rows for use in report.by_organisation.values()) == report.total.rows


def test_a_suppliers_figures_are_those_of_the_events_on_its_data(services: Services) -> None:
    use = supplier_use(services, "mps", MONTHS)
    assert supplier_use(services, use.supplier, MONTHS).by_organisation == use.by_organisation
    about = [body for body in raw(services, *MONTHS) if body["dataset"] == "mps"]
    again = recount(about)
    for figure in ("pulls", "rows", "questions", "rows_online", "exports", "refusals"):
        assert getattr(use.total, figure) == again[figure]
    for code, figures in use.by_organisation.items():
        own = recount([body for body in about if body["organisation"] == code])
        assert (figures.rows, figures.exports, figures.refusals) == (own["rows"], own["exports"], own["refusals"])
    assert use.datasets == ("mps",) and use.synthetic
    assert not supplier_use(services, "lfb", MONTHS).synthetic
    with pytest.raises(SafeStatsError, match="There is no supplier “nobody”: the suppliers are"):
        supplier_use(services, "nobody", MONTHS)


def test_how_things_stand(report: OversightReport) -> None:
    today = london_today()
    adoption = report.adoption
    assert (adoption.organisations, adoption.with_agreement, adoption.users) == (3, 2, 6)
    assert (adoption.organisations_active, adoption.users_active) == (3, 6)
    assert {(one.reference, one.days) for one in report.reviews} == {
        ("DSA-brent-lfb", 20), ("DSA-camden-lfb", 20), ("DSA-brent-btp", -5), ("DSA-camden-btp", -5),
    }  # fmt: skip
    assert [(one.organisation, one.requested_on) for one in report.held_purposes] == [("camden", today)]
    assert [(one.reference, one.organisation) for one in report.decisions] == [("SG-1", "")]
    late = {one.dataset: one for one in report.late}
    assert "mps" not in late
    # Published sixty days of 24 hours ago, which in London may have been another day when the clocks were not yet back.
    published = (datetime.now(UTC) - timedelta(days=60)).astimezone(LONDON).date()
    assert (late["lfb"].days, late["lfb"].last) == ((today - published).days - 31 - 8, published)
    assert late["btp"].last is None
    took = {one.took for one in report.publications}
    assert took == {timedelta(minutes=20)} and len(report.publications) >= 3


def test_an_agreement_is_dormant_when_nobody_used_it_for_long(services: Services) -> None:
    used = {(b["organisation"], b["dataset"]): b["at"] for b in raw(services, *months_until("2026-12", 24))
            if b["outcome"] == "ok" and b["event"] in ("layer.pull", "items.read", "facets.read",
                                                       "proximity.count", "map.export")}  # fmt: skip
    limit = london_today() - timedelta(days=90)
    expected = {
        f"DSA-{code}-lfb"
        for code in ("camden", "brent")
        if datetime.fromisoformat(used[code, "lfb"]).astimezone(LONDON).date() < limit
    }
    assert {one.reference for one in oversight(services, MONTHS).dormant} == expected
    with services.database.write() as session:
        extra = Agreement(
            reference="DSA-unused", organisation_id=session.get_one(Agreement, 1).organisation_id, dataset="rnli",
            starts=date(2020, 1, 1), ends=date(2999, 1, 1), state=AgreementState.ACTIVE,
        )  # fmt: skip
        session.add(extra)
    (dormant,) = [one for one in oversight(services, MONTHS).dormant if one.reference == "DSA-unused"]
    assert dormant.last_use is None
    with services.database.write() as session:
        session.delete(session.merge(extra))


def test_months_are_londons() -> None:
    assert month_of("2026-06-30T23:30:00Z") == "2026-07"
    assert bounds(["2026-07", "2026-06"]) == ("2026-05-31T23:00:00Z", "2026-07-31T23:00:00Z")
    assert months_until("2027-01", 3) == ["2026-11", "2026-12", "2027-01"]
    assert period_in_words(["2026-12", "2027-01"]) == "December 2026 to January 2027"
    for wrong in ("2026-13", "November", ""):
        with pytest.raises(SafeStatsError, match="is no month"):
            months_until(wrong, 1)


@pytest.mark.parametrize("of", ["oversight", "supplier"])
def test_page_tables_and_pdf_say_the_same_and_name_nobody(services: Services, report: OversightReport, of: str) -> None:
    made = report if of == "oversight" else supplier_use(services, "mps", MONTHS)
    document = document_of(made)
    page, table, pdf = render_html(made), render_csv(made), render_pdf(made)
    people = {body["actor"] for body in raw(services, *MONTHS)}
    for text in (page, table):
        assert not [secret for secret in (*SECRETS, *people) if secret in text]
        assert "Synthetic data" in text
        for section in document.sections:
            assert section.title in text
    assert "=Brent &lt;Council&gt;" in page and "<Council>" not in page
    assert 'lang="en-GB"' in page and "<script" not in page and "http" not in page.replace("http://www.w3.org/2000", "")
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert "'=Brent <Council>" in cells and str(made.total.rows) in cells
    assert f"{made.total.rows:,}" in page
    assert pdf.startswith(b"%PDF-") and len(pdf) > 10_000


def test_a_month_without_anything_is_a_report_too(services: Services) -> None:
    for made in (oversight(services, ["2020-01"]), supplier_use(services, "mps", ["2020-01"])):
        assert made.total.pulls == 0 and made.basis.events == 0
        assert "The audit holds no event of this period." in render_html(made)
        assert render_csv(made)


def test_commands_write_reports(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safestats.sync_server.cli import app
    from typer.testing import CliRunner

    settings = services.settings
    monkeypatch.setenv("SAFESTATS_DATA_DIR", str(settings.data_dir))
    for part, name in ((Part.APPLICATION, "DATABASE"), (Part.PUBLISHER, "PUBLISHER"), (Part.OWNER, "OWNER")):
        monkeypatch.setenv(f"SAFESTATS_{name}_URL", settings.url(part))

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["oversight", *words])
        assert result.exit_code == 0, (words, result.output, repr(result.exception))
        return result.output

    assert "SafeStats oversight report" in run("report", "--month", "2026-11")
    out = tmp_path / "report.pdf"
    assert "holds the report on 2026-09 to 2026-11" in run(
        "report", "--month", "2026-11", "--months", "3", "--format", "pdf", "--out", str(out)
    )
    assert out.read_bytes().startswith(b"%PDF-")
    assert "By purpose" in run("supplier", "lfb", "--month", "2026-10", "--format", "csv")
    told = [event.body for event in services.audit.events(last=3)]
    assert [body["event"] for body in told if body["event"] == "report.make"]


def exported(number: int, dataset: str, page: object = None, actor: str = "a") -> audit_log.Event:
    filter = {"product": "proximity-report", "page": "A4"} | ({} if page is None else {"page_id": page})
    body = {"number": number, "at": "2026-11-03T10:00:00Z", "event": "map.export", "actor": actor, "dataset": dataset}
    rest = {"organisation": "camden", "purpose": "p", "outcome": "ok", "reason": "", "rows": 3, "filter": filter}
    return audit_log.Event(number, body | rest)


def test_a_page_is_counted_once_however_many_datasets_are_on_it() -> None:
    page = [exported(number, dataset, "one") for number, dataset in enumerate(("mps", "lfb", "btp"))]
    assert usage_of(page).exports == 1
    assert {name: use.exports for name, use in usage_by(page, lambda e: e.body["dataset"]).items()} == {
        "btp": 1, "lfb": 1, "mps": 1,
    }  # fmt: skip
    others = [exported(4, "mps", "two"), exported(5, "mps", "one", "b")]
    assert usage_of([*page, *others]).exports == 3
    # What names no page, or names it in a way of its own, is a page each.
    unnamed = [exported(6, "mps"), exported(7, "mps"), exported(8, "mps", ["one"]), exported(9, "mps", "")]
    assert usage_of([*page, *unnamed]).exports == 5


def test_the_reports_words_fit_their_numbers(services: Services, report: OversightReport) -> None:
    usage = usage_of([exported(1, "mps", "one")])
    usage = replace(usage, pulls=1, rows=1, refusals=1, users=1, organisations=1, failed_sign_ins=1)
    document = document_of(replace(report, total=usage))
    told = [f"{figure.value} {figure.label}" for figure in document.figures]
    assert told == [
        "1 organisation signed in", "1 person signed in", "1 row pulled", "1 page exported", "1 request refused",
    ]  # fmt: skip
    assert document.figures[2].note == "in 1 pull" and "1 sign-in failed in the period." in document.basis
    several = {figure.label for figure in document_of(report).figures}
    assert {"organisations signed in", "people signed in", "pages exported"} <= several
    supplied = document_of(supplier_use(services, "mps", MONTHS))
    assert supplied.title == "Use of data. Supplier: Metropolitan Police Service"
    assert "nought" not in render_html(report) and "Took (minutes)" in render_csv(report)


def test_the_card_and_the_table_count_the_same(report: OversightReport) -> None:
    document = document_of(report)
    months = next(section for section in document.sections if section.title == "By month")
    assert months.total is not None
    assert [figure.value for figure in document.figures[:2]] == list(months.total[1:3])


def test_a_month_that_is_not_over_is_marked(report: OversightReport) -> None:
    def periods(made_on: date) -> tuple[str, list[str]]:
        made_at = datetime(made_on.year, made_on.month, made_on.day, 12, tzinfo=UTC)
        document = document_of(replace(report, basis=replace(report.basis, made_at=made_at)))
        months = next(section for section in document.sections if section.title == "By month")
        return document.period, [str(row[0]) for row in months.rows]

    assert periods(date(2026, 11, 30)) == (
        "September 2026 to November 2026, so far",
        ["September 2026", "October 2026", "November 2026, so far"],
    )
    period, rows = periods(date(2026, 12, 1))
    assert "so far" not in period + "".join(rows)
