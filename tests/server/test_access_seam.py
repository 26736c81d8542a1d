"""Incidents are read through ``readable`` alone: the source is searched for anybody who goes round it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.engineless

SERVER = Path(__file__).resolve().parents[2] / "sync_server"
MAY_NAME_TABLES = {
    "datasets/change_counts.py",  # what publishers compare
    "datasets/incidents.py",
    "datasets/service.py",
    "datasets/versions.py",
    "datasets/erasing.py",  # names what is to go, and shows it to nobody
    "agreements/readable.py",
}
# Counts by month of all rows: what publishing compares, never what anybody is shown.
COUNTS = {"rows_by_period", "changes_by_period", "days_of_month", "changed_days_of_month", "change_counts"}
MAY_COUNT = {"publishing", "ranks"}
CODES = "|".join(sorted(path.stem for path in (SERVER.parent / "resources" / "datasets").glob("*.toml")))
TABLE = re.compile(rf"\bincident_(?:$|(?:{CODES})\b)")  # one by its name, or the start of any


def offences(source: str, module: str) -> list[str]:
    """Where a module names an incident table, or counts its rows without being a publisher."""
    if module in MAY_NAME_TABLES or module.startswith(("ingest/", "spatial/")):
        return []
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and TABLE.search(node.value):
            names = ["incident_table"]
        for name in names:
            if name == "incident_table" or (name in COUNTS and module.split("/")[0] not in MAY_COUNT):
                found.append(f"{module}:{getattr(node, 'lineno', 0)} {name}")
    return found


def test_no_other_module_names_an_incident_table() -> None:
    found = [
        offence
        for path in sorted(SERVER.rglob("*.py"))
        for offence in offences(path.read_text(encoding="utf-8"), path.relative_to(SERVER).as_posix())
    ]
    assert not found


def test_the_search_finds_what_it_should() -> None:
    assert offences("from ..datasets.incidents import incident_table", "sync/service.py")
    assert offences("from ..datasets import incidents\nincidents.incident_table(d)", "sync/service.py")
    assert offences('text("SELECT count(*) FROM incident_mps")', "sync/service.py")
    assert offences('text(f"SELECT count(*) FROM incident_{code}")', "sync/service.py")
    assert offences("from ..datasets.incidents import rows_by_period", "sync/service.py")
    assert not offences("from ..agreements.readable import readable", "sync/service.py")
