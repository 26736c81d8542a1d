"""The register of hospitals: a file, so that their number is nobody's constant."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ...shared.postcodes import PostcodeError, parse
from ..errors import SafeStatsError

HOSPITALS_FILE = "hospitals/hospitals.csv"  # in resources/, and in the server's folder where another is loaded
_COLUMNS = ("code", "name", "postcode", "trust", "from", "to")


@dataclass(frozen=True)
class Hospital:
    """A site that treats and reports. ``since`` and ``until`` bound its part in it."""

    code: str
    name: str
    postcode: str
    trust: str
    since: date | None
    until: date | None
    other_names: tuple[str, ...] = ()

    def takes_part(self, day: date) -> bool:
        """Whether it took part on the day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


def hospitals_file(data_dir: Path, resources_dir: Path) -> Path:
    """The register that is in force: the loaded one, else the supplied one."""
    loaded = data_dir / HOSPITALS_FILE
    return loaded if loaded.exists() else resources_dir / HOSPITALS_FILE


def read_hospitals(path: Path) -> dict[str, Hospital]:
    """The hospitals by code; raises ``SafeStatsError`` with one sentence where the file is none of hospitals."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SafeStatsError(
            f"{path.name} cannot be read as a CSV file in UTF-8: save it so, then try again."
        ) from error
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise SafeStatsError(
            f"{path.name} has no column “{missing[0]}”: a register of hospitals has {', '.join(_COLUMNS)}."
        )
    found: dict[str, Hospital] = {}
    for line, row in enumerate(reader, start=2):
        code = (row["code"] or "").strip().upper()
        try:
            postcode = str(parse(row["postcode"] or ""))
            since, until = (date.fromisoformat(row[end]) if row[end] else None for end in ("from", "to"))
        except (PostcodeError, ValueError) as error:
            raise SafeStatsError(f"{path.name}, line {line}: {error}") from error
        if not code or not row["name"]:
            raise SafeStatsError(f"{path.name}, line {line}: a hospital needs a code and a name.")
        if code in found:
            raise SafeStatsError(f"{path.name}, line {line}: the code {code} is there twice.")
        others = tuple(name.strip() for name in (row.get("other_names") or "").split(";") if name.strip())
        found[code] = Hospital(code, row["name"].strip(), postcode, (row["trust"] or "").strip(), since, until, others)
    if not found:
        raise SafeStatsError(f"{path.name} holds no hospital.")
    return found
