"""What is checked of the plugin's zip before anybody gets it; the scanners themselves run in ``make lint``."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("check_package", ROOT / "scripts" / "check_package.py")
check_package = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_package)

GOOD = ["safestats/LICENSE", "safestats/metadata.txt", "safestats/__init__.py", "safestats/resources/x.gpkg"]
METADATA = (ROOT / "metadata.txt").read_text(encoding="utf-8")


ADDRESSES = """email=desk@safestats.london
homepage=https://safestats.london/plugin
tracker=https://safestats.london/plugin/issues
repository=https://safestats.london/plugin.git
"""


def with_addresses(addresses: str = ADDRESSES) -> str:
    return METADATA.replace("author=", f"{addresses}author=", 1)


def test_the_plugins_metadata_have_what_the_site_asks_for_and_no_address_that_is_nobodys() -> None:
    assert list(check_package.metadata_troubles(METADATA)) == []
    lacking = list(check_package.metadata_troubles(METADATA, listed=True))
    assert lacking == [f"metadata.txt has no {name}." for name in ("email", "homepage", "tracker", "repository")]
    assert list(check_package.metadata_troubles(with_addresses(), listed=True)) == []
    for nobody in ("https://example.org/safestats", "https://plugin.safestats.invalid", "https://localhost:8520/"):
        told = check_package.metadata_troubles(with_addresses().replace("https://safestats.london/plugin.git", nobody))
        assert any("address of nobody" in trouble for trouble in told)


def test_whoever_packages_the_plugin_says_where_it_is_kept(tmp_path: Path) -> None:
    said = dict(line.split("=", 1) for line in ADDRESSES.splitlines())
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in (
        ".venvs",
        "metadata.txt",
        "pb_tool.cfg",
        "__init__.py",
        "qgis_plugin",
        "shared",
        "resources",
        "LICENSE",
    ):
        (tmp_path / name).symlink_to(ROOT / name)
    told = {f"SAFESTATS_PLUGIN_{name.upper()}": value for name, value in said.items()}
    subprocess.run([tmp_path / "scripts" / "package.sh"], env={**os.environ, **told}, check=True, capture_output=True)
    with zipfile.ZipFile(tmp_path / "build" / "safestats.zip") as package:
        metadata = package.read("safestats/metadata.txt").decode()
    assert list(check_package.metadata_troubles(metadata, listed=True)) == []
    assert all(f"\n{name}={value}\n" in metadata for name, value in said.items())


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("email=", "mail=", "no email"),
        ("tracker=", "tracked=", "no tracker"),
        ("name=SafeStats", "name=SafeStats plugin", "the word"),
        ("qgisMaximumVersion=4.99", "qgisMaximumVersion=3.99", "QGIS 4"),
        ("tracker=https", "tracker=http", "no https"),
        ("[general]", "[generally]", "no name"),
    ],
)
def test_metadata_without_it_are_refused(was: str, becomes: str, words: str) -> None:
    metadata = with_addresses()
    assert was in metadata
    assert any(words in trouble for trouble in check_package.metadata_troubles(metadata.replace(was, becomes)))


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


@pytest.mark.parametrize("comment", ["# nosec", "# nosec B101", "# nosec B608, B101", "#nosec"])
def test_bandit_is_told_to_pass_over_one_rule_only(tmp_path: Path, comment: str) -> None:
    (tmp_path / "x.py").write_text(f"a = 1  {comment}\n")
    (tmp_path / "y.py").write_text("a = 1  # nosec B608 # quoted names\nb = 2  # nosec B608\n")
    assert [trouble.split(":")[0] for trouble in check_package.passing_troubles(tmp_path)] == ["x.py"]
