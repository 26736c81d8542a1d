"""A small layer, published twice, with old copies to begin with: where the faults are tried."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from safestats.qgis_plugin.core.desk_session import DeskSession
from safestats.qgis_plugin.core.local_store import AccountStore, LocalStore
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.transport import Transport
from safestats.tests.commands import SUPPLIERS_TERMS, agreement, ended, organisation
from safestats.tests.end_to_end.faults import COPIES, FAULTS, Plan, Scenario, trials
from safestats.tests.end_to_end.rig import PASSWORD, PURPOSE, LiveServer, ServerFolder, loading, thinned

DATASET = "mps"
USERNAME = "faults.analyst"
CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True)
class Stage:
    """A server that offers the new release, and what each scenario begins with and comes to."""

    server: LiveServer
    library: Path
    scenarios: dict[str, Scenario]
    old: dict[str, str]  # digest of the rows before, by scenario; empty where there are none
    new: str

    def begin(self, name: str, root: Path) -> AccountStore:
        """The analyst's copies in ``root``, as a scenario begins with them."""
        if self.scenarios[name].template:
            shutil.copytree(self.scenarios[name].template, root, dirs_exist_ok=True)
        return LocalStore(root).account(self.server.url, USERNAME)

    def connect(self, url: str = "") -> Transport:
        """A transport with a session of its own; ``url``: by that way."""
        transport = Transport(url or self.server.url, QgisNetwork(), "0.1.0")
        session = DeskSession(transport)
        session.sign_in(USERNAME, PASSWORD)
        session.accept(PURPOSE)
        return transport


def token_of(transport: Transport) -> str:
    """That of the transport's session."""
    return transport._http.headers["Authorization"].removeprefix("Bearer ")


def set_up(folder: Path, library: Path, sample: Path) -> Stage:
    """Publish the first eleven months of half a ``sample``, pull, then publish a correction of two and the twelfth.

    Scenarios: "first" pull, "months" (an update by months), "whole" (an update for which the whole layer is fetched,
    because a new agreement shows more columns than before), "unchanged" (there is nothing new).
    """
    server = LiveServer(ServerFolder(folder / "server", CHUNK_BYTES))
    try:
        return _set_up(folder, library, server, sample)
    except BaseException:
        server.stop()
        raise


def _set_up(folder: Path, library: Path, server: LiveServer, sample: Path) -> Stage:
    server.folder.initialise(SUPPLIERS_TERMS)
    server.folder.run(
        organisation("gla", "Greater London Authority"),
        f"user add {USERNAME} --org gla --password-stdin",
        *_agreement("DSA-NARROW", "core,area,location"),
    )
    months = [thinned(month, folder / "sample", 2) for month in sorted((sample / DATASET).iterdir())]
    server.folder.run(loading(DATASET, months[:11]), f"publish {DATASET}")
    server.start()
    stage = Stage(server, library, {}, {}, "")
    first = Scenario(server.url, token_of(stage.connect()), DATASET, USERNAME, "", True, CHUNK_BYTES)
    narrow = _digest(library, folder / "narrow", first)
    server.stop()
    wide = _agreement("DSA-WIDE", "core,area,location,place")
    server.folder.run(ended("DSA-NARROW"), *wide, f"publish {DATASET}")
    server.start()
    old = _digest(library, folder / "old", first)
    server.stop()
    changed = [thinned(month, folder / "changed") for month in months[2:4]]
    server.folder.run(loading(DATASET, [*changed, months[11]]), f"publish {DATASET}")
    server.start()
    new = _digest(library, folder / "new", first)
    scenarios = {
        "first": first,
        "months": replace(first, template=str(folder / "old" / COPIES), snapshot=False),
        "whole": replace(first, template=str(folder / "narrow" / COPIES)),
        "unchanged": replace(first, template=str(folder / "new" / COPIES)),
    }
    return replace(
        stage, scenarios=scenarios, old={"first": "", "months": old, "whole": narrow, "unchanged": new}, new=new
    )


def _agreement(reference: str, fields: str) -> tuple[str, ...]:
    return agreement(reference, "gla", DATASET, f"--areas london,unplaced,outside --fields {fields} --precision point")


def _digest(library: Path, folder: Path, scenario: Scenario) -> str:
    """Pull into an empty store in ``folder``, which stays; the digest of the rows."""
    (trial,) = trials(library, folder, scenario, [Plan(FAULTS[0], numbers=(0,))])
    assert (trial.tries[0].kind, trial.states[-1].wrong) == ("whole", ()), trial
    return trial.states[-1].digest
