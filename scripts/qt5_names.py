"""Finds names that only Qt 5 has in the plugin's source, by the PyQt of the desk's environment, in which it runs.

    python scripts/qt5_names.py qgis_plugin shared

What it knows: values of enumerations without the enumeration's own name (Qt 6 wants ``Qt.AlignmentFlag.AlignLeft``),
classes and methods that Qt 6 has no more, classes that moved to another module, imports of a PyQt past ``qgis.PyQt``.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GONE = {
    "exec_": "exec",
    "print_": "print",
    "QRegExp": "QRegularExpression",
    "QRegExpValidator": "QRegularExpressionValidator",
    "QDesktopWidget": "QScreen",
    "QTextCodec": "QStringDecoder",
    "QMatrix": "QTransform",
    "QSignalMapper": "a lambda",
    "QWebView": "QTextBrowser",
    "QWebPage": "QTextDocument",
    "QNetworkConfigurationManager": "QNetworkInformation",
    "qApp": "QApplication.instance()",
    "toTime_t": "toSecsSinceEpoch",
}
MOVED = {"QAction": "QtGui", "QActionGroup": "QtGui", "QShortcut": "QtGui"}
# Of QVariant, Qt 6 keeps the value and leaves the types to QMetaType.
_VARIANT_TYPES = {
    "Int",
    "Double",
    "String",
    "Bool",
    "Date",
    "DateTime",
    "Time",
    "LongLong",
    "List",
    "StringList",
    "Type",
}


def names(source: str, file: str) -> Iterator[tuple[int, str]]:
    """The line of each such name, and what to write instead."""
    tree = ast.parse(source, file)
    classes: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imported(node, classes)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from _attribute(node, classes)
        elif isinstance(node, ast.Name) and node.id in GONE:
            yield node.lineno, f"{node.id}: {GONE[node.id]}"


def _imported(node: ast.Import | ast.ImportFrom, classes: dict[str, Any]) -> Iterator[tuple[int, str]]:
    module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        if (module or alias.name).split(".")[0] in ("PyQt5", "PyQt6", "PySide2", "PySide6", "sip"):
            yield node.lineno, f"import {module or alias.name}: qgis.PyQt"
        if not module.startswith("qgis.PyQt."):
            continue
        if alias.name in GONE:
            yield node.lineno, f"{alias.name}: {GONE[alias.name]}"
            continue
        if alias.name in MOVED and module != f"qgis.PyQt.{MOVED[alias.name]}":
            yield node.lineno, f"{alias.name} of {module}: of qgis.PyQt.{MOVED[alias.name]}"
        found = getattr(importlib.import_module(module), alias.name, None)
        if isinstance(found, type):
            classes[alias.asname or alias.name] = found


def _attribute(node: ast.Attribute, classes: dict[str, Any]) -> Iterator[tuple[int, str]]:
    if node.attr in GONE:
        yield node.lineno, f".{node.attr}: {GONE[node.attr]}"
    if not isinstance(node.value, ast.Name) or node.value.id not in classes:
        return
    owner = classes[node.value.id]
    if owner.__name__ == "QVariant" and node.attr in _VARIANT_TYPES:
        yield node.lineno, f"QVariant.{node.attr}: QMetaType.Type.…"
        return
    kind = type(getattr(owner, node.attr, None))
    # A value of an enumeration that is a member of the class: PyQt 5 lets its name be left out.
    if issubclass(kind, int) and "." in kind.__qualname__ and kind.__module__.startswith("PyQt"):
        yield node.lineno, f"{node.value.id}.{node.attr}: {kind.__qualname__}.{node.attr}"


def main(folders: list[str]) -> int:
    """Print what is found; 1 where there is anything."""
    found = 0
    for path in sorted(file for folder in folders for file in Path(folder).rglob("*.py")):
        for line, words in names(path.read_text(encoding="utf-8"), str(path)):
            print(f"{path}:{line}: {words}")
            found += 1
    print(f"Qt 5 only: {found or 'no'} name{'s' * (found != 1)} in {', '.join(folders)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
