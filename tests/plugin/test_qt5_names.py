"""The script that finds what only Qt 5 has: it finds what it should, and nothing in the plugin."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("qt5_names", ROOT / "scripts" / "qt5_names.py")
qt5_names = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(qt5_names)

IMPORTS = "from qgis.PyQt import QtCore, QtWidgets\n"
IMPORTS += "from qgis.PyQt.QtCore import Qt, QVariant\nfrom qgis.PyQt.QtWidgets import QDialog, QFrame\n"


def found(source: str) -> list[str]:
    return [words for _line, words in qt5_names.names(IMPORTS + source, "x.py")]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("Qt.AlignLeft", "AlignmentFlag.AlignLeft"),
        ("QFrame.NoFrame", "QFrame.Shape.NoFrame"),
        ("QDialog.Accepted", "QDialog.DialogCode.Accepted"),
        ("QVariant.Int", "QMetaType"),
        ("dialog.exec_()", "exec"),
        ("from qgis.PyQt.QtCore import QRegExp", "QRegularExpression"),
        ("from PyQt5.QtCore import Qt", "qgis.PyQt"),
        ("from qgis.PyQt.QtWidgets import QAction", "QtGui"),
        ("QtCore.Qt.AlignLeft", "AlignmentFlag.AlignLeft"),
        ("QtCore.QVariant.String", "QMetaType"),
        ("QtWidgets.QAction", "QtGui"),
        ("QtWidgets.QSizePolicy.Expanding", "QSizePolicy.Policy.Expanding"),
        ("QVariant.Type", "QMetaType"),
        ("QVariant.Null", "QMetaType"),
        ("Qt.MidButton", "MiddleButton"),
        ("Qt.MouseButton.MidButton", "MiddleButton"),
        ("Qt.ItemDataRole.BackgroundColorRole", "BackgroundRole"),
        ("QtCore.QRegExp('x')", "QRegularExpression"),
        ("class D(QDialog):\n    x = QDialog\nD.Accepted", "QDialog.DialogCode.Accepted"),
        ("self.Accepted", "QDialog.DialogCode.Accepted"),
        ("getattr(Qt, 'AlignLeft')", "AlignmentFlag.AlignLeft"),
        ("int(Qt.AlignmentFlag.AlignLeft)", "its value"),
        ("int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)", "its value"),
        ("metrics.width('x')", "horizontalAdvance"),
        ("box.currentIndexChanged[str].connect(f)", "without a type"),
        ("from qgis.PyQt import QtWebKit", "no such module"),
        ("from qgis.PyQt.QtWebKitWidgets import QWebView", "no such module"),
        ("qApp.quit()", "instance"),
    ],
)
def test_what_only_qt_5_has_is_found(source: str, words: str) -> None:
    assert [one for one in found(source) if words in one]


@pytest.mark.parametrize(
    "source",
    [
        "Qt.AlignmentFlag.AlignLeft",
        "QFrame.Shape.NoFrame",
        "dialog.exec()",
        "from qgis.PyQt.QtGui import QAction",
        "QDialog.tr",
        "QtCore.Qt.AlignmentFlag.AlignLeft",
        "self.width()",
        "QVariant()",
        "sqlite3.Error",
        "getattr(Qt, name)",
        "texts['x'][str]",
    ],
)
def test_what_both_have_is_not(source: str) -> None:
    assert found(source) == []


def test_the_plugin_has_none(capsys) -> None:
    assert qt5_names.main([str(ROOT / "qgis_plugin"), str(ROOT / "shared")]) == 0, capsys.readouterr().out
