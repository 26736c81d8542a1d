"""A local copy brought up to date by the plugin's own code, beside pygeodiff and beside bare copying."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ...qgis_plugin.core.local_store import LocalStore
from ...qgis_plugin.core.pull import PullKind, PullResult, pull_layer
from ..invented_changes import CHANGED
from ..measuring import Contender, Kind, Measure, copy_to_disk, in_turns
from .application import answer
from .client import Account
from .peers import Peers

_ROUNDS = 3
_AIM = 1.0


def measure(arguments: dict[str, Any]) -> list[Measure]:
    """One measure of the update that the server offers to the copy in ``store``, which has it afterwards.

    Without a ``job`` only the copy is made: none.
    """
    account, dataset = Account.of(arguments), arguments["dataset"]
    store, scratch = Path(arguments["store"]), Path(arguments["scratch"])
    transport = account.transport()

    def pull(root: Path) -> PullResult:
        copies = LocalStore(root).account(account.url, account.user)
        return pull_layer(transport, copies, dataset, lambda *_: None, lambda: False)

    if not arguments["job"]:
        pull(store)
        return []
    before = LocalStore(store).account(account.url, account.user).copy(dataset)
    newest = shutil.copytree(store, scratch / "newest")
    after = pull(newest)
    _require_the_change(after)

    def ours(folder: Path) -> None:
        if pull(folder / "copies").downloaded != after.downloaded:
            raise RuntimeError("The pull took another way than before.")

    changeset = scratch / "changeset"
    with Peers(arguments["peers"]) as peers:
        differ = peers.ask("make_changeset", before=before.path, after=after.copy.path, changeset=changeset)
        if differ != CHANGED:
            raise RuntimeError(f"To pygeodiff {differ} rows differ, not {CHANGED}.")
        way = "months changed in the copy" if after.kind is PullKind.UPDATED else "the whole layer anew"
        made = in_turns(
            arguments["job"],
            [
                Contender(
                    "core.pull.pull_layer", Kind.OURS, ours, lambda folder: shutil.copytree(store, folder / "copies")
                ),
                Contender(
                    "pygeodiff applying the change to a copy of the file, on the disk",
                    Kind.PEER,
                    lambda folder: peers.ask(
                        "apply_changeset", before=before.path, changeset=changeset, target=folder / "applied.gpkg"
                    ),
                    aim=_AIM,
                ),
                Contender(
                    "copying the file, on the disk",
                    Kind.LIMIT,
                    lambda folder: copy_to_disk(before.path, folder / "copy"),
                ),
            ],
            scratch,
            _ROUNDS,
            warm_up=False,
            note=f"Ours asks for the manifest, downloads {after.downloaded / 1e6:.1f} MB ({way}), compares, and proves "
            f"the rows; pygeodiff has its changeset of {changeset.stat().st_size / 1e6:.1f} MB already.",
        )
    changeset.unlink()
    shutil.rmtree(store)
    newest.rename(store)
    return [made]


def _require_the_change(after: PullResult) -> None:
    changes = after.copy.changes
    if changes is None or changes.added + changes.changed + changes.withdrawn != CHANGED:
        raise RuntimeError(f"The update brought {changes}, not {CHANGED} rows.")


if __name__ == "__main__":
    answer(measure)
