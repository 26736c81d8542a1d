"""Checks the plugin's zip as plugins.qgis.org does before it takes one: run it in the environment “checks”.

    python scripts/check_package.py [--listed] build/safestats.zip

A zip that one's own server hands out needs no addresses; ``--listed``: it is meant for plugins.qgis.org, which does.
Metadata, licence, layout and size; then Bandit with all its rules, detect-secrets and flake8 on the unpacked tree. A
line that Bandit is told to pass over (``# nosec``) has to name the one rule, which has to be B608. What it
cannot check is that the links in the metadata answer: that takes the network.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path, PurePosixPath

REQUIRED = ("name", "description", "version", "qgisMinimumVersion", "author", "about", "license")
# Whom to ask, and where: set by whoever hands the plugin out, all of them or none.
LINKS = ("homepage", "tracker", "repository")
ASKED = ("email", *LINKS)
# Names that are nobody's (RFC 2606).
_NOWHERE = re.compile(r"(?:^|[.@/])(?:example\.(?:org|com|net)|[\w-]+\.(?:example|invalid|test)|localhost)(?:[/:]|$)")
LARGEST = 25_000_000
_NEVER = {"__pycache__", ".git", "__MACOSX", "tests"}
# Binary files that a plugin may well hold.
_DATA = {".gpkg", ".gz", ".png", ".qm"}
_PROGRAMS = {".pyc", ".so", ".dll", ".dylib", ".pyd", ".exe"}
# B608: SQL whose names come from ``core/sql_text.py``; values are bound. No other rule of Bandit's is passed over.
_PASSING_OVER = re.compile(r"#\s*nosec\b")
_PASSED_OVER = re.compile(r"# nosec B608( # [\w ]+)?$")
_LINE_LENGTH = 120


def metadata_troubles(text: str, listed: bool = False) -> Iterator[str]:
    """What is wrong with a ``metadata.txt``, a sentence each; ``listed``: for plugins.qgis.org."""
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    fields = dict(parser["general"]) if parser.has_section("general") else {}
    asked = ASKED if listed or any(name in fields for name in ASKED) else ()
    for name in (*REQUIRED, *asked):
        if not fields.get(name, "").strip():
            yield f"metadata.txt has no {name}."
    if "plugin" in fields.get("name", "").lower():
        yield "The name holds the word “plugin”."
    if not fields.get("qgisMaximumVersion", "").startswith("4."):
        yield "metadata.txt names no qgisMaximumVersion of QGIS 4, so that QGIS 4 would hide the plugin."
    for name in LINKS:
        if not fields.get(name, "https://").startswith("https://"):
            yield f"{name} is no https address."
    for name in ASKED:
        if _NOWHERE.search(fields.get(name, "")):
            yield f"{name} is an address of nobody: {fields[name]}."


def tree_troubles(names: list[str]) -> Iterator[str]:
    """What is wrong with the names in a zip, a sentence each."""
    tops = {PurePosixPath(name).parts[0] for name in names}
    if len(tops) != 1 or not next(iter(tops)).isidentifier():
        yield f"The zip has to have one folder with the name of a Python package, not {', '.join(sorted(tops))}."
    top = sorted(tops)[0]
    for needed in ("LICENSE", "metadata.txt", "__init__.py"):
        if f"{top}/{needed}" not in names:
            yield f"{top}/{needed} is missing."
    for name in names:
        path = PurePosixPath(name)
        if ".." in path.parts or _NEVER & set(path.parts) or path.name.startswith("."):
            yield f"{name} does not belong into the zip."
        elif path.suffix in _PROGRAMS:
            yield f"{name} is a compiled program."


def binary_troubles(tree: Path) -> Iterator[str]:
    """Files that are binary though nothing says that they hold data."""
    for path in sorted(tree.rglob("*")):
        if path.is_file() and path.suffix not in _DATA and b"\0" in path.read_bytes():
            yield f"{path.relative_to(tree)} is binary."


def passing_troubles(tree: Path) -> Iterator[str]:
    """Lines that tell Bandit to pass over more than one rule, or another one than is agreed."""
    for path in sorted(tree.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _PASSING_OVER.search(line) and not _PASSED_OVER.search(line):
                yield f"{path.relative_to(tree)}:{number}: “# nosec” without B608, or with more."


def scanner_troubles(tree: Path) -> Iterator[str]:
    """What the three scanners find, a line each."""
    bandit = _output("bandit", "-q", "-r", ".", "-f", "json", tree=tree)
    for found in json.loads(bandit)["results"]:
        yield f"Bandit {found['test_id']}: {found['filename']}:{found['line_number']}: {found['issue_text']}"
    secrets = _output("detect_secrets", "scan", "--all-files", ".", tree=tree)
    for file, results in json.loads(secrets)["results"].items():
        for found in results:
            yield f"detect-secrets: {file}:{found['line_number']}: {found['type']}"
    # E203 and W503 are about where formatters put blanks and breaks.
    flake8 = ("flake8", f"--max-line-length={_LINE_LENGTH}", "--extend-ignore=E203,W503", ".")
    for line in _output(*flake8, tree=tree).splitlines():
        yield f"flake8: {line}"


def _output(module: str, *arguments: str, tree: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=tree, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):  # 1: something was found
        raise SystemExit(f"{module} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def troubles(package: Path, listed: bool) -> Iterator[str]:
    """All that is wrong with the zip, a sentence each; ``listed``: for plugins.qgis.org."""
    if package.stat().st_size > LARGEST:
        yield f"The zip is larger than {LARGEST / 1e6:.0f} MB."
    with zipfile.ZipFile(package) as zipped, tempfile.TemporaryDirectory() as folder:
        names = [name for name in zipped.namelist() if not name.endswith("/")]
        wrong = list(tree_troubles(names))
        yield from wrong
        if wrong:
            return
        zipped.extractall(folder)
        (tree,) = Path(folder).iterdir()
        yield from metadata_troubles((tree / "metadata.txt").read_text(encoding="utf-8"), listed)
        yield from binary_troubles(tree)
        yield from passing_troubles(tree)
        yield from scanner_troubles(tree)


def main(package: Path, listed: bool) -> int:
    """Print what is wrong; 1 where anything is."""
    found = list(troubles(package, listed))
    words = "as plugins.qgis.org wants it" if listed else "as plugins.qgis.org wants it, addresses aside"
    print("\n".join(found) or f"{package}: {words} ({package.stat().st_size / 1e6:.1f} MB)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1]), "--listed" in sys.argv[1:-1]))
