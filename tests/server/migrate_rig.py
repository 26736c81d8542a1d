"""A former portal's exports in a folder, a plan for them, and an empty server to move them into."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from safestats.sync_server.audit.log import COMMAND_LINE
from safestats.sync_server.migration import service
from safestats.sync_server.migration.plan import Plan, read_plan
from safestats.sync_server.services import Services
from safestats.sync_server.settings import Settings
from safestats.tests.server.engines import settings_for
from safestats.tests.server.ingest_rig import give_areas, street_csv, street_row

ORGANISATIONS = """code,name,kind,boroughs
camden,London Borough of Camden,local-authority,Camden
gla,Greater London Authority,regional-authority,
"""
PEOPLE = """mail,name,organisation,role
Jo.Bloggs@camden.example,Jo Bloggs,camden,Borough User
ada@gla.example,Ada Admin,gla,organisation-admin
"""
AGREEMENTS = """reference,organisation,dataset,from,until,profile,basis,dpo_name,dpo_mail,controller,paper,signed_by,\
signed_on,controller_signed_by,controller_signed_on
DSA-1,camden,colp,2020-01-01,2099-12-31,borough,Public task.,D. Officer,dpo@camden.example,Metropolis,GLA/2019/17,\
A. Director,2019-12-02,B. Mayor,2019-12-09
DSA-2,gla,colp,2020-01-01,2099-12-31,pan-london,Public task.,D. Officer,dpo@gla.example,Metropolis,GLA/2019/18,\
A. Director,2019-12-02,,
DSA-0,gla,colp,2015-01-01,2019-12-31,pan-london,Public task.,D. Officer,dpo@gla.example,,GLA/2014/3,A. Director,\
2014-12-02,,
"""
PLAN = """[plan]
name = "former-portal"
batch_mb = 1
{head}
[organisations]
file = "organisations.csv"
[people]
file = "people.csv"
[people.roles]
"Borough User" = "analyst"
[terms]
files = ["terms/*.toml"]
[agreements]
file = "agreements.csv"
activate = true
[[load]]
dataset = "colp"
files = ["colp/*.csv"]
"""
COMPARE = """[compare]
old_counts = "counts.csv"
{more}
"""


def months_of(first: int, number: int) -> list[str]:
    """So many months from January of a year on."""
    return [f"{first + index // 12}-{index % 12 + 1:02d}" for index in range(number)]


@dataclass
class Told:
    """The lines that a run told."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def __str__(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Exports:
    """The folder of the exports, with its plan."""

    folder: Path

    def month(self, month: str, rows: int = 20, *more: str) -> Path:
        """A month's file of the City's police, of rows with ids."""
        (self.folder / "colp").mkdir(exist_ok=True)
        lines = [street_row(f"{month}-{n}", month=month) for n in range(rows)]
        return street_csv(self.folder / "colp" / f"{month}-street.csv", *lines, *more)

    def write(self, name: str, text: str) -> Path:
        """A file beside the plan."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def plan(self) -> Plan:
        """The plan as it is now."""
        return read_plan(self.folder / "plan.toml")

    def run(self, services: Services) -> tuple[service.Outcome, Told]:
        """Follow the plan; how it ended and what was told."""
        told = Told()
        return service.run(services, COMMAND_LINE, self.plan, told), told


def exports_in(folder: Path, resources: Path, head: str = "", plan: str = PLAN) -> Exports:
    """Exports with organisations, people, terms, agreements and a plan, but for the files of incidents."""
    folder.mkdir()
    exports = Exports(folder)
    exports.write("organisations.csv", ORGANISATIONS)
    exports.write("people.csv", PEOPLE)
    exports.write("agreements.csv", AGREEMENTS)
    exports.write("plan.toml", plan.replace("{head}", head))
    (folder / "terms").mkdir()
    shutil.copy(resources / "terms" / "colp.toml", folder / "terms")
    return exports


def empty_server(folder: Path) -> Settings:
    """A server with areas and nothing else."""
    settings = settings_for(folder)
    give_areas(settings)
    return settings
