"""What a reader can work out of a table of rings: the exact range of each hidden count.

A table has a row a category, which add up to a total row, and a column a ring, each of which holds the smaller ones.
Of each cell the reader knows the range that ``small_counts.possible`` gives. All tables of whole numbers that fit are
the flows of a small network: a row's outermost count splits into what lies between its rings, which joins that of the
other rows and adds up, ring by ring, to the totals. So the largest and the smallest flow through an edge (Ford and
Fulkerson 1956) are the exact bounds, over whole numbers, of what the reader can know; the true table is where the
search begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .small_counts import UNBOUNDED, Possible

Known = Sequence[Sequence[Possible]]  # a row of cells, inner ring first
_SOURCE, _SINK = 0, 1


class RingTable:
    """A table, and what is known of it.

    ``rows``: the true counts within each ring, inner first, of each category; ``known`` the same shape, and ``totals``
    one a ring: what is published of the cells and of their sums. All must hold of the true counts.
    """

    def __init__(self, rows: Sequence[Sequence[int]], known: Known, totals: Sequence[Possible]) -> None:
        self._links: list[list[int]] = []  # edges by the node they leave, in pairs: edge and its reverse
        self._head: list[int] = []
        self._flow: list[int] = []
        self._low: list[int] = []
        self._high: list[int] = []
        rings = len(totals)
        self._cells: dict[tuple[int, int], int] = {}
        self._between: dict[tuple[int, int], int] = {}
        self._links = [[], []]
        joins = [self._node() for _ in range(rings)]
        sums = [self._node() for _ in range(rings)]
        for number, row in enumerate(rows):
            held = [self._node() for _ in range(rings)]
            for ring in reversed(range(rings)):
                start = _SOURCE if ring == rings - 1 else held[ring + 1]
                self._cells[number, ring] = self._edge(start, held[ring], row[ring], known[number][ring])
                step = row[ring] - (row[ring - 1] if ring else 0)
                if step < 0:
                    raise ValueError("Counts of rings must not fall from the inner to the outer ring.")
                self._between[number, ring] = self._edge(held[ring], joins[ring], step, _FREE)
        whole = [sum(row[ring] for row in rows) for ring in range(rings)]
        for ring in range(rings):
            step = whole[ring] - (whole[ring - 1] if ring else 0)
            self._between[-1, ring] = self._edge(joins[ring], sums[ring], step, _FREE)
            end = _SINK if ring == rings - 1 else sums[ring + 1]
            self._cells[-1, ring] = self._edge(sums[ring], end, whole[ring], totals[ring])
        self._edge(_SINK, _SOURCE, whole[-1] if rings else 0, _FREE)

    def cell(self, row: int, ring: int, wanted: Possible) -> Possible:
        """The range of a count, of the total where ``row`` is −1. Beyond ``wanted`` it is not looked further."""
        return self._range(self._cells[row, ring], wanted)

    def between(self, row: int, ring: int, wanted: Possible) -> Possible:
        """The range of what lies between a ring and the next smaller one, as ``cell``."""
        return self._range(self._between[row, ring], wanted)

    def _node(self) -> int:
        self._links.append([])
        return len(self._links) - 1

    def _edge(self, tail: int, head: int, flow: int, known: Possible) -> int:
        if not known.low <= flow <= known.high:
            raise ValueError("What is published does not hold of the counts.")
        number = len(self._head)
        self._links[tail].append(number)
        self._links[head].append(number + 1)
        self._head += [head, tail]
        self._flow += [flow, 0]
        self._low += [known.low, 0]
        self._high += [known.high, 0]
        return number

    def _range(self, edge: int, wanted: Possible) -> Possible:
        truth = self._flow[edge]
        known = Possible(self._low[edge], self._high[edge])
        up = self._pushed(edge, self._head[edge], self._head[edge + 1], min(wanted.high, known.high) - truth)
        down = self._pushed(edge, self._head[edge + 1], self._head[edge], truth - max(wanted.low, known.low))
        return Possible(truth - down, truth + up)

    def _pushed(self, edge: int, start: int, end: int, most: int) -> int:
        """How much of ``most`` can go from ``start`` to ``end`` beside the edge itself."""
        flow, pushed = list(self._flow), 0
        while pushed < most:
            path = self._path(flow, edge, start, end)
            if path is None:
                break
            room = min([most - pushed, *(self._room(flow, step) for step in path)])
            for step in path:
                flow[step & ~1] += -room if step & 1 else room
            pushed += room
        return pushed

    def _path(self, flow: list[int], edge: int, start: int, end: int) -> list[int] | None:
        came: dict[int, int] = {start: -1}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            if node == end:
                path = []
                while came[node] >= 0:
                    path.append(came[node])
                    node = self._head[came[node] ^ 1]
                return path
            for step in self._links[node]:
                if step & ~1 != edge and self._head[step] not in came and self._room(flow, step) > 0:
                    came[self._head[step]] = step
                    queue.append(self._head[step])
        return None

    def _room(self, flow: list[int], step: int) -> int:
        forward = step & ~1
        return flow[forward] - self._low[forward] if step & 1 else self._high[forward] - flow[forward]


_FREE = Possible(0, UNBOUNDED)
