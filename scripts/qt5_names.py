"""Finds names that only Qt 5 has in the plugin's source, by the PyQt of the desk's environment, in which it runs.

    python scripts/qt5_names.py qgis_plugin shared

What it knows: values of enumerations without the enumeration's own name (Qt 6 wants ``Qt.AlignmentFlag.AlignLeft``), by
way of a module, of ``self``, of a class that inherits and of ``getattr`` too; values, classes, methods and modules that
Qt 6 has no more, classes that moved to another module, ``int()`` of a value, imports of a PyQt past ``qgis.PyQt``. It
does not know of what kind an object is (``event.x()`` of a mouse's event is gone, that of a point is not), and leaves
QGIS's own enumerations to QGIS.
"""

from __future__ import annotations

import ast
import importlib
import sys
import types
from collections.abc import Iterator
from functools import lru_cache
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
    "fromTime_t": "fromSecsSinceEpoch",
    "QDirModel": "QFileSystemModel",
    "QGLWidget": "QOpenGLWidget",
    "delta": "angleDelta",
    "desktop": "QScreen",
    # Values that are gone whatever stands before them.
    "MidButton": "MiddleButton",
    "BackgroundColorRole": "BackgroundRole",
    "TextColorRole": "ForegroundRole",
    "HighQualityAntialiasing": "Antialiasing",
    "MatchRegExp": "MatchRegularExpression",
    "SystemLocaleShortDate": "QLocale",
    "SystemLocaleLongDate": "QLocale",
    "AA_EnableHighDpiScaling": "nothing",
    "AA_UseHighDpiPixmaps": "nothing",
}
GONE_MODULES = {"QtWebKit", "QtWebKitWidgets", "QtScript", "QtXmlPatterns"}
# Signals that came in two kinds, and were told apart by a type.
_TWOFOLD = {"activated", "buttonClicked", "currentIndexChanged", "highlighted", "valueChanged"}
MOVED = dict.fromkeys(
    ("QAction", "QActionGroup", "QFileSystemModel", "QShortcut", "QUndoCommand", "QUndoGroup", "QUndoStack"), "QtGui"
)


def names(source: str, file: str) -> Iterator[tuple[int, str]]:
    """The line of each such name, and what to write instead."""
    tree = ast.parse(source, file)
    known: dict[str, Any] = {}  # classes and modules of Qt by the names that the file has for them
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imported(node, known)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            heirs_of = [base for base in (_meant(one, known) for one in node.bases) if isinstance(base, type)]
            known.update(dict.fromkeys([node.name], heirs_of[0]) if heirs_of else {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from _attribute(node, node.value, node.attr, known)
        elif isinstance(node, ast.Name) and node.id in GONE and isinstance(node.ctx, ast.Load):
            if node.id.startswith("Q") or node.id == "qApp":  # others are names of the file's own
                yield node.lineno, f"{node.id}: {GONE[node.id]}"
        elif isinstance(node, ast.Call):
            yield from _call(node, known)
        elif isinstance(node, ast.Subscript):
            yield from _subscript(node)


def _subscript(node: ast.Subscript) -> Iterator[tuple[int, str]]:
    told_apart = isinstance(node.slice, ast.Name) and node.slice.id in ("str", "int")
    if told_apart and isinstance(node.value, ast.Attribute) and node.value.attr in _TWOFOLD:
        yield node.lineno, f".{ast.unparse(node).rpartition('.')[2]}: the signal without a type"


def _imported(node: ast.Import | ast.ImportFrom, known: dict[str, Any]) -> Iterator[tuple[int, str]]:
    module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        full = module or alias.name
        if full.split(".")[0] in ("PyQt5", "PyQt6", "PySide2", "PySide6", "sip"):
            yield node.lineno, f"import {full}: qgis.PyQt"
        if not f"{module}.".startswith("qgis.PyQt."):
            continue
        if GONE_MODULES & {alias.name, module.rpartition(".")[2]}:
            yield node.lineno, f"{alias.name} of {module}: Qt 6 has no such module"
            continue
        if alias.name in GONE:
            yield node.lineno, f"{alias.name}: {GONE[alias.name]}"
            continue
        if module == "qgis.PyQt":
            known[alias.asname or alias.name] = importlib.import_module(f"{module}.{alias.name}")
            continue
        if alias.name in MOVED and module != f"qgis.PyQt.{MOVED[alias.name]}":
            yield node.lineno, f"{alias.name} of {module}: of qgis.PyQt.{MOVED[alias.name]}"
        found = getattr(importlib.import_module(module), alias.name, None)
        if isinstance(found, type):
            known[alias.asname or alias.name] = found


def _meant(node: ast.expr, known: dict[str, Any]) -> Any:
    """The class or module of Qt that an expression names; ``None`` where it names something else."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _meant(node.value, known)
        return getattr(owner, node.attr, None) if owner is not None else None
    return None


def _attribute(node: ast.expr, value: ast.expr, name: str, known: dict[str, Any]) -> Iterator[tuple[int, str]]:
    if name in GONE:
        yield node.lineno, f".{name}: {GONE[name]}"
        return
    owner = _meant(value, known)
    if isinstance(owner, types.ModuleType):
        if name in MOVED and not owner.__name__.endswith(MOVED[name]):
            yield node.lineno, f"{owner.__name__}.{name}: of qgis.PyQt.{MOVED[name]}"
    elif isinstance(owner, type) and owner.__name__ == "QVariant":
        if name[0].isupper():
            yield node.lineno, f"QVariant.{name}: QMetaType.Type.…"
    elif isinstance(owner, type) and not _is_enumeration(owner):
        # A value of an enumeration that is a member of the class: PyQt 5 lets its name be left out.
        kind = type(getattr(owner, name, None))
        if _is_enumeration(kind):
            yield node.lineno, f"{owner.__name__}.{name}: {kind.__qualname__}.{name}"
    elif isinstance(value, ast.Name) and value.id in ("self", "cls") and name in _values():
        yield node.lineno, f"{value.id}.{name}: {_values()[name]}.{name}"


def _call(node: ast.Call, known: dict[str, Any]) -> Iterator[tuple[int, str]]:
    called = node.func.id if isinstance(node.func, ast.Name) else ""
    if called == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
        yield from _attribute(node, node.args[0], str(node.args[1].value), known)
    elif called == "int" and len(node.args) == 1 and _adds_values(node.args[0], known):
        yield node.lineno, f"int({ast.unparse(node.args[0])}): its value"
    elif isinstance(node.func, ast.Attribute) and node.func.attr == "width" and node.args:
        yield node.lineno, ".width(text): horizontalAdvance"


def _adds_values(node: ast.expr, known: dict[str, Any]) -> bool:
    """Whether it is a value of an enumeration, or several of them put together."""
    if isinstance(node, ast.BinOp):
        return _adds_values(node.left, known) or _adds_values(node.right, known)
    return _is_enumeration(type(_meant(node, known)))


def _is_enumeration(kind: type) -> bool:
    return issubclass(kind, int) and "." in kind.__qualname__ and kind.__module__.startswith("PyQt")


@lru_cache(maxsize=1)
def _values() -> dict[str, str]:
    """The values of all enumerations of Qt's windows, and the enumeration of each."""
    found: dict[str, str] = {}
    for name in ("QtCore", "QtGui", "QtWidgets", "QtNetwork", "QtPrintSupport"):
        for owner in vars(importlib.import_module(f"qgis.PyQt.{name}")).values():
            if not isinstance(owner, type):
                continue
            for value, held in vars(owner).items():
                if _is_enumeration(type(held)) and value[0].isupper():
                    found[value] = type(held).__qualname__
    return found


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
