"""The commands of identity, as the SafeStats team types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from safestats.sync_server.cli import app
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.identity.service import find_organisation
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import environment, initialise, settings_for
from safestats.tests.server.identity_rig import link_in
from typer.testing import CliRunner

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = settings_for(tmp_path / "server")
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SAFESTATS_PASSWORD_ROUNDS", "1")
    monkeypatch.setenv("SAFESTATS_PASSWORD_MEMORY_KIB", "64")
    initialise(settings)
    return tmp_path / "server"


def run(*words: str, typed: str | None = None) -> tuple[int, str, BaseException | None]:
    result = CliRunner().invoke(app, list(words), input=typed)
    return result.exit_code, result.output, result.exception


def done(*words: str, typed: str | None = None) -> str:
    status, output, exception = run(*words, typed=typed)
    assert status == 0, (words, output, exception)
    return output


def refused(*words: str, typed: str | None = None) -> str:
    exception = run(*words, typed=typed)[2]
    assert isinstance(exception, SafeStatsError), (words, exception)
    return str(exception)


def test_the_register_organisations_and_their_people(folder: Path) -> None:
    assert "38 organisations in the register, 38 added" in done("org", "load")
    assert "38 organisations in the register, 0 added" in done("org", "load")
    assert "E09000027 E09000032" in done("org", "show", "richmond-and-wandsworth")
    assert "Changed kind of tfl" in done("org", "amend", "tfl", "--kind", "railway")
    shown = done("org", "show", "camden").splitlines()
    assert not any(line.endswith(" ") for line in shown) and max(map(len, shown[:5])) < 60
    nina = ("nina", "--org", "camden", "--email", "nina@camden.gov.uk", "--role", "organisation-admin")
    assert f"lies in {folder / 'outbox'}" in done("user", "invite", *nina)
    (mail,) = (folder / "outbox").glob("*.eml")
    assert len(link_in(mail.read_text(encoding="utf-8"))) == 43
    assert "invited" in done("user", "list")
    assert "they can ask for a reset" not in done("user", "invite-again", "nina")
    done("user", "add", "ann", "--org", "camden", "--password-stdin", typed="seven purple lanterns drift\n")
    assert "guessed" in refused("user", "password", "ann", "--password-stdin", typed="ann.camden.2026\n")
    assert "licensing-officer now" in done("user", "role", "ann", "licensing-officer")
    assert "has a password already" in refused("user", "invite-again", "ann")
    assert "no second factor now" in done("user", "reset-second-factor", "ann")
    assert "no longer" in done("user", "deactivate", "ann") and "again" in done("user", "reactivate", "ann")
    assert "inactive" in done("org", "deactivate", "camden") + done("org", "list")
    assert "is inactive" in refused("user", "invite", "bob", "--org", "camden", "--email", "bob@camden.gov.uk")
    assert "open again" in done("org", "reactivate", "camden")


def test_what_the_register_says_of_an_organisation_is_taken() -> None:
    done("org", "add", "camden", "London Borough of Camden")
    shown = done("org", "show", "camden")
    assert "E09000007" in shown and "section 17" in shown
    done("org", "add", "past", "An Organisation of the Past")
    assert "it can have no agreement" in done("org", "show", "past")
    done("org", "add", "nhs", "An NHS Trust", "--kind", "supplier", "--remit", "Its duty.", "--area", "E09000022")
    assert "Its duty." in done("org", "show", "nhs")


def test_keys_of_machines() -> None:
    done("org", "add", "nhs", "An NHS Trust")
    words = ("key", "add", "Loader", "--org", "nhs", "--dataset", "lfb", "--site", "st-thomas")
    key = next(line for line in done(*words).splitlines() if line.startswith("sk_"))
    listed = done("key", "list")
    begins = key[: key.index("_", 3)]
    assert begins in listed and key not in listed and "st-thomas" in listed
    assert "opens nothing" in done("key", "revoke", begins) and "revoked" in done("key", "list")
    assert "no key" in refused("key", "revoke", "sk_0000")


def test_decisions_of_the_steering_group() -> None:
    words = ("--decided", "2026-01-01", "--until", "2099-01-01", "--summary", "One review.")
    done("decision", "add", "SG-1", "--purpose", "licence-review", *words)
    assert "licence-review" in done("decision", "list") and "all" in done("decision", "list")
    assert "never a purpose" in refused("decision", "add", "SG-2", "--purpose", "prosecution", *words)
    done("decision", "withdraw", "SG-1")
    assert "withdrawn" in done("decision", "list")
    assert "Number" in done("decision", "requests", "--all")
    assert "no request 7" in refused("decision", "approve", "7")
    assert "no request 7" in refused("decision", "refuse", "7", "--reason", "None.")


def test_conditions_in_versions(tmp_path: Path) -> None:
    text = tmp_path / "new.md"
    text.write_text("# Conditions\n", encoding="utf-8")
    done("conditions", "publish", str(text), "--version", "2027-01")
    first, second = done("conditions", "list").splitlines()[1:3]
    assert first.startswith("2027-01") and second.startswith("2026-11.2")
    assert "published already" in refused("conditions", "publish", str(text), "--version", "2027-01")


def test_an_organisations_own_sign_in_and_its_people() -> None:
    done("org", "add", "camden", "London Borough of Camden")
    issuer = "https://login.camden.example"
    done(
        "org", "sign-in", "camden", "--issuer", issuer, "--client-id", "safestats", "--secret-stdin", typed="s3cret!\n"
    )
    assert issuer in done("org", "show", "camden")
    database = open_database(Settings(), Part.PUBLISHER)
    with database.read() as session:
        kept = find_organisation(session, "camden").oidc_client_secret
    database.engine.dispose()
    assert kept and "s3cret!" not in kept
    done("user", "add", "ann", "--org", "camden", "--password-stdin", typed="seven purple lanterns drift\n")
    done("user", "amend", "ann", "--email", "ann@camden.gov.uk", "--sso-only")
    done("org", "sign-in", "camden", "--issuer", "")
    assert "no sign-in of its own" in refused("user", "amend", "ann", "--sso-only")
