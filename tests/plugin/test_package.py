"""What is checked of the plugin's zip before anybody gets it; the scanners themselves run in ``make lint``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("check_package", ROOT / "scripts" / "check_package.py")
check_package = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_package)

GOOD = ["safestats/LICENSE", "safestats/metadata.txt", "safestats/__init__.py", "safestats/resources/x.gpkg"]
METADATA = (ROOT / "metadata.txt").read_text(encoding="utf-8")


def test_the_plugins_metadata_have_what_the_site_asks_for() -> None:
    assert list(check_package.metadata_troubles(METADATA)) == []


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("email=", "mail=", "no email"),
        ("name=SafeStats", "name=SafeStats plugin", "the word"),
        ("qgisMaximumVersion=4.99", "qgisMaximumVersion=3.99", "QGIS 4"),
        ("tracker=https", "tracker=http", "no https"),
        ("[general]", "[generally]", "no name"),
    ],
)
def test_metadata_without_it_are_refused(was: str, becomes: str, words: str) -> None:
    assert was in METADATA
    assert any(words in trouble for trouble in check_package.metadata_troubles(METADATA.replace(was, becomes)))


def test_a_good_tree_passes() -> None:
    assert list(check_package.tree_troubles(GOOD)) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (GOOD[1:], "LICENSE is missing"),
        ([*GOOD, "other/x.py"], "one folder"),
        ([name.replace("safestats", "safe-stats") for name in GOOD], "one folder"),
        ([*GOOD, "safestats/__pycache__/x.pyc"], "does not belong"),
        ([*GOOD, "safestats/.secret"], "does not belong"),
        ([*GOOD, "safestats/../x.py"], "does not belong"),
        ([*GOOD, "safestats/x.so"], "compiled"),
    ],
)
def test_a_tree_with_anything_else_is_refused(names: list[str], words: str) -> None:
    assert any(words in trouble for trouble in check_package.tree_troubles(names))


def test_a_binary_that_nothing_announces_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(b"a = 1\0")
    (tmp_path / "x.png").write_bytes(b"\0")
    assert list(check_package.binary_troubles(tmp_path)) == ["x.py is binary."]
