"""The shape that the project promises: who may import whom, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("shared", "qgis_plugin", "sync_server")
STANDARD_AND_NUMPY = {"numpy"}
PACKAGES = {path.parent.name for path in (ROOT / "sync_server").glob("*/__init__.py")}


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


def dotted(path: Path) -> str:
    """The module's name as seen from the root."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def taken(path: Path) -> Iterator[str]:
    """The names that a module's imports may mean when it runs: modules, and what they hold."""
    package = path.relative_to(ROOT).parent.parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in typing_only:
            base = ".".join([*package[: len(package) - (node.level - 1)], *filter(None, [node.module])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


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


@pytest.mark.parametrize(
    ("part", "foreign"),
    [
        # What stands on the desk's core stands beside each other, and nothing below knows what stands on it.
        ("qgis_plugin/core/analyses", ("qgis_plugin.core.explore",)),
        ("qgis_plugin/core/explore", ("qgis_plugin.core.analyses",)),
        (
            "qgis_plugin/core",
            ("qgis_plugin.gui", "qgis_plugin.layouts", "qgis_plugin.processing", "qgis_plugin.plugin"),
        ),
        ("qgis_plugin/layouts", ("qgis_plugin.gui", "qgis_plugin.processing", "qgis_plugin.plugin")),
        ("qgis_plugin/processing", ("qgis_plugin.gui", "qgis_plugin.plugin")),
        # The record of every use is made by itself, so that it can be proved by itself.
        ("sync_server/audit", tuple(f"sync_server.{name}" for name in sorted(PACKAGES - {"audit"}))),
        ("sync_server/mail", tuple(f"sync_server.{name}" for name in sorted(PACKAGES - {"mail"}))),
        # What a table was then stays, whatever the models say now.
        ("sync_server/migrations", tuple(f"sync_server.{name}" for name in sorted(PACKAGES - {"migrations"}))),
    ],
)
def test_arrows_lead_one_way(part: str, foreign: tuple[str, ...]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules(part)
        for line, name, _ in imports(path)
        if name.startswith(tuple(f"{one}." for one in foreign)) or name in foreign
    ]
    assert not wrong


def test_core_knows_no_analysis_by_name() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / "qgis_plugin" / "core").glob("*.py"))
        for line, name, _ in imports(path)
        if name.startswith("qgis_plugin.core.analyses")
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("package", "users"),
    [
        ("clients", {"about", "app"}),
        ("console", {"app"}),
        ("doctor", set()),
        ("learning", {"console"}),
        ("ogc", {"app"}),
        ("queries", {"app", "publishing"}),  # its worker removes what leavers leave
        ("sample", set()),
        ("sync", {"app"}),
    ],
)
def test_doors_are_opened_by_the_application_alone(package: str, users: set[str]) -> None:
    """No other package of the server leans on one that answers people or programs."""
    found = {
        path.relative_to(ROOT / "sync_server").with_suffix("").parts[0]
        for path in modules("sync_server")
        for _, name, _ in imports(path)
        if name.startswith(f"sync_server.{package}.") or name == f"sync_server.{package}"
    }
    assert found - {package} == users


def test_no_module_leads_back_to_itself() -> None:
    names = {dotted(path): path for part in PARTS for path in modules(part)}
    ahead = {name: {one for one in taken(path) if one in names} - {name} for name, path in names.items()}
    while leaves := [name for name, others in ahead.items() if not others]:
        ahead = {name: others.difference(leaves) for name, others in ahead.items() if name not in leaves}
    # What only such a module leads to is not part of the circle.
    while roots := set(ahead) - {one for others in ahead.values() for one in others}:
        ahead = {name: others for name, others in ahead.items() if name not in roots}
    assert not ahead


def test_the_documentation_names_every_package() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    there = {
        path.parent.relative_to(ROOT).as_posix()
        for part in PARTS
        for path in (ROOT / part).rglob("__init__.py")
        if "versions" not in path.parts
    }
    assert [name for name in sorted(there) if f"`{name}/`" not in told] == []


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
