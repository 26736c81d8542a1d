"""Suppliers' terms: read, kept in versions, a ceiling at drafting and activation, and a clip of every request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safestats.shared.areas import BOUNDARIES_FILE
from safestats.sync_server.agreements import service
from safestats.sync_server.agreements.ceiling import Ceiling, coarser
from safestats.sync_server.agreements.grants import GrantTerms, cut_by_terms
from safestats.sync_server.agreements.models import AgreementState, Precision, SupplierTerms, Use
from safestats.sync_server.agreements.opened import GrantProfile, Refusal, Scope
from safestats.sync_server.agreements.profiles import Profile, apply_profile
from safestats.sync_server.agreements.scope import live_scopes
from safestats.sync_server.agreements.terms import ceiling_on, datasets_without_terms, read_terms, supplied_terms
from safestats.sync_server.audit.log import COMMAND_LINE, EventType
from safestats.sync_server.datasets.areas import load_supplied_areas
from safestats.sync_server.datasets.definitions import FieldGroup
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.models import Role
from safestats.sync_server.identity.service import add_organisation, add_user
from safestats.sync_server.instants import now
from safestats.sync_server.publishing.models import Release, ReleaseState
from safestats.sync_server.schema import create_schema
from safestats.sync_server.services import Services, open_services
from safestats.sync_server.settings import Part
from safestats.tests.server.agreements_rig import REMIT, Life, days, record_supplied_terms, rolled_back
from safestats.tests.server.engines import settings_for

TODAY = date(2026, 11, 22)
CAMDEN = "E09000007"
ALL = (FieldGroup.CORE, FieldGroup.AREA, FieldGroup.LOCATION, FieldGroup.PLACE)
WANTED = GrantTerms((CAMDEN,), ALL, Precision.POINT, last_months=36)
PLAIN = """
[terms]
dataset = "mps"
version = 2
supplier = "Metropolitan Police Service"
fields = ["core", "area", "location", "place"]
precision = "point"
uses = ["view", "sync", "export", "publish"]
suppression_threshold = 5
from = 2024-01-01
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    opened = open_services(settings_for(tmp_path_factory.mktemp("terms")), Part.PUBLISHER)
    create_schema(opened.database)
    with opened.database.write() as session:
        load_supplied_areas(session, opened.settings.resources_dir / BOUNDARIES_FILE)
        camden = add_organisation(session, "camden", "Camden Council", "borough", REMIT, [CAMDEN])
        add_user(session, opened.passwords, "analyst", camden, "Ann", Role.ANALYST, "three random words")
        session.add(Release(dataset="mps", number=4, state=ReleaseState.PUBLISHED, staged_at=now(), periods=[]))
    yield opened
    opened.close()


@pytest.fixture
def bare(services: Services) -> Iterator[Life]:
    """Without terms on any dataset."""
    with rolled_back(services, TODAY) as opened:
        yield opened


@pytest.fixture
def life(bare: Life) -> Life:
    """With the supplied terms, version 1, on every dataset."""
    record_supplied_terms(bare.services, bare.session)
    return bare


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = PLAIN
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = folder / "mps.toml"
    path.write_text(text, encoding="utf-8")
    return path


def tightened(life: Life, folder: Path, *changes: tuple[str, str]) -> None:
    assert life.load_terms(written(folder, *changes)) is not None


def test_the_supplied_terms_are_on_every_dataset(services: Services) -> None:
    read = [read_terms(path, services.definitions) for path in supplied_terms(services)]
    assert sorted(terms.dataset for terms in read) == sorted(services.definitions)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('"mps"', '"npd"'), "no dataset “npd”"),
        (("version = 2", "version = 0"), "1 or more"),
        (("version = 2", 'version = "2"'), "no whole number"),
        (('["core", "area", "location", "place"]', '["area"]'), "core fields"),
        (('["core", "area", "location", "place"]', '["core", "names"]'), "names"),
        (('["view", "sync", "export", "publish"]', "[]"), "at least one use"),
        (('"point"', '"grid"'), "has a cell"),
        (('"point"', '"exact"'), "exact"),
        (("from = 2024-01-01", "from = 2024-01-01\nto = 2023-01-01"), "end .* before"),
        (("from = 2024-01-01", 'from = "2024-01-01"'), "no date"),
        (("from = 2024-01-01", ""), "“from” is missing"),
        (("suppression_threshold = 5", "suppression_threshold = -5"), "0 or more"),
        (("suppression_threshold = 5", "suppression_threshold = 5\nsuppresion = 9"), "no part of terms"),
        (("[terms]", "[[terms"), "cannot be read"),
        (("[terms]", "[other]"), "“terms” is missing"),
    ],
)
def test_terms_that_cannot_be_read_are_refused(
    bare: Life, tmp_path: Path, change: tuple[str, str], sentence: str
) -> None:
    with pytest.raises(SafeStatsError, match=f"mps.toml: .*{sentence}"):
        bare.load_terms(written(tmp_path, change))


def test_versions_only_grow_and_are_audited(life: Life, tmp_path: Path) -> None:
    path = written(tmp_path)
    loaded = life.load_terms(path)
    assert loaded is not None and loaded.version == 2
    event = list(life.services.audit.events(1))[-1].body
    assert (event["event"], event["dataset"], event["filter"]["version"]) == (EventType.TERMS_SET, "mps", 2)
    assert life.load_terms(path) is None  # the same again
    with pytest.raises(SafeStatsError, match="a higher version"):
        life.load_terms(written(tmp_path, ("suppression_threshold = 5", "suppression_threshold = 9")))
    with pytest.raises(SafeStatsError, match="version 2 of the terms on “mps” is recorded"):
        life.load_terms(written(tmp_path, ("version = 2", "version = 1")))


def test_the_newest_that_has_started_counts(life: Life, tmp_path: Path) -> None:
    def version(day: date) -> int | None:
        ceiling = ceiling_on(life.session, "mps", day)
        return ceiling and ceiling.version

    life.load_terms(written(tmp_path, ("2024-01-01", "2026-12-01")))
    assert [version(TODAY), version(date(2026, 12, 1))] == [1, 2]
    assert version(date(2001, 1, 1)) == 1  # not in force then, and nothing else is
    assert not ceiling_on(life.session, "mps", date(2001, 1, 1)).in_force(date(2001, 1, 1))  # type: ignore[union-attr]


def test_nothing_is_signed_without_terms_but_what_is_in_force_goes_on(bare: Life, tmp_path: Path) -> None:
    agreement = bare.draft()
    bare.grant(agreement, WANTED)
    with pytest.raises(SafeStatsError, match="no supplier's terms on “mps” are recorded"):
        bare.sign(agreement)
    # As it is in a database of an earlier version.
    agreement.state = AgreementState.ACTIVE
    bare.session.flush()
    opened = bare.ask()
    assert (opened.gives_rows, opened.terms_version, opened.threshold) == (True, None, 5)
    assert "mps" in datasets_without_terms(bare.session, bare.services.definitions)
    bare.load_terms(written(tmp_path, ('"point"', '"area"')))
    assert bare.ask().geometry == "none"
    assert "mps" not in datasets_without_terms(bare.session, bare.services.definitions)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ([(', "place"]', "]")], "the fields “place” .permitted: core, area, location."),
        ([('"point"', '"grid"\ngrid_m = 500')], "points as supplied .the finest permitted: .* 500 m grid"),
        ([('"sync", "export", "publish"]', '"sync"]')], "the use “export, publish” .permitted: view, sync."),
        ([("from =", "retention_months = 24\nfrom =")], "the last 36 months .readable are 24."),
        ([("from =", 'recipients = ["police"]\nfrom =')], "Camden Council is none of the recipients"),
    ],
)
def test_beyond_the_ceiling_nothing_is_drafted_signed_or_activated(
    life: Life, tmp_path: Path, changes: list[tuple[str, str]], sentence: str
) -> None:
    drafted, signed = life.draft("DSA-1"), life.draft("DSA-2")
    for agreement in (drafted, signed):
        life.grant(agreement, WANTED)
    life.sign(signed)
    tightened(life, tmp_path, *changes)
    beyond = f"goes beyond version 2 of the supplier's terms on “mps”: .*{sentence}"
    with pytest.raises(SafeStatsError, match=beyond):
        life.activate(signed)
    with pytest.raises(SafeStatsError, match=beyond):
        life.sign(drafted)
    with pytest.raises(SafeStatsError, match=beyond):
        life.grant(life.draft("DSA-3"), WANTED)


def test_all_that_exceeds_is_named_at_once(life: Life, tmp_path: Path) -> None:
    tightened(life, tmp_path, (', "place"]', "]"), ('"point"', '"area"'), ('["view", "sync", "export", ', "["))
    with pytest.raises(SafeStatsError) as caught:
        life.grant(life.draft(), WANTED)
    for words in ("“place”", "points as supplied", "“view, sync, export”"):
        assert words in str(caught.value)


def test_terms_that_change_after_signing_ask_for_new_signatures(life: Life, tmp_path: Path) -> None:
    agreement = life.draft(ends=TODAY + days(9))
    life.grant(agreement, WANTED)
    life.sign(agreement)
    tightened(life, tmp_path, ("suppression_threshold = 5", "suppression_threshold = 8"))
    with pytest.raises(SafeStatsError, match="the supplier's terms have changed since"):
        life.activate(agreement)
    service.redraft(life.services, life.session, COMMAND_LINE, agreement)
    life.sign(agreement)
    life.activate(agreement)
    assert life.ask().threshold == 8


@pytest.mark.parametrize(
    "changes",
    [
        [(', "place"]', "]")],
        [('"point"', '"grid"\ngrid_m = 500')],
        [('"point"', '"area"')],
        [("from =", "retention_months = 24\nfrom =")],
    ],
)
def test_narrower_terms_clip_what_is_in_force_at_once(
    life: Life, tmp_path: Path, changes: list[tuple[str, str]]
) -> None:
    life.in_force(WANTED)
    before = life.ask()
    tightened(life, tmp_path, *changes)
    after = life.ask()
    if "retention" in changes[0][1]:
        assert (before.covers("2023-12"), after.covers("2023-12"), after.covers("2024-12")) == (True, False, True)
        assert after.fingerprint("2025-01") == before.fingerprint("2025-01")
    else:
        # What was published under the wider terms is no longer what the layer is made of.
        assert after.fingerprint("2025-01") != before.fingerprint("2025-01")
        assert after.geometry == ("none" if "area" in changes[0][1] else "point")
    (built,) = live_scopes(life.session, "mps", life.services.definitions, TODAY)
    assert built.fingerprint("2025-01") == after.fingerprint("2025-01")
    assert {field.name for field in after.columns} <= {field.name for field in before.columns}


def test_what_narrower_terms_take_is_said(life: Life, tmp_path: Path) -> None:
    agreement = life.in_force(WANTED)
    assert cut_by_terms(ceiling_on(life.session, "mps", TODAY), agreement) == []
    tightened(life, tmp_path, ('"point"', '"grid"\ngrid_m = 500'), (', "place"]', "]"))
    assert cut_by_terms(ceiling_on(life.session, "mps", TODAY), agreement) == [
        "Version 2 of the supplier's terms holds, not what was signed: grant 1: the fields “place” (permitted: core, "
        "area, location).",
        "Version 2 of the supplier's terms holds, not what was signed: grant 1: points as supplied (the finest "
        "permitted: points snapped to a 500 m grid).",
    ]


def test_terms_can_leave_counts_only_or_nothing(life: Life, tmp_path: Path) -> None:
    life.in_force(WANTED)
    tightened(life, tmp_path, ('"point"', '"aggregate"'))
    with pytest.raises(Refusal) as caught:
        life.ask(use=Use.VIEW)
    assert caught.value.code == "aggregates-only"
    assert life.count().gives_counts
    tightened(life, tmp_path, ("version = 2", "version = 3"), ('["view", "sync", "export", ', "["))
    for ask in (life.ask, life.count):
        with pytest.raises(Refusal) as caught:
            ask()
        assert caught.value.code == "use-not-granted"
    assert live_scopes(life.session, "mps", life.services.definitions, TODAY) == []


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ([("2024-01-01", "2024-01-01\nto = 2026-11-21")], "terms-not-in-force", "ended on 21 November 2026"),
        ([("from =", 'recipients = ["police", "gla"]\nfrom =')], "not-a-recipient", "to Camden Council"),
    ],
)
def test_terms_that_give_nothing_refuse_with_the_reason(
    life: Life, tmp_path: Path, changes: list[tuple[str, str]], code: str, words: str
) -> None:
    life.in_force(WANTED)
    tightened(life, tmp_path, *changes)
    with pytest.raises(Refusal, match=words) as caught:
        life.ask()
    assert caught.value.code == code
    assert live_scopes(life.session, "mps", life.services.definitions, TODAY) == []


def test_terms_that_have_not_started_give_nothing(bare: Life, tmp_path: Path) -> None:
    bare.load_terms(written(tmp_path, ("2024-01-01", "2026-11-23")))
    agreement = bare.draft(ends=TODAY + days(9))
    bare.grant(agreement, WANTED)
    agreement.state = AgreementState.ACTIVE
    bare.session.flush()
    with pytest.raises(Refusal, match="start on 23 November 2026"):
        bare.ask()
    assert bare.ask(today=TODAY + days(1)).gives_rows


def test_terms_end_before_the_agreement_does(life: Life, tmp_path: Path) -> None:
    life.in_force(WANTED, ends=TODAY + days(90))
    assert life.ask().until == TODAY + days(90)
    tightened(life, tmp_path, ("2024-01-01", "2024-01-01\nto = 2026-12-01"))
    assert life.ask().until == date(2026, 12, 1)


@pytest.mark.parametrize("recipients", ['["camden"]', '["borough"]', '["police", "camden"]', "[]"])
def test_recipients_are_kinds_or_codes(life: Life, tmp_path: Path, recipients: str) -> None:
    tightened(life, tmp_path, ("from =", f"recipients = {recipients}\nfrom ="))
    life.in_force(WANTED)
    assert life.ask().gives_rows


def test_profiles_go_as_far_as_the_supplier_permits(life: Life, tmp_path: Path) -> None:
    uses = ('["view", "sync", "export", "publish"]', '["view", "sync"]')
    tightened(life, tmp_path, ('"point"', '"grid"\ngrid_m = 250'), (', "place"]', "]"), uses)
    agreement = life.draft()
    apply_profile(life.services, life.session, COMMAND_LINE, agreement, Profile.BOROUGH, TODAY)
    own, counts = agreement.grants
    assert (own.precision, own.grid_m, own.groups) == ("grid", 250, "core area location")
    assert own.uses == {Use.VIEW, Use.SYNC} and counts.precision == Precision.AGGREGATE
    life.sign(agreement)
    life.activate(agreement)


PRECISIONS = st.tuples(st.sampled_from(list(Precision)), st.sampled_from([50, 250, 500])).map(
    lambda drawn: (drawn[0], drawn[1] if drawn[0] == Precision.GRID else 0)
)
GROUPS = st.sets(st.sampled_from(list(FieldGroup))).map(
    lambda drawn: tuple(g for g in FieldGroup if g in drawn | {FieldGroup.CORE})
)
USES = st.sets(st.sampled_from(list(Use))).map(frozenset)
MONTHS = st.sampled_from(["", "2023-01", "2026-01", "2026-11"])


@st.composite
def ceilings(draw: st.DrawFn) -> Ceiling:
    precision, grid_m = draw(PRECISIONS)
    months = draw(st.sampled_from([0, 1, 24]))
    return Ceiling("mps", 1, draw(GROUPS), precision, grid_m, draw(USES), (), 5, months, date(2020, 1, 1), None, "")


@st.composite
def profiles(draw: st.DrawFn) -> GrantProfile:
    precision, grid_m = draw(PRECISIONS)
    return GrantProfile((CAMDEN,), draw(GROUPS), precision, grid_m, draw(MONTHS), draw(MONTHS), draw(USES))


# From the finest to the coarsest, as a person would put them.
FINENESS = ["point", "grid 50", "grid 250", "grid 500", "area", "aggregate"]


def fineness(precision: Precision, grid_m: int) -> int:
    return FINENESS.index(f"{precision} {grid_m}".removesuffix(" 0"))


@given(grant=profiles(), ceiling=ceilings())
def test_a_clipped_grant_never_exceeds_grant_nor_terms(grant: GrantProfile, ceiling: Ceiling) -> None:
    left = ceiling.clip(grant, TODAY)
    assert set(left.groups) == set(grant.groups) & set(ceiling.groups)
    assert left.uses == grant.uses & ceiling.uses
    finest = max(fineness(grant.precision, grant.grid_m), fineness(ceiling.precision, ceiling.grid_m))
    assert fineness(left.precision, left.grid_m) == finest
    for period in ("", "2022-12", "2024-11", "2024-12", "2026-10", "2026-11"):
        first = {0: "", 1: "2026-11", 24: "2024-12"}[ceiling.retention_months]
        kept = grant.covers(period) and (not first or first <= period)
        assert left.covers(period) == kept
    assert ceiling.clip(left, TODAY) == left
    assert ceiling.excess(left.groups, left.precision, left.grid_m, left.uses, 0) == []
    exceeds = ceiling.excess(grant.groups, grant.precision, grant.grid_m, grant.uses, 0)
    unchanged = (left.groups, left.precision, left.grid_m, left.uses)
    assert bool(exceeds) == (unchanged != (grant.groups, grant.precision, grant.grid_m, grant.uses))


@given(grant=profiles(), ceiling=ceilings(), officer=st.booleans())
def test_nobody_counts_more_closely_than_others_are_shown(grant: GrantProfile, ceiling: Ceiling, officer: bool) -> None:
    left = ceiling.clip(grant.only_counted() if officer else grant, TODAY)
    limits = [m for m in ((grant.precision, grant.grid_m), (ceiling.precision, ceiling.grid_m)) if m[0] != "aggregate"]
    closest = max((fineness(*limit) for limit in limits), default=0)
    if FieldGroup.LOCATION not in left.groups:
        closest = FINENESS.index("area")
    # What may only be counted is counted as exactly as it could be shown otherwise.
    assert fineness(*left.counted_place) == closest


@given(one=PRECISIONS, other=PRECISIONS)
def test_the_coarser_of_two_precisions(one: tuple[Precision, int], other: tuple[Precision, int]) -> None:
    assert coarser(one, other) == coarser(other, one) == max(one, other, key=lambda drawn: fineness(*drawn))


def test_a_scope_with_the_same_rights_has_the_same_fingerprint(services: Services) -> None:
    grant = GrantProfile((CAMDEN,), ALL, Precision.POINT, 0, "", "", frozenset(Use))
    plain = Scope(services.definitions["mps"], (grant,), "DSA-1", TODAY, 4)
    same = replace(plain, threshold=9, terms_version=3, grants=(replace(grant, officer_records=True),))
    assert same.fingerprint("2026-01") == plain.fingerprint("2026-01")


def test_a_recorded_version_is_kept_as_it_was_read(life: Life, tmp_path: Path) -> None:
    path = written(tmp_path, ('"point"', '"grid"\ngrid_m = 250'), ("from =", 'recipients = ["borough"]\nfrom ='))
    loaded = life.load_terms(path)
    assert isinstance(loaded, SupplierTerms)
    life.session.expire_all()
    ceiling = ceiling_on(life.session, "mps", TODAY)
    assert ceiling is not None
    assert (ceiling.precision, ceiling.grid_m, ceiling.recipients) == (Precision.GRID, 250, ("borough",))
    assert (ceiling.groups, ceiling.uses, ceiling.suppression_threshold) == (ALL, frozenset(Use), 5)
