"""A server with two releases of real-looking street crime, and an incident that must go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safestats.tests.server.ingest_rig import load_street, publish_now, street_row
from safestats.tests.server.sync_rig import CAMDEN, Rig

MONTHS = ("2023-04", "2023-05", "2023-06")
SECRET = "Quillonby Mews"  # the street of the incident that must go
GONE = "gone-1"


def rows(month: str, *more: str, count: int = 8) -> list[str]:
    """A month's file: ordinary rows, and ``more``."""
    plain = [
        street_row(f"{month}-{n}", month=month, force="mps", street=f"On or near Plain Street {n}")
        for n in range(count)
    ]
    return [*plain, *more]


def gone(month: str = "2023-05", **fields: str) -> str:
    """The row of the incident that must go."""
    return street_row(GONE, month=month, force="mps", **{"street": f"On or near {SECRET}", **fields})


@dataclass
class RecallRig(Rig):
    """Release 1 holds three months and the incident; release 2 a corrected version of it."""

    @classmethod
    def published(cls, folder: Path, count: int = 8) -> RecallRig:
        """``count`` ordinary rows a month."""
        rig = cls.empty(folder)
        sent = folder.parent / "sent"
        sent.mkdir(parents=True, exist_ok=True)
        rig.load(sent / "2023-04-street.csv", *rows("2023-04", count=count))
        rig.load(sent / "2023-06-street.csv", *rows("2023-06", count=count))
        rig.load(sent / "2023-05-street.csv", *rows("2023-05", gone(), gone(month="2023-13"), count=count))
        publish_now(rig.services, "mps")
        rig.load(sent / "2023-05-again.csv", *rows("2023-05", gone(category="Robbery"), count=count))
        publish_now(rig.services, "mps")
        return rig

    @classmethod
    def empty(cls, folder: Path) -> RecallRig:
        """Areas and one organisation that may sync."""
        rig = cls.make(folder, areas=True)
        rig.organisation("camden")
        rig.agree("camden", {"areas": (CAMDEN,)})
        return rig

    def load(self, path: Path, *lines: str, **options: bool):
        return load_street(self.services, path, *lines, dataset="mps", **options)
