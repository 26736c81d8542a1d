"""Server folders that take minutes to make: made when first asked for, shared by the benchmarks of one run."""

from __future__ import annotations

import json
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .programs import Server

DATASET = "mps"
USER = "analyst"
_REAL_MONTHS = "police_met_wards_api/*.zip"
_SYNTHETIC_SCALE = 8.4  # of the sample: about 750,000 incidents of the Met's
_WITHDRAWN_OF = 10  # a correction lacks one incident in so many


@dataclass(frozen=True)
class Prepared:
    """A year of the Met's and one analyst who may have all of it. Nobody changes these folders: take ``copy_of``."""

    root: Path
    folder: Path
    real_data: Path
    password: str

    @cached_property
    def deliveries(self) -> list[Path]:
        """The files of the year, one a month: real ones where they are on this machine."""
        real = sorted(self.real_data.glob(_REAL_MONTHS))
        if real:
            return real
        sample = self.folder / "sample"
        self.empty("sampling").command("sample-data", str(sample), "--scale", str(_SYNTHETIC_SCALE))
        return sorted((sample / DATASET).iterdir())

    @property
    def year(self) -> str:
        """Of what kind the year is, for the name of a job."""
        return "a real year" if self.deliveries[0].is_relative_to(self.real_data) else "a synthetic year"

    @cached_property
    def correction(self) -> Path:
        """One month of the year again, without every tenth incident of each list in it."""
        month = self.deliveries[len(self.deliveries) // 2]
        corrected = self.folder / "corrected" / month.name
        corrected.parent.mkdir()
        with zipfile.ZipFile(month) as whole, zipfile.ZipFile(corrected, "w", zipfile.ZIP_DEFLATED) as thinned:
            for name in whole.namelist():
                rows = json.loads(whole.read(name) or b"[]")
                kept = [row for number, row in enumerate(rows) if number % _WITHDRAWN_OF]
                thinned.writestr(name, json.dumps(kept))
        return corrected

    @cached_property
    def loaded(self) -> Server:
        """The year loaded, nothing published."""
        server = self.empty("loaded")
        server.command("load", DATASET, *map(str, self.deliveries))
        return server

    @cached_property
    def published(self) -> Server:
        """The year loaded and published."""
        server = self.copy_of(self.loaded, self.folder / "published")
        server.command("publish", DATASET)
        return server

    @cached_property
    def corrected(self) -> Server:
        """The year published, and the correction of one month loaded, not published."""
        server = self.copy_of(self.published, self.folder / "corrected-server")
        server.command("load", DATASET, "--accept-withdrawals", str(self.correction))
        return server

    def empty(self, name: str) -> Server:
        """A server without incidents, with an analyst who may have every incident of the Met's."""
        server = Server(self.root, self.folder / name)
        server.command("init")
        server.command("terms", "load")
        server.command("org", "add", "desk", "An Organisation", "--remit", "Section 17, Crime and Disorder Act 1998.")
        server.command("user", "add", USER, "--org", "desk", "--password-stdin", stdin=f"{self.password}\n")
        agreement = ["--org", "desk", "--dataset", DATASET, "--from", "2016-01-01", "--to", "2099-12-31"]
        said = ["--basis", "Public task.", "--contact", "data-protection:D. Officer:dpo@example.org"]
        server.command("agreement", "add", "DSA-BENCH", *agreement, *said)
        grant = ["--areas", "london,unplaced,outside", "--fields", "core,area,location,place", "--precision", "point"]
        server.command("agreement", "grant", "DSA-BENCH", *grant)
        server.command("agreement", "sign", "DSA-BENCH", "--by", "A. Director")
        server.command("agreement", "activate", "DSA-BENCH")
        return server

    def copy_of(self, server: Server, folder: Path) -> Server:
        """A server on a copy of its folder."""
        shutil.copytree(server.folder, folder)
        return Server(self.root, folder)


@contextmanager
def prepared(root: Path, folder: Path, real_data: Path) -> Iterator[Prepared]:
    """Of this run only: the folder is empty at the beginning and gone at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield Prepared(root, folder, real_data, secrets.token_urlsafe(12))
    finally:
        shutil.rmtree(folder)
