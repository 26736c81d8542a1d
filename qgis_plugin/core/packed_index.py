"""Fills the R-tree of a GeoPackage at once, for a copy that is made of months: row by row takes ten times as long.

Points are packed by sort-tile-recursive (Leutenegger, Lopez and Edgington 1997) and written into the tables behind
SQLite's R-tree, whose form is documented at sqlite.org/rtree.html ("shadow tables"): a node is its depth (of the root
only) and its number of cells as 16-bit numbers, then cells of a 64-bit number and four 32-bit reals, all big-endian.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .sql_text import quoted

_CELL = np.dtype([("id", ">i8"), ("min_x", ">f4"), ("max_x", ">f4"), ("min_y", ">f4"), ("max_y", ">f4")])
_HEAD_BYTES = 4
_ROOT = 1
# Nodes are left with room, so that the next updates need not split them.
_FILL = 0.8


@dataclass(frozen=True)
class PackedTree:
    """Nodes by number (the root is 1), and the numbers of each row's leaf and of each other node's parent."""

    nodes: list[tuple[int, bytes]]
    rows: np.ndarray  # of (feature id, node)
    parents: np.ndarray  # of (node, parent)


def pack(fids: np.ndarray, x: np.ndarray, y: np.ndarray, node_bytes: int) -> PackedTree:
    """The tree of points: ``fids`` int64, ``x`` and ``y`` numbers that 32-bit reals hold exactly; not empty."""
    capacity = (node_bytes - _HEAD_BYTES) // _CELL.itemsize
    full = max(2, int(capacity * _FILL))
    order = _tiles(x, y, full)
    cells = np.zeros(len(fids), _CELL)
    cells["id"] = fids[order]
    for name, values in (("min_x", x), ("max_x", x), ("min_y", y), ("max_y", y)):
        cells[name] = values[order]

    nodes: list[tuple[int, bytes]] = []
    parents: list[np.ndarray] = []
    next_number, depth = _ROOT + 1, 0
    leaves = np.empty(0, np.int64)
    while True:
        starts = np.arange(0, len(cells), full)
        numbers = np.arange(next_number, next_number + len(starts)) if len(starts) > 1 else np.array([_ROOT])
        of_cell = np.repeat(numbers, np.diff(np.append(starts, len(cells))))
        if depth == 0:
            leaves = of_cell
        else:
            parents.append(np.column_stack([cells["id"].astype(np.int64), of_cell]))
        is_root = len(starts) == 1
        nodes += _written(cells, numbers, starts, depth if is_root else 0, node_bytes)
        if is_root:
            break
        cells = _bounds(cells, numbers, starts)
        next_number += len(numbers)
        depth += 1
    rows = np.column_stack([fids[order], leaves])
    return PackedTree(nodes, rows, np.concatenate(parents) if parents else np.empty((0, 2), np.int64))


def fill(connection: sqlite3.Connection, index: str, tree: Callable[[int], PackedTree | None]) -> None:
    """Write ``tree(bytes of a node)`` into the empty R-tree ``index``; ``None`` leaves it empty.

    The connection must not have looked into the R-tree, which keeps what it read.
    """
    node, rowid, parent = (quoted(f"{index}_{part}") for part in ("node", "rowid", "parent"))
    query = f"SELECT length(data) FROM {node} WHERE nodeno = ?"  # nosec B608 # quoted names
    (node_bytes,) = connection.execute(query, (_ROOT,)).fetchone()
    made = tree(node_bytes)
    if made is None:
        return
    connection.execute(f"DELETE FROM {node}")  # nosec B608 # quoted names
    connection.executemany(f"INSERT INTO {node} (nodeno, data) VALUES (?, ?)", made.nodes)  # nosec B608 # quoted names
    rows = made.rows[np.argsort(made.rows[:, 0])]
    connection.executemany(f"INSERT INTO {rowid} (rowid, nodeno) VALUES (?, ?)", rows.tolist())  # nosec B608
    of_nodes = made.parents.tolist()
    connection.executemany(f"INSERT INTO {parent} (nodeno, parentnode) VALUES (?, ?)", of_nodes)  # nosec B608


def placed(nodes: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray] | None:
    """The points that the leaves of an R-tree hold: x and y as float64, exactly as in the table, in no order.

    ``None`` where they cannot be told from the index: shapes that are no points, and coordinates that 32-bit reals do
    not hold, of which it keeps a little square around the point. Whole metres of the National Grid are held exactly.
    """
    if not nodes:
        return np.empty(0), np.empty(0)
    size = len(nodes[0])
    pages = np.frombuffer(b"".join(nodes), dtype=np.uint8).reshape(len(nodes), size)
    number = pages[:, 2].astype(np.int64) * 256 + pages[:, 3]
    capacity = (size - _HEAD_BYTES) // _CELL.itemsize
    cells = np.ascontiguousarray(pages[:, _HEAD_BYTES : _HEAD_BYTES + capacity * _CELL.itemsize]).view(_CELL)
    held = cells[np.arange(capacity) < number[:, None]]
    if (held["min_x"] != held["max_x"]).any() or (held["min_y"] != held["max_y"]).any():
        return None
    return held["min_x"].astype(np.float64), held["min_y"].astype(np.float64)


def _tiles(x: np.ndarray, y: np.ndarray, full: int) -> np.ndarray:
    """The order in which each ``full`` points lie close together: in strips by x, within a strip by y."""
    strip = full * math.ceil(math.sqrt(math.ceil(len(x) / full)))
    by_x = np.argsort(x, kind="stable")
    return by_x[np.lexsort((y[by_x], np.arange(len(x)) // strip))]


def _bounds(cells: np.ndarray, numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The nodes as cells of the level above."""
    above = np.zeros(len(numbers), _CELL)
    above["id"] = numbers
    for name, combine in (("min_x", np.minimum), ("max_x", np.maximum), ("min_y", np.minimum), ("max_y", np.maximum)):
        above[name] = combine.reduceat(cells[name].astype(np.float32), starts)
    return above


def _written(
    cells: np.ndarray, numbers: np.ndarray, starts: np.ndarray, depth: int, node_bytes: int
) -> Iterator[tuple[int, bytes]]:
    ends = np.append(starts[1:], len(cells))
    for number, start, end in zip(numbers.tolist(), starts.tolist(), ends.tolist()):
        head = depth.to_bytes(2, "big") + (end - start).to_bytes(2, "big")
        yield number, (head + cells[start:end].tobytes()).ljust(node_bytes, b"\0")
