"""The shape that the project promises: who may import whom, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("shared", "qgis_plugin", "sync_server")
STANDARD_AND_NUMPY = {"numpy"}


def modules(part: str) -> list[Path]:
    return sorted((ROOT / part).rglob("*.py"))


def imports(path: Path) -> list[tuple[int, str, int]]:
    """(line, dotted name as seen from the root, level) of every import in a file, also inside functions."""
    found = []
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - (node.level - 1)]
                name = ".".join([*base, *filter(None, [node.module])])
                found.append((node.lineno, name, node.level))
                if not node.module:
                    found += [(node.lineno, f"{name}.{alias.name}".lstrip("."), node.level) for alias in node.names]
            else:
                found.append((node.lineno, node.module or "", 0))
    return found


@pytest.mark.parametrize("part", PARTS)
def test_the_parts_are_imported_relatively(part: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules(part)
        for line, name, level in imports(path)
        if level == 0 and name.split(".")[0] in (*PARTS, "safestats")
    ]
    # The command line runs migrations and workers by name; nothing else needs the absolute one.
    assert not wrong


@pytest.mark.parametrize(
    ("part", "foreign"),
    [
        ("shared", ("qgis_plugin", "sync_server")),
        ("qgis_plugin", ("sync_server",)),
        ("sync_server", ("qgis_plugin",)),
    ],
)
def test_the_sides_never_import_each_other(part: str, foreign: tuple[str, ...]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules(part)
        for line, name, _ in imports(path)
        if name.split(".")[0] in foreign
    ]
    assert not wrong


def test_shared_needs_the_standard_library_and_numpy_only() -> None:
    import sys

    allowed = set(sys.stdlib_module_names) | STANDARD_AND_NUMPY | {"shared", "__future__"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules("shared")
        for line, name, _ in imports(path)
        if name and name.split(".")[0] not in allowed
    ]
    assert not wrong


def test_the_plugin_reaches_qt_through_qgis_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules("qgis_plugin")
        for line, name, _ in imports(path)
        if name.split(".")[0] in ("PyQt5", "PyQt6", "PySide6", "sip")
    ]
    assert not wrong


def test_core_has_no_widgets() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules("qgis_plugin/core")
        for line, name, _ in imports(path)
        if name in ("qgis.PyQt.QtWidgets", "qgis.gui") or name.startswith("qgis_plugin.gui")
    ]
    assert not wrong


def test_every_package_is_listed_for_installation() -> None:
    if not hasattr(__import__("sys"), "stdlib_module_names"):
        pytest.skip("needs Python 3.11's tomllib")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    there = {
        ".".join(["safestats", *path.parent.relative_to(ROOT).parts])
        for part in PARTS
        for path in (ROOT / part).rglob("__init__.py")
    } | {"safestats"}
    assert there <= listed
