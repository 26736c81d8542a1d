"""Streets as a network: where lines join, which street an incident lies on, and short pieces to map.

Lines join where they share a vertex (to the decimetre), an end or not. Two that cross without one, such as a bridge and
the road below, do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_JOIN_M = 0.1
_AT_ONCE = 4096  # points that look for their street in one go


class NetworkError(ValueError):
    """No network can be made, or nothing lies on it; the message says why and what to do."""


@dataclass(frozen=True)
class Network:
    """Edges between nodes: ``ends`` of shape (edges, 2) are node numbers, ``lengths`` in metres.

    ``shapes`` are the edges' vertices, shape (vertices, 2); ``line_of`` tells which of the given lines each is part of.
    """

    nodes: int
    ends: NDArray[np.int64]
    lengths: NDArray[np.float64]
    shapes: tuple[NDArray[np.float64], ...]
    line_of: NDArray[np.int64]

    @classmethod
    def of(cls, lines: Sequence[NDArray[np.float64]]) -> Network:
        """The network of lines (arrays of shape (vertices, 2), metres), cut where they join; equal edges count once.

        Raises ``NetworkError`` where no line has a length.
        """
        vertices = [_distinct(np.asarray(line, dtype=float)) for line in lines]
        kept = [number for number, line in enumerate(vertices) if len(line) > 1]
        if not kept:
            raise NetworkError("The layer of lines holds no line with a length here: choose streets of this area.")
        numbers, degree, node_count = _numbered([vertices[number] for number in kept])
        ends: list[tuple[int, int]] = []
        shapes: list[NDArray[np.float64]] = []
        line_of: list[int] = []
        known: set[tuple[int, ...]] = set()
        for line, of_line in zip(kept, numbers):
            cuts = np.flatnonzero(degree[of_line] > 1)
            cuts = np.unique(np.concatenate([[0], cuts, [len(of_line) - 1]]))
            for first, last in zip(cuts[:-1], cuts[1:]):
                path = tuple(of_line[first : last + 1].tolist())
                if path in known or path[::-1] in known:
                    continue
                known.add(path)
                ends.append((path[0], path[-1]))
                shapes.append(vertices[line][first : last + 1])
                line_of.append(line)
        lengths = np.array([_steps(shape).sum() for shape in shapes])
        return cls(node_count, np.array(ends, dtype=np.int64), lengths, tuple(shapes), np.array(line_of))

    def degrees(self) -> NDArray[np.int64]:
        """How many ends of edges meet at each node; 0 for vertices within an edge."""
        return np.bincount(self.ends.ravel(), minlength=self.nodes)

    def at(self, edges: NDArray[np.int64], along: NDArray[np.float64]) -> NDArray[np.float64]:
        """The points so many metres along edges, shape ``(n, 2)``."""
        steps = [_steps(shape) for shape in self.shapes]
        within = np.concatenate([np.concatenate([[0.0], np.cumsum(step)]) for step in steps])
        # All edges end to end, a metre apart, so that one look-up serves them all.
        begins = np.concatenate([[0.0], np.cumsum(self.lengths + 1.0)[:-1]])
        run = within + np.repeat(begins, [len(shape) for shape in self.shapes])
        vertices = np.concatenate(self.shapes)
        places = begins[edges] + along
        return np.stack([np.interp(places, run, vertices[:, axis]) for axis in (0, 1)], axis=1)


@dataclass(frozen=True)
class OnNetwork:
    """Where points lie: ``edge`` (−1: none near enough), metres ``along`` it from its first end, and ``away`` from it
    (NaN where no edge is near enough)."""

    edge: NDArray[np.int64]
    along: NDArray[np.float64]
    away: NDArray[np.float64]


@dataclass(frozen=True)
class Lixels:
    """Edges cut into equal pieces: the ``edge`` of each, and from where to where along it in metres; edge by edge."""

    edge: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    first_of: NDArray[np.int64]  # of each edge the number of its first piece, and the number of all; shape (edges + 1,)

    @classmethod
    def of(cls, network: Network, length: float) -> Lixels:
        """Pieces of at most ``length`` metres."""
        pieces = np.maximum(np.ceil(network.lengths / length - 1e-9), 1).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(pieces)])
        edge = np.repeat(np.arange(len(pieces)), pieces)
        within = np.arange(int(first[-1])) - first[edge]
        each = (network.lengths / pieces)[edge]
        return cls(edge, within * each, (within + 1) * each, first)

    @property
    def middles(self) -> NDArray[np.float64]:
        """The metres along the edge of each piece's middle."""
        return (self.start + self.end) / 2

    def holding(self, places: OnNetwork) -> NDArray[np.int64]:
        """How many points lie in each piece; one between two belongs to the latter."""
        on = places.edge >= 0
        edge, along = places.edge[on], places.along[on]
        pieces = np.diff(self.first_of)[edge]
        each = self.end[self.first_of[edge]]
        within = np.minimum((along / each).astype(np.int64), pieces - 1)
        return np.bincount(self.first_of[edge] + within, minlength=len(self.edge)).astype(np.int64)


def on_network(network: Network, eastings: ArrayLike, northings: ArrayLike, within: float) -> OnNetwork:
    """The nearest point of the network for each point, where one lies at most ``within`` metres away."""
    east, north = np.asarray(eastings, dtype=float), np.asarray(northings, dtype=float)
    starts = np.concatenate([shape[:-1] for shape in network.shapes])
    stops = np.concatenate([shape[1:] for shape in network.shapes])
    steps = [_steps(shape) for shape in network.shapes]
    edge_of = np.repeat(np.arange(len(steps)), [len(step) for step in steps])
    before = np.concatenate([np.cumsum(step) - step for step in steps])
    index = _SegmentIndex(starts, stops, within)
    edge = np.full(len(east), -1, dtype=np.int64)
    along, away = np.full(len(east), np.nan), np.full(len(east), np.nan)
    for begin in range(0, len(east), _AT_ONCE):
        part = np.arange(begin, min(begin + _AT_ONCE, len(east)))
        point, segment = index.near(east[part], north[part])
        if not point.size:
            continue
        place = np.stack([east[part][point], north[part][point]], axis=1)
        run = stops[segment] - starts[segment]
        length2 = np.einsum("ij,ij->i", run, run)
        share = np.clip(np.einsum("ij,ij->i", place - starts[segment], run) / length2, 0.0, 1.0)
        gap = place - (starts[segment] + share[:, None] * run)
        distance = np.hypot(gap[:, 0], gap[:, 1])
        # The nearest first, of equals the one that comes first in the layer.
        order = np.lexsort((segment, distance, point))
        first = order[np.concatenate([[True], np.diff(point[order]) > 0])]
        first = first[distance[first] <= within]
        chosen = part[point[first]]
        edge[chosen] = edge_of[segment[first]]
        along[chosen] = before[segment[first]] + share[first] * np.sqrt(length2[first])
        away[chosen] = distance[first]
    return OnNetwork(edge, along, away)


class _SegmentIndex:
    """Straight segments by the cells of a grid that they come near, as posts set along them."""

    def __init__(self, starts: NDArray[np.float64], stops: NDArray[np.float64], within: float) -> None:
        spacing = max(within, 1.0)
        run = stops - starts
        posts = np.ceil(np.hypot(run[:, 0], run[:, 1]) / spacing).astype(np.int64) + 1
        segment = np.repeat(np.arange(len(starts)), posts)
        step = np.arange(len(segment)) - np.repeat(np.cumsum(posts) - posts, posts)
        post = starts[segment] + run[segment] * (step / np.maximum(posts - 1, 1)[segment])[:, None]
        # A point within reach of a segment lies within reach and half a spacing of one of its posts: so in a cell
        # beside the post's.
        self._cell = within + spacing / 2
        self._origin = post.min(axis=0)
        cells = np.floor((post - self._origin) / self._cell).astype(np.int64)
        self._width = int(cells[:, 0].max()) + 3
        self._rows = int(cells[:, 1].max())
        keys = ((cells[:, 1] + 1) * self._width + cells[:, 0] + 1) * len(starts) + segment
        self._keys, self._segments = np.divmod(np.unique(keys), len(starts))

    def near(
        self, east: NDArray[np.float64], north: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of a point and a segment that may be near it; a pair may occur more than once."""
        column = np.floor((east - self._origin[0]) / self._cell) + 1
        row = np.floor((north - self._origin[1]) / self._cell) + 1
        beside = (column >= 0) & (column <= self._width - 1) & (row >= 0) & (row <= self._rows + 2)
        number = np.flatnonzero(beside)
        key = (row[number] * self._width + column[number]).astype(np.int64)
        points, segments = [], []
        for down in (-1, 0, 1):
            # Three cells of a row lie side by side.
            first = np.searchsorted(self._keys, key + down * self._width - 1, side="left")
            last = np.searchsorted(self._keys, key + down * self._width + 1, side="right")
            length = last - first
            within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
            points.append(np.repeat(number, length))
            segments.append(self._segments[np.repeat(first, length) + within])
        return np.concatenate(points), np.concatenate(segments)


def piece(shape: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    """The vertices of a line from ``start`` to ``end`` metres along it, shape (vertices, 2)."""
    along = np.concatenate([[0.0], np.cumsum(_steps(shape))])
    inner = shape[(along > start + 1e-9) & (along < end - 1e-9)]
    ends = [[float(np.interp(at, along, shape[:, axis])) for axis in (0, 1)] for at in (start, end)]
    return np.concatenate([[ends[0]], inner, [ends[1]]])


def _steps(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(*np.diff(shape, axis=0).T)


def _distinct(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line without vertices in the same decimetre as the one before."""
    spots = np.rint(line / _JOIN_M)
    return line[np.concatenate([[True], np.any(np.diff(spots, axis=0) != 0, axis=1)])]


def _numbered(
    lines: Sequence[NDArray[np.float64]],
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], int]:
    """The number of each vertex, equal where lines share it; how often each occurs; and how many there are."""
    sizes = [len(line) for line in lines]
    spots = np.rint(np.concatenate(lines) / _JOIN_M).astype(np.int64)
    spots -= spots.min(axis=0)
    # One number a spot: rows of two would be sorted many times as slowly, and with every other thread waiting.
    found, number = np.unique(spots[:, 1] * (int(spots[:, 0].max()) + 1) + spots[:, 0], return_inverse=True)
    number = number.reshape(-1)
    degree = np.bincount(number)
    return np.split(number, np.cumsum(sizes)[:-1]), degree, len(found)
