"""Changes the decisions about rights one by one, in memory, and tells which changes no test notices.

    .venvs/server/bin/python scripts/mutation.py [--processes 2] [--only scope.py]

Each mutant is tried in a process of its own on drawn worlds (``tests/server/test_rights.py``), and where these do not
notice it with the tests named below; all on the embedded engine. docs/mutation.md explains what survives.
"""

from __future__ import annotations

import argparse
import ast
import copy
import itertools
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
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
TESTS = ("tests/server/test_readable.py",)
WORLDS = 200
RICHEST = 10
_TIMEOUT_SECONDS = 240
_ALIVE, _NOTICED = 250, 251

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


@dataclass(frozen=True)
class Prepared:
    """Worlds, each in a database of its own, and what the oracle is told of them."""

    definitions: Any
    worlds: list[tuple[Path, Any, Any]]

    @classmethod
    def make(cls, folder: Path) -> Prepared:
        """As many worlds as the quick test looks at."""
        from hypothesis import Phase, given, settings
        from safestats.tests.server.matrix_rig import MatrixRig
        from safestats.tests.server.matrix_worlds import DATASETS, worlds
        from safestats.tests.server.test_rights import worlds_of_borders

        rig = MatrixRig(folder, DATASETS)
        found: list[tuple[Path, Any, Any]] = []
        numbers = itertools.count()

        def prepare(world: Any) -> None:
            state = rig.begin(world)
            path = folder / f"{next(numbers)}.sqlite"
            held = rig.application.settings.database_path
            with closing(sqlite3.connect(held)) as here, closing(sqlite3.connect(path)) as there:
                here.backup(there)
            found.append((path, state, world))

        for world in worlds_of_borders():
            prepare(world)
        borders = list(found)
        found.clear()

        @settings(max_examples=WORLDS, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))
        @given(world=worlds())
        def draw(world: Any) -> None:
            prepare(world)

        draw()
        definitions = rig.application.definitions
        rig.close()
        chosen = _chosen(found)
        return cls(definitions, [*chosen[:RICHEST], *borders, *chosen[RICHEST:]])

    def noticed_in(self) -> int | None:
        """The place in the list of the first world in which the quick test fails."""
        from safestats.sync_server.database import Database
        from safestats.tests.server.test_rights import check_world

        for place, (path, state, world) in enumerate(self.worlds):
            database = Database.open(path)
            try:
                with database.read() as session:
                    check_world(session, self.definitions, state, world)
            except Exception:  # an error, too, is noticed
                return place
        return None

    def look_first_in(self, place: int) -> None:
        """What noticed one mutant is likely to notice the next."""
        self.worlds.insert(0, self.worlds.pop(place))


def _chosen(found: list[tuple[Path, Any, Any]]) -> list[tuple[Path, Any, Any]]:
    """The worlds in which most is seen, then two for each reason of a refusal."""
    from safestats.tests.server.oracle import Refused, asked

    def answers(held: tuple[Path, Any, Any]) -> list[Any]:
        _path, state, world = held
        return [asked(state, person, d.code, "view") for person in world.people for d in state.datasets]

    def seen(held: tuple[Path, Any, Any]) -> int:
        return sum(len(answer.seen("view")) for answer in answers(held) if not isinstance(answer, Refused))

    found = sorted(found, key=seen, reverse=True)
    chosen, told = found[:RICHEST], Counter[str]()
    for held in found[RICHEST:]:
        codes = {answer.code for answer in answers(held) if isinstance(answer, Refused)}
        if any(told[code] < 2 for code in codes):
            chosen.append(held)
            told.update(codes)
    return chosen


def put_in_place(mutant: Mutant) -> None:
    """Let the running program work with the mutant: every name that meant something of the module means the new."""
    module = sys.modules[f"safestats.{AGREEMENTS.replace('/', '.')}.{Path(mutant.file).stem}"]
    before = dict(vars(module))
    exec(compile(mutant.source, str(module.__file__), "exec"), vars(module))
    changed = {id(old): vars(module)[name] for name, old in before.items() if vars(module).get(name) is not old}
    for other in [m for name, m in sys.modules.items() if name.startswith("safestats.")]:
        for name, value in list(vars(other).items()):
            if id(value) in changed and name != "__builtins__":
                setattr(other, name, changed[id(value)])


def tried(prepared: Prepared, mutant: Mutant) -> int:
    """The place of the world that noticed the mutant, ``_NOTICED`` by another test, or ``_ALIVE``.

    For a process of its own, which is of no use afterwards.
    """
    import pytest

    try:
        put_in_place(mutant)
    except Exception:
        return _NOTICED
    place = prepared.noticed_in()
    if place is not None:
        return place
    # What the worlds know of the rest, they know better.
    some = [] if mutant.file == "readable.py" else ["-k", "fingerprint or rights"]
    quiet = ["-x", "-q", "-p", "no:cacheprovider", *some]
    return _ALIVE if pytest.main([*quiet, *(str(ROOT / test) for test in TESTS)]) == 0 else _NOTICED


def try_all(prepared: Prepared, found: list[Mutant], processes: int) -> list[Mutant]:
    """Those that survive."""
    alive: list[Mutant] = []
    running: dict[int, tuple[Mutant, list[Any]]] = {}
    for number, mutant in enumerate([*found, *[None] * processes]):
        if running and (mutant is None or len(running) == processes):
            child, status = os.wait()
            done, order = running.pop(child)
            code = os.waitstatus_to_exitcode(status)
            if code == _ALIVE:
                alive.append(done)
                print(f"  alive: {done.file}:{done.line} {done.what}", file=sys.stderr, flush=True)
            elif 0 <= code < len(order):
                prepared.look_first_in(prepared.worlds.index(order[code]))
        if mutant is None:
            continue
        if number % 25 == 0:
            print(f"{number} of {len(found)}", file=sys.stderr, flush=True)
        child = os.fork()
        if child == 0:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            signal.alarm(_TIMEOUT_SECONDS)  # one that never ends is noticed, too
            os._exit(tried(prepared, mutant))
        running[child] = (mutant, list(prepared.worlds))
    return alive


def main() -> int:
    """Try every mutant; the exit status tells whether any survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=TARGETS, help="some of the modules")
    parser.add_argument("--list", action="store_true", help="name the mutants and try none")
    asked = parser.parse_args()
    found = []
    for file in TARGETS:
        if file in asked.only:
            found += mutants(file, (ROOT / AGREEMENTS / file).read_text(encoding="utf-8"))
    if asked.list:
        print("\n".join(f"{m.file}:{m.line} {m.what}" for m in found))
        print(f"{len(found)} mutants")
        return 0
    os.environ.pop("SAFESTATS_TEST_ENGINE", None)
    os.nice(5)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        prepared = Prepared.make(Path(folder))
        if prepared.noticed_in() is not None:
            print("The tests fail without any mutant.")
            return 2
        print(f"{len(prepared.worlds)} worlds, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        alive = sorted(try_all(prepared, found, asked.processes), key=lambda mutant: (mutant.file, mutant.line))
    for mutant in alive:
        print(f"survived: {mutant.file}:{mutant.line} {mutant.what}")
    print(f"{len(found)} mutants, {len(alive)} survived, {time.monotonic() - begun:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
