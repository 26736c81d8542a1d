"""Changes the decisions about rights one by one, in a copy, and tells which changes no test notices.

    .venvs/server/bin/python scripts/mutation.py [--processes 2] [--only scope.py]

Each mutant is tried with the tests named below, on the embedded engine. docs/mutation.md explains what survives.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
AGREEMENTS = "sync_server/agreements"
TARGETS = ("scope.py", "readable.py", "ceiling.py", "months.py", "terms.py")
# What only words, publishing or the loading of files depend on has tests elsewhere.
LEFT_OUT = {
    "precision_in_words",
    "excess",
    "live_scopes",
    "rows_by_grant",
    "read_terms",
    "load_terms",
    "load_terms_folder",
    "datasets_without_terms",
    "_terms",
    "_trouble",
    "describe_terms",
}
ONLY_IN = {"terms.py": {"ceiling_on", "ceiling_of", "terms_of"}}
TESTS = ("tests/server/test_rights.py", "tests/server/test_readable.py")
_TIMEOUT_SECONDS = 120

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_RENAMED = {"and_": "or_", "or_": "and_", "max": "min", "min": "max", "any": "all", "all": "any"}
_RENAMED |= {"is_": "is_not", "is_not": "is_"}


Change = Callable[[Any], None]


@dataclass(frozen=True)
class Mutant:
    """One change: where, what, and the module's source with it."""

    file: str
    line: int
    what: str
    source: str


def mutants(file: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module."""
    tree = ast.parse(source)
    for function in _functions(tree, file):
        for node in ast.walk(function):
            for what, change in _changes(node):
                changed = copy.deepcopy(tree)
                twin = _twin(changed, tree, node)
                change(twin)
                text = ast.unparse(ast.fix_missing_locations(changed))
                yield Mutant(file, getattr(node, "lineno", function.lineno), f"{function.name}: {what}", text)


def _functions(tree: ast.Module, file: str) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name not in LEFT_OUT:
            if file in ONLY_IN and node.name not in ONLY_IN[file]:
                continue
            yield node


def _twin(changed: ast.AST, tree: ast.AST, node: ast.AST) -> ast.AST:
    """The node of the copy that stands where ``node`` does."""
    return next(twin for twin, original in zip(ast.walk(changed), ast.walk(tree), strict=True) if original is node)


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            other = _COMPARED[type(operator)]
            yield f"{type(operator).__name__} → {other.__name__} in {_short(node)}", _set_operator(index, other)
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"and ↔ or in {_short(node)}", lambda twin, new=other_op: setattr(twin, "op", new())
        for index, value in enumerate(node.values):
            yield f"without “{_short(value)}” in {_short(node)}", _drop("values", index)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"without not in {_short(node)}", _negate
    elif isinstance(node, ast.IfExp):
        yield f"always the first of {_short(node)}", lambda twin: setattr(twin, "test", ast.Constant(True))
        yield f"always the second of {_short(node)}", lambda twin: setattr(twin, "test", ast.Constant(False))
    elif isinstance(node, ast.If):
        yield f"always: if {_short(node.test)}", lambda twin: setattr(twin, "test", ast.Constant(True))
        yield f"never: if {_short(node.test)}", lambda twin: setattr(twin, "test", ast.Constant(False))
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int)):
        news = [not node.value] if isinstance(node.value, bool) else [node.value + 1, node.value - 1]
        for new in news:
            yield f"{node.value} → {new}", lambda twin, new=new: setattr(twin, "value", new)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.BitAnd)):
        other_bin = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr}[type(node.op)]
        yield (
            f"{type(node.op).__name__} → {other_bin.__name__} in {_short(node)}",
            (lambda twin, new=other_bin: setattr(twin, "op", new())),
        )
    elif isinstance(node, ast.comprehension):
        for index, test in enumerate(node.ifs):
            yield f"without “if {_short(test)}”", _drop("ifs", index)
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _RENAMED:
            yield f"{name} → {_RENAMED[name]} in {_short(node)}", _rename(_RENAMED[name])
        if name in ("and_", "or_") and len(node.args) > 1:
            for index, value in enumerate(node.args):
                yield f"without “{_short(value)}” in {_short(node)}", _drop("args", index)
    if isinstance(node, ast.stmt) and _droppable(node):
        yield f"without: {_short(node)}", _nothing_instead


def _droppable(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Continue, ast.Raise)):
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _set_operator(index: int, other: type[ast.cmpop]) -> Change:
    def change(twin: ast.Compare) -> None:
        twin.ops[index] = other()

    return change


def _drop(member: str, index: int) -> Change:
    def change(twin: ast.AST) -> None:
        values = getattr(twin, member)
        del values[index]

    return change


def _negate(twin: ast.UnaryOp) -> None:
    """``not x`` becomes ``not not x``."""
    twin.operand = ast.UnaryOp(ast.Not(), twin.operand)


def _rename(name: str) -> Change:
    def change(twin: ast.Call) -> None:
        if isinstance(twin.func, ast.Attribute):
            twin.func.attr = name
        else:
            assert isinstance(twin.func, ast.Name)
            twin.func.id = name

    return change


def _nothing_instead(twin: ast.stmt) -> None:
    """Turn a statement into one that does nothing."""
    twin.__class__ = ast.Expr  # type: ignore[assignment]
    twin.value = ast.Constant(None)  # type: ignore[attr-defined]


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:90]


# Libraries take longer to import than most mutants take to be found out: a process that has them forks for each.
_FORKING = """
import importlib, os, sys
sys.path.insert(0, sys.argv[1])
for name in ("pytest", "hypothesis.strategies", "safestats.tests.server.matrix_rig"):
    importlib.import_module(name)
for name in [name for name in sys.modules if name.split(".")[0] == "safestats"]:
    del sys.modules[name]
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        import pytest
        os._exit(pytest.main(sys.argv[2:]))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Bench:
    """A copy of the package in which one mutant after the other is tried."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "safestats"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "docs", "benchmarks", "qgis_plugin")
        shutil.copytree(ROOT, self.package, ignore=ignored)
        # Compiled once, but for what is changed: nothing is written later.
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(self.package)], check=False)
        for file in TARGETS:
            for compiled in (self.package / AGREEMENTS / "__pycache__").glob(f"{Path(file).stem}.*"):
                compiled.unlink()
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--timeout={_TIMEOUT_SECONDS}", "--timeout-method=thread"]
        options += [f"--basetemp={folder / 'tests'}", *(str(self.package / test) for test in TESTS)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("SAFESTATS_TEST_ENGINE", None)
        self._forking = subprocess.Popen(
            ["nice", "-n", "10", sys.executable, "-c", _FORKING, str(folder), *options],
            cwd=self.package,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def survives(self, mutant: Mutant) -> bool:
        """Whether all tests pass with the mutant in place."""
        path = self.package / AGREEMENTS / mutant.file
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.source, encoding="utf-8")
        try:
            return self.passes()
        finally:
            path.write_text(original, encoding="utf-8")

    def passes(self) -> bool:
        """Whether all tests pass."""
        assert self._forking.stdin is not None and self._forking.stdout is not None
        self._forking.stdin.write("go\n")
        self._forking.stdin.flush()
        return self._forking.stdout.readline().strip() == "0"

    def close(self) -> None:
        """End the process."""
        self._forking.kill()
        self._forking.communicate()


def main() -> int:
    """Try every mutant; the exit status tells whether any survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="one of the modules")
    parser.add_argument("--list", action="store_true", help="name the mutants and try none")
    asked = parser.parse_args()
    found = []
    for file in TARGETS:
        if asked.only in ("", file):
            found += mutants(file, (ROOT / AGREEMENTS / file).read_text(encoding="utf-8"))
    if asked.list:
        print("\n".join(f"{m.file}:{m.line} {m.what}" for m in found))
        print(f"{len(found)} mutants")
        return 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        benches = [Bench(Path(folder) / str(number)) for number in range(asked.processes)]
        if not benches[0].passes():
            print("The tests fail without any mutant.")
            return 2
        print(f"{len(found)} mutants; without any the tests pass", file=sys.stderr, flush=True)
        with ThreadPoolExecutor(asked.processes) as pool:
            shares = [found[number :: asked.processes] for number in range(asked.processes)]
            survived = list(pool.map(_try_all, benches, shares))
        for bench in benches:
            bench.close()
    alive = sorted((m for part in survived for m in part), key=lambda m: (m.file, m.line))
    for mutant in alive:
        print(f"survived: {mutant.file}:{mutant.line} {mutant.what}")
    print(f"{len(found)} mutants, {len(alive)} survived, {time.monotonic() - begun:.0f} s")
    return 1 if alive else 0


def _try_all(bench: Bench, share: list[Mutant]) -> list[Mutant]:
    alive = []
    for number, mutant in enumerate(share, start=1):
        if number % 20 == 0:
            print(f"{number} of {len(share)}", file=sys.stderr, flush=True)
        if bench.survives(mutant):
            alive.append(mutant)
            print(f"  alive: {mutant.file}:{mutant.line} {mutant.what}", file=sys.stderr, flush=True)
    return alive


if __name__ == "__main__":
    sys.exit(main())
