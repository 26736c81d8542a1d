"""What every benchmark is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .measuring import Measure
from .prepared import Prepared
from .programs import Desk

MANY_ROWS = 750_000  # about a year of the Met's


@dataclass(frozen=True)
class Place:
    """Where a benchmark works: the project, an empty folder, real files where there are any,
    the desk, and servers that the whole run shares."""

    root: Path
    scratch: Path
    real_data: Path
    desk: Desk
    servers: Prepared

    @property
    def server_python(self) -> Path:
        """The Python of the server's environment."""
        return self.root / ".venvs" / "server" / "bin" / "python"

    @property
    def resources(self) -> Path:
        """The project's resources."""
        return self.root / "resources"


@dataclass
class Outcome:
    """The measures, what could not be measured and why, and the versions of what was measured against."""

    measures: list[Measure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


Benchmark = Callable[[Place], Outcome]
