"""The command line, as it is typed: in processes of its own for what ends a process, else in this one."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from safestats.sync_server import cli
from safestats.sync_server.audit.log import EventType
from safestats.sync_server.audit.opening import open_audit
from safestats.sync_server.domains import DOMAIN_OF, _commands, domains
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.ingest.models import Delivery
from safestats.sync_server.instants import london_today, now
from safestats.sync_server.services import open_database
from safestats.sync_server.settings import Part, Settings
from safestats.tests.server.engines import alter_audit, empty_database, environment, initialise
from typer.testing import CliRunner, Result

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(empty_database(tmp_path / "server")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SAFESTATS_PASSWORD_ROUNDS", "1")
    monkeypatch.setenv("SAFESTATS_PASSWORD_MEMORY_KIB", "64")
    return tmp_path / "server"


def run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, words, input=typed)


def done(*words: str, typed: str | None = None) -> str:
    result = run(*words, typed=typed)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


def test_from_nothing_to_an_agreement_in_force(folder: Path) -> None:
    assert "lsoa-2011" in done("init") and "2026-11" in done("init")
    assert folder.stat().st_mode & 0o777 == 0o700
    remit = ("--remit", "Section 17.", "--area", "E09000007")
    done("org", "add", "camden", "London Borough of Camden", *remit)
    assert "Camden" in done("org", "list")
    words = "three random words\n"
    done("user", "add", "Ann", "--org", "camden", "--name", "Ann A.", "--password-stdin", typed=words)
    done("user", "add", "bob", "--org", "camden", "--role", "licensing-officer", typed=words * 2)
    assert "licensing-officer" in done("user", "list")
    done("user", "password", "ann", "--password-stdin", typed="three other words\n")
    done("user", "deactivate", "bob")
    assert "inactive" in done("user", "list")

    assert "Recorded version 1 of the terms on mps" in done("terms", "load")
    assert "recorded already" in done("terms", "load")
    assert "in force" in done("terms", "list") and "points as supplied" in done("terms", "show", "mps")
    dates = ("--from", "2024-01-01", "--to", "2030-12-31")
    done("agreement", "add", "DSA-1", "--org", "camden", "--dataset", "mps", *dates)
    granted = done(
        *("agreement", "grant", "DSA-1", "--areas", "E09000007,unplaced", "--edge-km", "1"),
        *("--fields", "core,area,location", "--precision", "grid", "--grid-m", "500", "--last-months", "36"),
        *("--uses", "view,sync"),
    )
    assert "500 m grid" in granted and "LSOAs" in granted and "to view, sync." in granted
    assert "Not ready: it names no lawful basis" in done("agreement", "show", "DSA-1")
    review = london_today() + timedelta(days=10)
    said = ("--basis", "Public task.", "--contact", "data-protection:D. Officer:dpo@example.org")
    done("agreement", "set", "DSA-1", *said, "--controller", "Greater London Authority:joint", "--review", str(review))
    schedule = done("agreement", "schedule", "DSA-1")
    text, _, sha256 = schedule.rpartition("\nSHA-256: ")
    assert hashlib.sha256(text.encode()).hexdigest() == sha256.strip()
    paper = folder / "signed.pdf"
    paper.write_bytes(b"%PDF-1.7 signed")
    signing = ("agreement", "sign", "DSA-1", "--by", "A. Director", "--sha256", sha256.strip())
    assert "Still to sign: Greater London Authority." in done(*signing, "--document", str(paper))
    assert "is draft: only a signed one" in str(run("agreement", "activate", "DSA-1").exception)
    assert "Still to sign" not in done(*signing, "--party", "Greater London Authority")
    assert done("agreement", "schedule", "DSA-1", "--signed") == schedule
    assert "in force until 2030-12-31" in done("agreement", "activate", "DSA-1")
    assert "not-published" in done("agreement", "explain", "ann", "mps")
    shown = done("agreement", "show", "DSA-1")
    assert "1. Camden, " in shown and "joint controller, signed by A. Director" in shown and "signed.pdf" in shown
    assert f"DSA-1 is to be reviewed in 10 days, on {review:%-d %B %Y}." in done("agreement", "due")
    done("agreement", "suspend", "DSA-1", "--reason", "A breach is looked into.")
    listed = done("agreement", "list")
    assert "suspended" in listed and str(review) in listed
    done("agreement", "resume", "DSA-1")
    done("agreement", "amend", "DSA-1")
    done("agreement", "grant", "DSA-1.v2", "--areas", "london", "--fields", "core", "--precision", "aggregate")
    done("agreement", "move-grant", "DSA-1.v2", "2", "1")
    done("agreement", "remove-grant", "DSA-1.v2", "1")
    assert "all 33 boroughs" in done("agreement", "profile", "DSA-1.v2", "borough")
    for party in ("London Borough of Camden", "Greater London Authority"):
        done("agreement", "sign", "DSA-1.v2", "--by", "A. Director", "--party", party)
    done("agreement", "redraft", "DSA-1.v2")
    for party in ("London Borough of Camden", "Greater London Authority"):
        done("agreement", "sign", "DSA-1.v2", "--by", "A. Director", "--party", party)
    done("agreement", "activate", "DSA-1.v2")
    assert "Replaced by DSA-1.v2." in done("agreement", "show", "DSA-1")
    done("agreement", "end", "DSA-1.v2", "--reason", "No longer needed.")
    assert "agreement-ended" in done("agreement", "explain", "ann", "mps")

    text = folder / "new.md"
    text.write_text("Be good.", encoding="utf-8")
    done("conditions", "publish", str(text), "--version", "2027-01")
    assert "Be good." in done("conditions", "show")

    assert "intact" not in done("audit", "verify")
    listed = done("audit", "list", "--json")
    for event in (
        *("conditions.publish", "organisation.add", "user.add", "user.password", "user.deactivate"),
        *("agreement.add", "agreement.grant", "agreement.activate", "agreement.suspend", "agreement.end"),
    ):
        assert f'"event": "{event}"' in listed, event
    assert "three" not in listed and "Ann" not in listed


def test_every_command_is_found_in_its_domain() -> None:
    assert set(domains()) == set(DOMAIN_OF.values())
    listed = done("--help")
    for name, domain in DOMAIN_OF.items():
        assert f" {name} " in listed
        assert name in _commands(domain), f"{name} is no command of {domain}"
        assert done(name, "--help")
    assert run("nonsense").exit_code == 2
    declared = {name for domain in domains() for name in _commands(domain)}
    assert declared == set(DOMAIN_OF), "a command that is not noted makes every domain load"


def test_looking_loads_neither_the_web_nor_what_works_with_rows(folder: Path) -> None:
    initialise(Settings())
    heavy = "{'fastapi', 'alembic', 'polars', 'granian', 'limits.strategies'}"
    program = (
        "import sys; from safestats.sync_server.cli import app; app(['status'], standalone_mode=False); "
        f"print(sorted(set(sys.modules) & {heavy}))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.splitlines()[-1] == "[]"


BAD_INPUT = [
    (("org", "add", "Camden!", "x"), "no organisation code"),
    (("user", "add", "ann", "--org", "nobody", "--password-stdin"), "no organisation “nobody”"),
    (("user", "add", "a b", "--org", "camden", "--password-stdin"), "no user name"),
    (("user", "add", "ann", "--org", "camden", "--password-stdin"), "12 to 128 characters"),
    (("user", "deactivate", "nobody"), "no user “nobody”"),
    (("agreement", "show", "DSA-9"), "no agreement DSA-9"),
    (("agreement", "explain", "nobody", "mps"), "no user"),
    (("conditions", "publish", "/no/such/file.md", "--version", "1"), "cannot be read"),
    (("publish", "nothing"), "no dataset “nothing”"),
]


def test_bad_input_is_one_sentence(folder: Path) -> None:
    initialise(Settings())
    done("org", "add", "camden", "Camden")
    for words, sentence in BAD_INPUT:
        result = run(*words, typed="short\n")
        assert result.exit_code == 1, words
        assert isinstance(result.exception, SafeStatsError), words
        assert sentence in str(result.exception) and "\n" not in str(result.exception)


def test_trouble_goes_to_stderr_with_status_1_and_no_traceback(folder: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", "from safestats.sync_server.cli import main; main()", *words]
        return subprocess.run(program, capture_output=True, text=True, env=os.environ, timeout=60, check=False)

    before = command("status")
    assert (before.returncode, before.stdout) == (1, "")
    assert before.stderr.startswith("safestats: There is no SafeStats server in")
    assert before.stderr.count("\n") == 1
    assert not folder.exists()

    initialise(Settings())
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    busy = command("serve", "--port", str(port))
    assert busy.returncode == 1 and f"port {port}" in busy.stderr and busy.stderr.count("\n") == 1
    taken.close()

    alter_audit(Settings(), "command-line", "somebody")
    after = command("audit", "verify")
    assert after.returncode == 1 and "Event 1 is altered" in after.stderr


def test_what_a_client_wrote_is_shown_as_it_is(folder: Path) -> None:
    initialise(Settings())
    audit = open_audit(Settings(), Settings().publisher_url)
    audit.record(EventType.MAP_EXPORT, actor="a", dataset="[/red]\x1b[2Jmps")
    audit.close()
    listed = done("audit", "list")
    assert "[/red]\N{REPLACEMENT CHARACTER}[2Jmps" in listed
    assert "\x1b" not in listed


def test_tls_is_never_left_out_silently(folder: Path, tmp_path: Path) -> None:
    initialise(Settings())
    no_certificate = tmp_path / "note.pem"
    no_certificate.write_text("not a certificate")
    for words, told in (
        (["--certificate", str(no_certificate)], "give --certificate and --key together"),
        (["--key", str(no_certificate)], "give --certificate and --key together"),
        (["--certificate", str(tmp_path / "none"), "--key", str(no_certificate)], "There is no file"),
        (["--certificate", str(no_certificate), "--key", str(no_certificate)], "are not a certificate"),
    ):
        result = run("serve", *words)
        assert isinstance(result.exception, SafeStatsError) and told in str(result.exception)


@pytest.mark.postgis
def test_keys_are_not_made_anew_beside_incidents(folder: Path) -> None:
    initialise(Settings())
    database = open_database(Settings(), Part.PUBLISHER)
    with database.write() as session:
        session.add(
            Delivery(
                dataset="mps",
                release=1,
                loaded_at=now(),
                synthetic=True,
                area_edition="",
                files=[],
                rows_in=0,
                accepted=0,
                rejected=0,
                duplicates=0,
                left=0,
                report={},
            )
        )
    database.engine.dispose()
    Settings().keys_path.unlink()
    for words in (("init",), ("status",)):
        with pytest.raises(SafeStatsError, match="restore it from its backup|There is no SafeStats server"):
            cli.app(words, standalone_mode=False)
        assert not Settings().keys_path.exists()


@pytest.mark.postgis
def test_a_database_that_does_not_answer_is_told_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    initialise(Settings())
    away = {"SAFESTATS_PUBLISHER_URL": f"postgresql+psycopg://nobody:secret@/x?host={tmp_path}"}
    program = [sys.executable, "-c", "from safestats.sync_server.cli import main; main()", "user", "list"]
    told = subprocess.run(program, capture_output=True, text=True, env=os.environ | away, timeout=60, check=False)
    assert told.returncode == 1 and "safestats doctor" in told.stderr and "Traceback" not in told.stderr
    wrong = os.environ | {"SAFESTATS_OWNER_URL": "postgresql://me:secret@/x"}
    told = subprocess.run(program, capture_output=True, text=True, env=wrong, timeout=60, check=False)
    assert "SAFESTATS_OWNER_URL" in told.stderr and "secret" not in told.stderr
